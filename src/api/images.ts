import type { ImageInput } from '../image/inspect/input.ts'
import { imageInput } from '../image/inspect/input.ts'
import { type Inspection, inspect as inspectInput } from '../image/inspect/inspection.ts'
import { type InspectedFile, inspectFile as inspectPath } from '../image/inspect/open.ts'
import { type FileSignatures, inspectSignatures as inspectSignaturesOf } from '../image/inspect/signatures.ts'
import type { ImagePartChoice } from '../image/model/image.ts'
import { abortSignal, bytes, checkArgument, listOf, type OptionKinds, path, text, wholeNumber } from '../options.ts'
import { type MachineOption, machineOf, machineOption, onMachine } from './machine.ts'

export interface InspectSignaturesOptions extends MachineOption {
  /** Certificates (DER) for checking a signature that carries none, such as those on kernel modules. */
  readonly certificates?: readonly Uint8Array[]
  readonly signal?: AbortSignal
}

export interface InspectOptions extends InspectSignaturesOptions, ImagePartChoice {
  /** The machine that would load it, as `uname -m` prints it. Default: that of `root`, else the running one. */
  readonly machine?: string
}

const signatureKinds: OptionKinds<InspectSignaturesOptions> = {
  ...machineOption,
  certificates: listOf(bytes),
  signal: abortSignal,
}

const inspectKinds: OptionKinds<InspectOptions> = {
  ...signatureKinds,
  machine: text,
  profile: wholeNumber,
  configuration: text,
  compatible: listOf(text),
}

/**
 * Examines a kernel image completely without loading it: its kind, its contents, and its engine; whether its hashes, its
 * compressed streams and its signatures are valid. Reads all of it, which for a compressed kernel takes as long as
 * unpacking it; `inspectFile` reads only the head. Needs no privilege and keeps nothing.
 * @throws KexecError 'not-found', 'not-readable', 'io', 'aborted', 'invalid-argument'. No bytes make it fail
 */
export async function inspect(input: ImageInput, options?: InspectOptions): Promise<Inspection> {
  checkArgument('inspect()', input, imageInput)
  return inspectInput(input, onMachine('inspect()', options, inspectKinds))
}

/**
 * Identifies any file. Reads its first 36 KiB, needs no privilege and loads nothing. `inspect` reports more.
 * @throws KexecError 'not-found', 'not-readable', 'io', 'invalid-argument'
 */
export function inspectFile(file: string, options?: MachineOption): InspectedFile {
  checkArgument('inspectFile()', file, path)
  return inspectPath(file, machineOf('inspectFile()', options))
}

/**
 * Reports a file's signatures, their signers, and whether they match its bytes: Authenticode, and one appended as on
 * kernel modules. Also reports its security.ima. Reads a signed file once, in pieces; needs no privilege and loads
 * nothing. It does not ask whether this machine trusts the signer.
 * @throws KexecError 'not-found', 'not-readable', 'io', 'invalid-argument'
 */
export async function inspectSignatures(file: string, options?: InspectSignaturesOptions): Promise<FileSignatures> {
  checkArgument('inspectSignatures()', file, path)
  return inspectSignaturesOf(file, onMachine('inspectSignatures()', options, signatureKinds))
}
