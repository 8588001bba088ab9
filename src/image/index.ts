import { closeSync } from 'node:fs'
import { System } from '../system/system.ts'
import type { KernelImage } from './image.ts'
import { openImage } from './inspect.ts'

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
