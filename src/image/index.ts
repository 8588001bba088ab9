import { System } from '../system/system.ts'
import type { KernelImage } from './image.ts'
import { openImage } from './open.ts'
import type { ImaAttribute, InspectSignaturesOptions, SignatureReport } from './signature/index.ts'

export type { ByteSource } from './bytes.ts'
export { type EngineChoice, engineFor, engines, type ImageEngine } from './engines.ts'
export { type ExtractedKernel, type ExtractOptions, extractKernel, MAX_UNPACKED, readPart } from './extract.ts'
export type {
  Contents,
  ImageFact,
  ImageFormat,
  ImagePart,
  KernelImage,
  PartChoice,
  PartHash,
  PartKind,
  SignaturePresence,
} from './image.ts'
export { HEAD_BYTES, inspectImage } from './inspect.ts'
export { inspectNested, type LocatedPart, type NestedImage } from './nested.ts'
export { type ImageInput, type OpenImage, openImage, openInput } from './open.ts'

/** What a file is, with its path and its size in bytes. */
export interface InspectedFile extends KernelImage {
  readonly path: string
  readonly size: number
}

/**
 * Tells what a file is, whatever it is: reads its first 36 KiB, needs no privilege and loads nothing.
 * @throws KexecError 'not-found', 'not-readable' or 'io'
 */
export function inspectFile(path: string, system: System = new System()): InspectedFile {
  const { size, image, close } = openImage(system, path)
  close()
  return { path, size, ...image }
}

/** What is told of the signatures of a file: those in it, and that beside it. */
export interface FileSignatures extends SignatureReport {
  /** The file's security.ima; null when it has none, or when without the addon it cannot be told. */
  readonly ima: ImaAttribute | null
}

/**
 * Tells which signatures a file has, by whom, and whether they are true of its bytes: Authenticode, and one appended as on
 * kernel modules; and what its security.ima is. Reads a signed file once, in pieces; needs no privilege and loads nothing.
 * Whether this machine trusts the signer is not asked.
 * @throws KexecError 'not-found', 'not-readable' or 'io'
 */
export async function inspectSignatures(
  path: string,
  options: InspectSignaturesOptions & { readonly system?: System } = {},
): Promise<FileSignatures> {
  const { system = new System(), ...rest } = options
  const { fd, stats, source, close } = openImage(system, path)
  try {
    const { inspectSignatures: inspect, readImaAttribute } = await import('./signature/index.ts')
    const report = await inspect(source, rest)
    return { ...report, ima: fd !== null && stats?.isFile() ? attributeOf(fd, readImaAttribute) : null }
  } finally {
    close()
  }
}

/** Everything else can be told without the addon, so it is. */
function attributeOf(fd: number, read: (fd: number) => ImaAttribute | null): ImaAttribute | null {
  try {
    return read(fd)
  } catch {
    return null
  }
}
