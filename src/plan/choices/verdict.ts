import { createHash } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { KexecError } from '../../errors.ts'
import type { OpenImage } from '../../image/inspect/open.ts'
import type { ImaAttribute } from '../../image/signature/ima.ts'
import type { KexecPolicy } from '../../policy/policy.ts'
import type { AppraisedFile } from '../../policy/verdict/ima-verdict.ts'
import { type LoadVerdict, predictAnswer } from '../../policy/verdict/predict.ts'
import type { Context } from '../context/context.ts'
import { innerSource, needsUnpacking, type PlannedKernel } from '../context/kernel.ts'
import { type Choice, type PlanDecision, silent } from '../model/decision.ts'
import { remarksOn } from '../model/remark.ts'
import type { Engine } from './engine.ts'

const { warning, refusal } = remarksOn('verdict')

/**
 * Predicts the kernel's answer. A certain refusal becomes the plan's, unless `tryAnyway`. Signatures are read only
 * where the policy makes them matter.
 * @returns null for a directory that holds no /proc of a machine
 */
export async function judge(context: Context, engine: Engine): Promise<Choice<LoadVerdict | null>> {
  const { policy, kernel, options } = context
  if (policy === null) return silent(null)
  const { panic = false } = options
  // kexec_load is given no files.
  const isFile = engine === 'file'
  const signatures = isFile && policy.signature.required !== false ? signaturesOf(kernel) : null
  const files = isFile ? await appraisedFiles(policy, context) : { file: memory, initrd: null }
  const call = isFile ? 'kexec_file_load' : 'kexec_load'
  const verdict = predictAnswer(policy, { isPe: isPe(kernel), ...files }, signatures, { panic, call })
  return decided(verdict, context)
}

const outcomes = {
  'will-load': 'the kernel will take it',
  'will-be-refused': 'the kernel will refuse it',
  'cannot-tell': 'whether the kernel takes it cannot be predicted',
} as const

function decided(verdict: LoadVerdict, context: Context): Choice<LoadVerdict> {
  // Missing privilege is not a fault of the plan: planning needs none. `load` refuses then.
  const machine = verdict.privileged ?? verdict
  const ask = machine === verdict ? '' : 'for a process with the privilege to load: '
  const missing =
    machine.missing.length > 0 ? `unknown: ${machine.missing.map(({ text }) => text).join('; ')}` : machine.summary
  const remarks = machine.notes.map(({ code, text }) => warning(code, text))
  if (machine.outcome === 'cannot-tell')
    remarks.push(warning('verdict-unknown', `${outcomes['cannot-tell']}; ${missing}`))
  if (machine.outcome === 'will-be-refused') {
    const anyway = `the kernel will refuse it, and is asked anyway: ${machine.summary}`
    remarks.push(context.options.tryAnyway ? warning('asked-anyway', anyway) : refusal(errorOf(machine, context)))
  }
  const decisions: PlanDecision[] = [{ subject: 'verdict', choice: outcomes[machine.outcome], reason: ask + missing }]
  return { value: verdict, decisions, remarks }
}

function errorOf(verdict: LoadVerdict, { kernel, initrds }: Context): KexecError {
  const { summary, reason, file, code, hint, evidence } = verdict
  const path = file === 'kernel' ? kernel.file.path : initrds.archives[0]?.path
  return new KexecError(summary, {
    reason: reason ?? 'kernel-refused',
    // The hardware stands in the way, not another load.
    ...(reason === 'busy' ? { kind: 'machine' } : {}),
    ...(code === null ? {} : { code }),
    ...(hint === null ? {} : { hint }),
    ...(file === null || path === undefined ? {} : { path }),
    evidence,
    refused: true,
  })
}

/** Of the bytes that the kernel will get; null where they are known only after unpacking. */
function signaturesOf({ image, chain, examination }: PlannedKernel) {
  if (!image.bootable || examination === null) return null
  return chain.length === 1 ? examination.signatures : examination.kernelSignatures
}

/** Every PE image begins so; of an image that is not yet unpacked this is unknown. */
function isPe(kernel: PlannedKernel): boolean | null {
  const source = innerSource(kernel)
  return source === null ? null : source.read(0, 2).toString('latin1') === 'MZ'
}

/** TMPFS_MAGIC, include/uapi/linux/magic.h: where memory files live. */
const MEMORY = 0x01021994

/** A kernel loaded from memory has no attributes. */
const memory: AppraisedFile = { owner: 0, fileSystem: MEMORY, attribute: null, digestMatches: null }

/** The files that IMA would appraise. Where it refuses nothing, they are not read. */
async function appraisedFiles(policy: KexecPolicy, { kernel, initrds }: Context) {
  const { archives, withOwn, overlay } = initrds
  const isNeeded = policy.ima.present !== false && (policy.ima.rules.length > 0 || policy.ima.policy === null)
  const describe = async (file: OpenImage) => (isNeeded ? appraisedFile(file) : { ...memory, attribute: undefined })
  const [only, ...others] = archives
  const isJoined = withOwn || others.length > 0 || overlay.length > 0
  const initrd = isJoined || only?.file?.fd == null || only.isWrapped ? memory : await describe(only.file)
  return {
    file: needsUnpacking(kernel) ? memory : await describe(kernel.file),
    initrd: only === undefined ? null : initrd,
  }
}

async function appraisedFile(file: OpenImage): Promise<AppraisedFile> {
  if (file.fd === null) return memory
  const attribute = await attributeOf(file.fd)
  return {
    owner: file.stats?.uid ?? null,
    fileSystem: fileSystemOf(file.fd),
    attribute,
    digestMatches: attribute == null ? null : compareDigest(attribute, file),
  }
}

/** Undefined when it cannot be read because the addon is missing. */
async function attributeOf(fd: number): Promise<ImaAttribute | null | undefined> {
  try {
    return (await import('../../image/signature/ima.ts')).readImaAttribute(fd)
  } catch {
    return undefined
  }
}

function fileSystemOf(fd: number): number | null {
  try {
    return statfsSync(`/proc/self/fd/${fd}`).type
  } catch {
    return null
  }
}

const CHUNK = 1024 * 1024

function compareDigest({ kind, hashAlgorithm, digest }: ImaAttribute, { source }: OpenImage): boolean | null {
  if (kind !== 'hash' || hashAlgorithm === null) return null
  try {
    const hash = createHash(hashAlgorithm)
    for (let at = 0; at < source.size; at += CHUNK) hash.update(source.read(at, CHUNK))
    return hash.digest('hex') === digest
  } catch {
    return null
  }
}
