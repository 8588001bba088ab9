import type { Evidence } from '../../errors.ts'
import { limitUsedUp, loadingDisabled } from '../../policy/causes/causes.ts'
import type { CallPolicy, KexecPolicy } from '../../policy/policy.ts'
import type { PolicySubject } from '../../policy/survey/survey.ts'
import { barriersOfProcess, type LoadVerdict } from '../../policy/verdict/predict.ts'
import type { Finding, Subject } from '../examination/check.ts'
import { type Examination, planOf } from '../examination/examination.ts'
import { sentence } from '../examination/sentence.ts'

/** Whether the running kernel would take the kernel of a bare `load`, by its switches and signatures. */
export const policy: Subject<'load-switch' | 'signature'> = {
  name: 'policy',
  ids: ['load-switch', 'signature'],
  needsMachine: true,
  examine: (examination) => [loadSwitch(examination), signature(examination)],
}

/** The known facts about the call that a bare `load` makes. */
function callOf(examination: Examination): CallPolicy {
  const { kexecFileLoad, kexecLoad } = examination.policy
  return planOf(examination)?.engine === 'segments' ? kexecLoad : kexecFileLoad
}

function loadSwitch(examination: Examination): Finding<'load-switch'> {
  const id = 'load-switch'
  const { limits, reasons } = examination.policy
  if (callOf(examination).mode === 'unsupported')
    return { id, status: 'unknown', summary: 'Not checked: the running kernel cannot load kernels.' }
  const evidence = evidenceOf(reasons, 'limits')
  if (limits.disabled) {
    const { summary, remedy } = loadingDisabled(callOf(examination).remedy)
    return { id, status: 'problem', summary: sentence(summary), evidence, remedy }
  }
  if (limits.reboot === 0) {
    const { summary, remedy } = limitUsedUp(false, callOf(examination).remedy)
    return { id, status: 'problem', summary: sentence(summary), evidence, remedy }
  }
  if (limits.disabled === null) return { id, status: 'unknown', summary: 'Whether loading is allowed cannot be read.' }
  if (limits.reboot === 1) {
    const summary = 'Only one load is left until the next boot; a load that fails uses it up too.'
    return { id, status: 'warning', summary, evidence, remedy: 'linux-kexec plan, to check before using it up' }
  }
  const left = limits.reboot === null ? 'without a limit' : `${limits.reboot} more times`
  return { id, status: 'ok', summary: `Loading is allowed, ${left}.`, evidence }
}

const agreeable: Readonly<Record<string, string>> = {
  unchecked: 'Signatures are not checked.',
  permissive: 'Signatures are checked, but invalid ones are accepted.',
  enforced: 'The kernel to load is signed as required.',
}

function signature(examination: Examination): Finding<'signature'> {
  const id = 'signature'
  const evidence = evidenceOf(examination.policy.reasons, 'signature', 'lockdown', 'secure boot', 'ima')
  const { mode, why } = callOf(examination)
  if (mode === 'unsupported' || mode === 'disabled')
    return { id, status: 'unknown', summary: 'Not checked: every load is refused.', evidence }
  const verdict = planOf(examination)?.verdict
  if (verdict == null) {
    const isOpen = mode === 'unchecked' || mode === 'permissive'
    const summary = isOpen ? (agreeable[mode] as string) : `Not checked: there is no kernel to load (${mode}).`
    return { id, status: isOpen ? 'ok' : 'unknown', summary, detail: [sentence(why)], evidence }
  }
  return judged(verdict.privileged ?? verdict, examination.policy, { mode, evidence })
}

/** By the verdict for a privileged process: this process's own privileges and filter have their own checks. */
function judged(
  { outcome, summary, hint, missing }: LoadVerdict,
  policy: KexecPolicy,
  { mode, evidence }: { readonly mode: string; readonly evidence: readonly Evidence[] },
): Finding<'signature'> {
  const id = 'signature'
  const ofProcess = new Set(barriersOfProcess(policy).map(({ text }) => text))
  const unknown = missing.filter(({ text }) => !ofProcess.has(text)).map(({ text }) => text)
  if (outcome === 'will-be-refused') {
    const remedy = hint ?? 'linux-kexec policy'
    return {
      id,
      status: 'problem',
      summary: sentence(`the running kernel would refuse this load: ${summary}`),
      evidence,
      remedy,
    }
  }
  if (unknown.length === 0) {
    const detail = outcome === 'will-load' ? [sentence(summary)] : []
    return { id, status: 'ok', summary: agreeable[mode] ?? 'No obstacle to the load is known.', detail, evidence }
  }
  const detail = unknown.map((each) => sentence(`unknown: ${each}`))
  const unsure = 'Whether the running kernel accepts the load is unknown in advance.'
  return { id, status: 'warning', summary: unsure, detail, evidence, remedy: hint ?? 'sudo linux-kexec policy' }
}

function evidenceOf(reasons: KexecPolicy['reasons'], ...subjects: readonly PolicySubject[]): Evidence[] {
  return reasons.filter(({ subject }) => subjects.includes(subject)).map(({ source, value }) => ({ source, value }))
}
