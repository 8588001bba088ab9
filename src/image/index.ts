import { closeSync } from 'node:fs'
import { System } from '../system/system.ts'
import { fileBytes, memoryBytes } from './bytes.ts'
import type { KernelImage } from './image.ts'
import { openImage } from './inspect.ts'
import type { ImaAttribute, InspectSignaturesOptions, SignatureReport } from './signature/index.ts'

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
export { HEAD_BYTES, inspectImage, type OpenImage, openImage } from './inspect.ts'
export { inspectNested, type LocatedPart, type NestedImage } from './nested.ts'

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
  const { fd, stats, image } = openImage(system, path)
  closeSync(fd)
  return { path, size: stats.size, ...image }
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
  const { fd, stats } = openImage(system, path)
  try {
    const { inspectSignatures: inspect, readImaAttribute } = await import('./signature/index.ts')
    // What is no regular file is never read.
    const report = await inspect(stats.isFile() ? fileBytes(fd, stats.size) : memoryBytes(Buffer.alloc(0)), rest)
    return { ...report, ima: stats.isFile() ? attributeOf(fd, readImaAttribute) : null }
  } finally {
    closeSync(fd)
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
