import { servedArchitectures } from '../../engine/layout/architectures.ts'
import type { Evidence } from '../../errors.ts'
import { noSuchCall } from '../../policy/causes/causes.ts'
import type { CallPolicy } from '../../policy/policy.ts'
import type { Finding, Subject } from '../examination/check.ts'
import { type Examination, planOf } from '../examination/examination.ts'
import { sentence } from '../examination/sentence.ts'

/** Whether the running kernel has the two system calls that load a kernel. */
export const kernel: Subject<'kexec-file-load' | 'kexec-load'> = {
  name: 'kernel',
  ids: ['kexec-file-load', 'kexec-load'],
  needsMachine: true,
  examine: (examination) => [fileLoad(examination), plainLoad(examination)],
}

function fileLoad(examination: Examination): Finding<'kexec-file-load'> {
  const id = 'kexec-file-load'
  const { policy, configuration } = examination
  const evidence = sources(policy.reasons)
  if (policy.kexecFileLoad.mode === 'unsupported') {
    if (planOf(examination)?.engine === 'segments') {
      const detail = ['kexec_load is used in its place.']
      return { id, status: 'ok', summary: sentence(policy.kexecFileLoad.why), detail, evidence }
    }
    const detail =
      policy.kexecLoad.mode === 'unsupported'
        ? []
        : [`The running kernel has kexec_load, which this version of linux-kexec uses on ${servedArchitectures}.`]
    const { remedy } = noSuchCall('kexec_file_load')
    return { id, status: 'problem', summary: sentence(policy.kexecFileLoad.why), detail, evidence, remedy }
  }
  const refused = refusalOf(examination, id)
  if (refused !== undefined) return refused
  if (configuration.has('KEXEC_FILE'))
    return { id, status: 'ok', summary: 'The running kernel has kexec_file_load.', evidence }
  const summary =
    'Whether the running kernel has kexec_file_load is unknown: neither its configuration nor its symbols can be read.'
  const remedy = policy.unread.length > 0 ? { remedy: 'sudo linux-kexec doctor' } : {}
  return { id, status: 'unknown', summary, evidence, ...remedy }
}

/** The plan's objection to the call that it would use. */
function refusalOf<Id extends 'kexec-file-load' | 'kexec-load'>(examination: Examination, id: Id) {
  const refusal = planOf(examination)?.refusals.find(({ reason }) => reason === 'no-kexec-support')
  if (refusal === undefined) return undefined
  const remedy = refusal.hint ?? noSuchCall('kexec_file_load').remedy
  return { id, status: 'problem', summary: sentence(refusal.summary), evidence: refusal.evidence, remedy } as const
}

/** Where kexec_file_load serves, kexec_load may be missing or disabled. */
function plainLoad(examination: Examination): Finding<'kexec-load'> {
  const {
    policy: { kexecLoad, reasons },
    configuration,
  } = examination
  const id = 'kexec-load'
  const evidence = sources(reasons)
  if (planOf(examination)?.engine === 'segments') return refusalOf(examination, id) ?? neededLoad(kexecLoad, evidence)
  if (kexecLoad.mode === 'unsupported')
    return { id, status: 'ok', summary: 'The running kernel has no kexec_load; it is not needed.', evidence }
  if (kexecLoad.mode === 'disabled')
    return {
      id,
      status: 'ok',
      summary: 'kexec_load is refused here; it is not needed.',
      detail: [sentence(kexecLoad.why)],
      evidence,
    }
  return configuration.has('KEXEC')
    ? { id, status: 'ok', summary: 'The running kernel has kexec_load; it is not needed.', evidence }
    : {
        id,
        status: 'unknown',
        summary: 'Whether the running kernel has kexec_load is unknown; it is not needed.',
        evidence,
      }
}

/** Where it is the only call. */
function neededLoad({ mode, why }: CallPolicy, evidence: readonly Evidence[]): Finding<'kexec-load'> {
  const id = 'kexec-load'
  if (mode !== 'disabled')
    return { id, status: 'ok', summary: 'The running kernel has kexec_load, and linux-kexec uses it.', evidence }
  const remedy = 'Boot a kernel built with CONFIG_KEXEC_FILE=y, which takes signed kernels.'
  return { id, status: 'problem', summary: sentence(why), evidence, remedy }
}

function sources(reasons: readonly (Evidence & { readonly subject: string })[]): Evidence[] {
  const wanted = reasons.filter(({ subject }) => subject === 'kernel' || subject === 'limits')
  return wanted.map(({ source, value }) => ({ source, value }))
}
