import type { Evidence, Reason } from '../../errors.ts'
import type { SignatureReport } from '../../image/signature/cms/report.ts'
import { optionName } from '../../option-name.ts'
import { STATUS } from '../../system/process-status.ts'
import {
  type Cause,
  imaAgainstFile,
  imaAgainstSegments,
  limitUsedUp,
  loadingDisabled,
  lockedAgainstSegments,
  lockedDown,
  noCapability,
  noSuchCall,
  otherUserNamespace,
  REINSTALL,
} from '../causes/causes.ts'
import { DISABLED, LIMIT } from '../limits/switches.ts'
import type { KexecPolicy } from '../policy.ts'
import { USER_IDS } from '../process/privileges.ts'
import type { PolicySubject } from '../survey/survey.ts'
import type { MissingFact, VerdictNote } from './codes.ts'
import { type AppraisedFile, checkAppraisal } from './ima-verdict.ts'
import { checkSignature, type FailedCheck } from './signature-verdict.ts'

/** The known facts about the kernel that would be loaded, besides its signatures. */
export interface VerdictImage {
  /** Whether it is a PE image, which alone can have an Authenticode signature; null when unknown. */
  readonly isPe: boolean | null
  /** The file that the kernel reads, for IMA: the kernel's own, or the memory it was unpacked into. */
  readonly file: AppraisedFile
  /** The file of the initrd; null without one. */
  readonly initrd: AppraisedFile | null
}

export interface PredictOptions {
  /** For a crash kernel. */
  readonly panic?: boolean
  /** As if this process had every privilege. */
  readonly privileged?: boolean
  /** The call to make; default kexec_file_load. */
  readonly call?: 'kexec_file_load' | 'kexec_load'
}

/** The running kernel's predicted answer to a load. */
export interface LoadVerdict {
  readonly outcome: 'will-load' | 'will-be-refused' | 'cannot-tell'
  /** The reason, as one sentence. */
  readonly summary: string
  /** The reason of the error; null unless the load will be refused. */
  readonly reason: Reason | null
  /** The file that the kernel refuses; null where it refuses the call, whatever the file. */
  readonly file: 'kernel' | 'initrd' | null
  /** The kernel's errno; null unless the load will be refused. */
  readonly code: string | null
  readonly hint: string | null
  /** The missing facts; empty unless the answer is unknown. */
  readonly missing: readonly MissingFact[]
  /** Remarks that do not change the answer. */
  readonly notes: readonly VerdictNote[]
  readonly evidence: readonly Evidence[]
  /** When this process lacks a privilege: the verdict for one that has it. Else null. */
  readonly privileged: LoadVerdict | null
}

/**
 * Predicts the answer of kexec_file_load to this kernel, in the order of the kernel's checks. It covers only policy: a
 * sound image and enough memory are separate questions.
 * @param signatures of the exact bytes that would be loaded; null when they were not read, which suffices where
 *   `policy.signature.required` is false
 */
export function predictAnswer(
  policy: KexecPolicy,
  image: VerdictImage,
  signatures: SignatureReport | null,
  options: PredictOptions = {},
): LoadVerdict {
  const byMachine = refusalOfMachine(policy, options)
  const byProcess = options.privileged ? undefined : refusalOfProcess(policy)
  // A missing call is answered before the rights of the caller are checked.
  if (byMachine?.reason === 'no-kexec-support') return byMachine
  if (byProcess !== undefined) {
    return { ...byProcess, privileged: predictAnswer(policy, image, signatures, { ...options, privileged: true }) }
  }
  if (byMachine !== undefined) return byMachine
  return options.call === 'kexec_load'
    ? verdictOnSegments(policy, options)
    : verdictOnImage(policy, image, signatures, options)
}

function refusalOfMachine(policy: KexecPolicy, { panic, call }: PredictOptions): LoadVerdict | undefined {
  const { kexecFileLoad, kexecLoad, limits, reasons } = policy
  const { mode, remedy } = call === 'kexec_load' ? kexecLoad : kexecFileLoad
  const evidence = reasons.filter(({ subject }) => subject === 'limits' || subject === 'kernel').map(quote)
  if (mode === 'unsupported') return refused(noSuchCall(call ?? 'kexec_file_load'), evidence)
  if (limits.disabled) return refused(loadingDisabled(remedy), evidence)
  if ((panic ? limits.panic : limits.reboot) === 0)
    return refused(limitUsedUp(panic === true, panic ? null : remedy), evidence)
  return refusalOfPlatform(policy, panic)
}

function refusalOfPlatform({ obstacles }: KexecPolicy, panic: boolean | undefined): LoadVerdict | undefined {
  const found = obstacles.find(
    ({ certain, code, concernsCrash }) => certain && code !== null && (concernsCrash || !panic),
  )
  return found && refused({ ...found, reason: 'busy', code: found.code as string }, found.evidence)
}

function refusalOfProcess(policy: KexecPolicy): LoadVerdict | undefined {
  const evidence = evidenceOf(policy, 'process')
  if (policy.capability === false) return refused(noCapability(policy.uid), evidence)
  if (policy.namespaces.user === false) return refused(otherUserNamespace, evidence)
  return undefined
}

/** kexec_load gets no file, so there is nothing to verify: it is allowed or refused. */
function verdictOnSegments(policy: KexecPolicy, options: PredictOptions): LoadVerdict {
  const { mode, why, reason } = policy.kexecLoad
  const evidence = evidenceOf(policy, 'lockdown', 'secure boot', 'ima')
  if (reason !== null) {
    const cause = reason === 'lockdown' ? lockedAgainstSegments(policy.lockdown) : imaAgainstSegments(true)
    return refused({ ...cause, summary: why }, evidence)
  }
  const missing = [
    ...unreadOf(policy, options),
    ...(mode === 'unknown'
      ? [{ code: 'kexec-load-open' as const, text: 'whether lockdown, or IMA under Secure Boot, forbids kexec_load' }]
      : []),
    ...barriersOf(policy, options),
  ]
  const notes = notesOn(policy, null)
  const common = { reason: null, file: null, code: null, notes, evidence, hint: null, missing, privileged: null }
  return { ...common, outcome: missing.length === 0 ? 'will-load' : 'cannot-tell', summary: why }
}

function verdictOnImage(
  policy: KexecPolicy,
  image: VerdictImage,
  signatures: SignatureReport | null,
  options: PredictOptions,
): LoadVerdict {
  const missing = unreadOf(policy, options)
  const notes = notesOn(policy, signatures)
  const kernel = checkAppraisal(policy, 'KEXEC_KERNEL_CHECK', image.file, signatures)
  if (kernel.passes === false) return appraisalRefused(policy, 'kernel', `the kernel's file: ${kernel.why}`)
  if (kernel.passes === null) missing.push({ code: 'ima-appraisal', text: kernel.missing })
  const { required, requiredBy } = policy.signature
  let why = policy.kexecFileLoad.why
  if (required !== false) {
    const check = checkSignature(policy, signatures, image.isPe)
    // Later checks do not matter when this one is certain to refuse.
    if (check.passes === false && required) return signatureRefused(policy, check)
    if (check.passes) why = check.why
    else if (required === null)
      missing.push({
        code: 'signature-required',
        text: `whether a signature is required${check.passes === false ? `, which this kernel would lack: ${check.why}` : ''}`,
      })
    if (check.passes === null) missing.push({ code: 'signature', text: check.missing })
  }
  if (image.initrd !== null) {
    const initrd = checkAppraisal(policy, 'KEXEC_INITRAMFS_CHECK', image.initrd, null)
    if (initrd.passes === false && missing.length === 0)
      return appraisalRefused(policy, 'initrd', `the initrd: ${initrd.why}`)
    if (initrd.passes === null) missing.push({ code: 'initrd-ima-appraisal', text: `of the initrd: ${initrd.missing}` })
  }
  missing.push(...barriersOf(policy, options))
  const evidence = evidenceOf(policy, 'signature', 'lockdown', 'secure boot', 'ima')
  const common = { reason: null, file: null, code: null, notes, evidence, privileged: null }
  if (missing.length === 0) return { ...common, outcome: 'will-load', summary: why, hint: null, missing }
  const summary = `the kernel's answer cannot be predicted; unknown: ${missing[0]?.text}`
  const hint = requiredBy === null ? null : UNSURE
  return { ...common, outcome: 'cannot-tell', summary, hint, missing }
}

/** Switches, limits and rights that exist but could not be read. */
function unreadOf({ unread }: KexecPolicy, { privileged, panic }: PredictOptions): MissingFact[] {
  const ofProcess = privileged ? [] : [STATUS, USER_IDS]
  const deciding: string[] = [DISABLED, panic ? LIMIT.panic : LIMIT.normal, ...ofProcess]
  return unread
    .filter(({ path }) => deciding.includes(path))
    .map(({ path, adds }) => ({ code: 'unreadable-fact', text: `${adds} (${path}, which cannot be read)` }))
}

/** Modules that may refuse a call by rules that they do not show. */
function barriersOf(policy: KexecPolicy, { privileged }: PredictOptions): MissingFact[] {
  return [...(privileged ? [] : barriersOfProcess(policy)), ...confinedBy(policy, 'machine')]
}

/** The same for those that concern this process alone: another process may be free of them. */
export function barriersOfProcess(policy: KexecPolicy): MissingFact[] {
  const text = 'what the seccomp filter on this process refuses'
  const filter: MissingFact[] = (policy.seccomp ?? 0) > 0 ? [{ code: 'seccomp-filter', text }] : []
  return [...filter, ...confinedBy(policy, 'process')]
}

function confinedBy({ confinement }: KexecPolicy, wanted: 'process' | 'machine'): MissingFact[] {
  return confinement
    .filter(({ scope }) => scope === wanted)
    .map(({ missing }) => ({ code: 'confinement', text: missing }))
}

/**
 * Lockdown says EPERM for any fault; where the build or Secure Boot requires the signature, the errno is the check's
 * own.
 */
function signatureRefused(policy: KexecPolicy, { code, why, changed }: FailedCheck): LoadVerdict {
  const { requiredBy } = policy.signature
  const evidence = evidenceOf(policy, 'signature', 'lockdown', 'secure boot', 'keyrings')
  if (requiredBy === 'lockdown') {
    const cause = lockedDown(policy.lockdown, why)
    return refused(changed ? { ...cause, remedy: REINSTALL } : cause, evidence, 'kernel')
  }
  const summary = `${policy.kexecFileLoad.why}; ${why}`
  const remedy = changed ? REINSTALL : waysPastSignature(policy)
  return refused({ reason: 'signature-rejected', code, summary, remedy }, evidence, 'kernel')
}

/** The remedies where a signature is required: the kernel takes keys only from EFI, and kexec_load may be allowed. */
export function waysPastSignature({ efi, kexecLoad, signature }: KexecPolicy): string {
  const first =
    signature.format === 'none'
      ? 'No image can pass here: boot a kernel that can verify signatures.'
      : efi === false
        ? "Load a kernel signed with a key of this kernel's own (`linux-kexec policy` lists them): without EFI no others can be enrolled."
        : 'Load a kernel signed by the distribution, or enrol the key that signed this one (mokutil --import KEY.der) and boot once.'
  const isOpen = kexecLoad.mode === 'unchecked' && signature.requiredBy !== 'lockdown'
  return isOpen
    ? `${first} Or give ${optionName('engine', 'segments')}: kexec_load is open here and checks no signature.`
    : first
}

function appraisalRefused(policy: KexecPolicy, file: 'kernel' | 'initrd', why: string): LoadVerdict {
  return refused(imaAgainstFile(why), evidenceOf(policy, 'ima'), file)
}

const UNSURE = 'Run it as root to read everything, or try the load: a refusal changes nothing.'

function notesOn({ signature, firmware, obstacles }: KexecPolicy, report: SignatureReport | null): VerdictNote[] {
  const notes: VerdictNote[] = obstacles
    .filter(({ certain, code }) => certain && code === null)
    .map(({ summary }) => ({ code: 'platform-obstacle', text: summary }))
  if (report === null) return notes
  if (signature.required === false && report.verdict === 'damaged') {
    notes.push({ code: 'signature-broken', text: 'its signature is not valid, which this kernel does not check' })
  }
  const digest = report.authenticodeSha256
  if (digest !== null && firmware.revoked.images.includes(digest)) {
    const text = 'the firmware lists this image as revoked (dbx) and would not boot it; kexec does not check that'
    notes.push({ code: 'revoked-image', text })
  }
  return notes
}

function refused(
  { summary, reason, code, remedy }: Pick<Cause, 'summary' | 'reason' | 'code' | 'remedy'>,
  evidence: readonly Evidence[],
  file: LoadVerdict['file'] = null,
): LoadVerdict {
  const none = { missing: [], notes: [], privileged: null }
  return { outcome: 'will-be-refused', summary, reason, file, code, hint: remedy, evidence, ...none }
}

function evidenceOf({ reasons }: KexecPolicy, ...subjects: readonly PolicySubject[]): Evidence[] {
  return reasons.filter(({ subject }) => subjects.includes(subject)).map(quote)
}

function quote({ source, value }: Evidence): Evidence {
  return { source, value }
}
