import { noCapability, otherPidNamespace, otherUserNamespace, seccompFilter } from '../../policy/causes/causes.ts'
import type { ProcessConfinement } from '../../policy/process/confinement.ts'
import { CAPABILITIES } from '../../policy/process/privileges.ts'
import { readProcessStatus } from '../../system/process-status.ts'
import type { System } from '../../system/system.ts'
import type { Finding, Subject } from '../examination/check.ts'
import type { Examination } from '../examination/examination.ts'
import { sentence } from '../examination/sentence.ts'

/** Whether this process, or one that its user starts, may load a kernel and reboot. */
export const caller: Subject<'capability' | 'namespaces' | 'seccomp' | 'confinement'> = {
  name: 'process',
  ids: ['capability', 'namespaces', 'seccomp', 'confinement'],
  needsMachine: true,
  examine: (examination) => [
    capability(examination),
    namespaces(examination),
    ...seccomp(examination),
    ...confinement(examination),
  ],
}

function capability({ policy, privileges, system }: Examination): Finding<'capability'> {
  const id = 'capability'
  const { evidence } = privileges
  if (policy.capability === null)
    return { id, status: 'unknown', summary: 'The capabilities of this process cannot be read (/proc/self/status).' }
  if (policy.capability) return { id, status: 'ok', summary: 'This process has CAP_SYS_BOOT.', evidence }
  const barrier = readBarrier(system)
  if (barrier === undefined) {
    const summary = 'This user may not load a kernel; root may (CAP_SYS_BOOT).'
    return { id, status: 'warning', summary, evidence, remedy: 'sudo linux-kexec load' }
  }
  const remedy = 'Run linux-kexec on the host, or in a service or container that has CAP_SYS_BOOT.'
  return {
    id,
    status: 'problem',
    summary: sentence(`${noCapability(policy.uid).summary}, and cannot gain it: ${barrier.why}`),
    evidence: [...evidence, { source: `/proc/self/status ${barrier.field}`, value: barrier.value }],
    remedy,
  }
}

/** The obstacles to gaining a capability by running a program as root: capabilities(7), PR_SET_NO_NEW_PRIVS(2const). */
function readBarrier(system: System): { why: string; field: string; value: string } | undefined {
  const status = readProcessStatus(system)
  const bounding = /^[0-9a-f]{1,16}$/.exec(status('CapBnd') ?? '')?.[0]
  if (bounding !== undefined && ((BigInt(`0x${bounding}`) >> CAPABILITIES.CAP_SYS_BOOT) & 1n) === 0n)
    return { why: 'it was taken out of its bounding set', field: 'CapBnd', value: bounding }
  if (status('NoNewPrivs') === '1')
    return { why: 'it may gain no privileges (no_new_privs)', field: 'NoNewPrivs', value: '1' }
  return undefined
}

function namespaces({ policy, privileges }: Examination): Finding<'namespaces'> {
  const id = 'namespaces'
  const { user, pid } = policy.namespaces
  const { evidence } = privileges
  const place = policy.container === null ? '' : ` (a container: ${policy.container})`
  if (user === false || pid === false) {
    const { summary, remedy } = user === false ? otherUserNamespace : otherPidNamespace
    return { id, status: 'problem', summary: sentence(`${summary}${place}`), evidence, remedy }
  }
  if (user === null || pid === null)
    return {
      id,
      status: 'unknown',
      summary: 'The namespaces of this process cannot be read (/proc/self/ns).',
      evidence,
    }
  if (policy.container !== null) {
    const summary = `This is a container (${policy.container}): the boot entries found are its own, not the host's.`
    return { id, status: 'warning', summary, evidence, remedy: otherUserNamespace.remedy }
  }
  return { id, status: 'ok', summary: 'This process is in the initial namespaces.', evidence }
}

/** No check is reported where there is no filter. */
function seccomp({ policy, privileges }: Examination): Finding<'seccomp'>[] {
  if (policy.seccomp === null || policy.seccomp === 0) return []
  const summary = 'A seccomp filter is active on this process; its rules cannot be read.'
  return [{ id: 'seccomp', status: 'warning', summary, evidence: privileges.evidence, remedy: seccompFilter.remedy }]
}

const modules = {
  apparmor: 'AppArmor',
  selinux: 'SELinux',
  loadpin: 'LoadPin',
  ipe: 'IPE',
  unknown: 'A security module',
}

/** No check is reported where no module confines this process or restricts the files that may be loaded. */
function confinement({ policy }: Examination): Finding<'confinement'>[] {
  const [first, ...others] = policy.confinement
  if (first === undefined) return []
  const summaryOf = ({ module, label, missing }: ProcessConfinement) =>
    module === 'unknown'
      ? `Whether a security module confines this process cannot be read ${missing}.`
      : `${modules[module]} may refuse the load${label === null ? '' : ` (${label})`}; its rules cannot be read.`
  const evidence = policy.reasons
    .filter(({ subject, source }) => subject === 'process' && source.includes('/attr/'))
    .map(({ source, value }) => ({ source, value }))
  const remedy =
    first.scope === 'process'
      ? 'Run linux-kexec from an unconfined shell of the host.'
      : 'Try linux-kexec load; the error names the cause.'
  return [
    {
      id: 'confinement',
      status: 'warning',
      summary: summaryOf(first),
      detail: others.map(summaryOf),
      evidence,
      remedy,
    },
  ]
}
