import { lastParameter } from '../cmdline/index.ts'
import type { System } from '../system/system.ts'
import type { Finding, Subject } from './check.ts'
import { type Examination, readEvidence } from './examination.ts'
import { sentence } from './sentence.ts'

const CPUS = '/proc/device-tree/cpus'
const POSSIBLE = '/sys/devices/system/cpu/possible'

/** What firmware, processor or hypervisor are known to make impossible, where reading proves it. */
export const platform: Subject<'platform'> = {
  name: 'platform',
  ids: ['platform'],
  needsMachine: true,
  examine: (examination) => {
    const [obstacle] = [xen, spinTable, protectedKvm, tdxErratum].flatMap((look) => look(examination) ?? [])
    return [obstacle ?? { id: 'platform', status: 'ok', summary: 'Nothing in it is known to stand in the way.' }]
  },
}

type Look = Finding<'platform'> | undefined

function xen({ policy }: Examination): Look {
  if (policy.hypervisor !== 'xen-dom0' && policy.hypervisor !== 'xen-pv') return undefined
  const known = policy.reasons.filter(({ subject }) => subject === 'hypervisor')
  const text = known[0]?.text ?? `this is ${policy.hypervisor}`
  return {
    id: 'platform',
    status: 'problem',
    summary: sentence(text),
    evidence: known.map(({ source, value }) => ({ source, value })),
    remedy: 'Reboot as usual.',
  }
}

/** arm64 refuses with EBUSY what could not stop its other processors: cpus_are_stuck_in_kernel of arch/arm64/kernel/smp.c. */
function spinTable({ policy, system }: Examination): Look {
  if (policy.kernel.architecture !== 'aarch64' || !hasSeveralProcessors(system)) return undefined
  const method = system
    .list(CPUS)
    .filter((name) => name.startsWith('cpu@'))
    .map((name) => `${CPUS}/${name}/enable-method`)
    .find((path) => system.readText(path)?.replaceAll('\0', '') === 'spin-table')
  if (method === undefined) return undefined
  return {
    id: 'platform',
    status: 'problem',
    summary:
      'Its firmware starts processors by spin table, which cannot be stopped: the kernel refuses every load (EBUSY).',
    evidence: [{ source: method, value: 'spin-table' }, ...readEvidence(system, POSSIBLE)],
    remedy: 'Boot with nr_cpus=1, or install firmware with PSCI.',
  }
}

function hasSeveralProcessors(system: System): boolean {
  return /[-,]/.test(system.readText(POSSIBLE)?.trim() ?? '')
}

/** The same function counts the protected mode of KVM, since 5.16. */
function protectedKvm({ policy, system }: Examination): Look {
  const mode = lastParameter(system.runningCommandLine(), 'kvm-arm.mode')
  if (policy.kernel.architecture !== 'aarch64' || mode?.value !== 'protected') return undefined
  return {
    id: 'platform',
    status: 'warning',
    summary: 'Protected KVM was asked for: where it is active, the kernel refuses every load (EBUSY).',
    evidence: [{ source: '/proc/cmdline', value: mode.raw }],
    remedy: `Boot without ${mode.raw}.`,
  }
}

/** machine_kexec_prepare of arch/x86/kernel/machine_kexec_64.c, from 6.18 until a kernel that shuts TDX down first. */
function tdxErratum({ system }: Examination): Look {
  const bugs = /^bugs\s*:(.*)$/m.exec(system.readText('/proc/cpuinfo') ?? '')?.[1]?.split(' ') ?? []
  if (!bugs.includes('tdx_pw_mce')) return undefined
  return {
    id: 'platform',
    status: 'warning',
    summary:
      'TDX is on and this processor has its partial write erratum: kernels from 6.18 on may refuse every load (EOPNOTSUPP).',
    evidence: [{ source: '/proc/cpuinfo bugs', value: 'tdx_pw_mce' }],
    remedy: 'Switch TDX off in the firmware setup, should the load be refused.',
  }
}
