import { System } from '../system/system.ts'
import type { KernelImage } from './image.ts'
import { openImage } from './open.ts'

export type { ByteSource } from './bytes.ts'
export { type EngineChoice, engineFor, engines, type ImageEngine } from './engines.ts'
export { type ExtractedKernel, type ExtractOptions, extractKernel, MAX_UNPACKED, readPart } from './extract.ts'
export type {
  Configuration,
  Contents,
  EfiStub,
  ImageFact,
  ImageFormat,
  ImageHeader,
  ImagePart,
  KernelImage,
  PartChoice,
  PartHash,
  PartKind,
  SignaturePresence,
} from './image.ts'
export { HEAD_BYTES, inspectImage } from './inspect.ts'
export {
  type Examination,
  examine,
  type InspectedEngine,
  type InspectedPart,
  type Inspection,
  type InspectionVerdict,
  type InspectOptions,
  inspect,
} from './inspection.ts'
export type { IntegrityCheck } from './integrity.ts'
export { S390_HEAD_BYTES } from './linux-images.ts'
export { inspectNested, type LocatedPart, type NestedImage } from './nested.ts'
export { holdInput, type ImageInput, type OpenImage, openImage, openInput } from './open.ts'

export type { SetupHeader, SetupPayload } from './setup-header.ts'
export type { ImageSignature, SignatureReport } from './signature/index.ts'
export { type FileSignatures, inspectSignatures } from './signatures.ts'

/** What a file is, with its path and its size in bytes. */
export interface InspectedFile extends KernelImage {
  readonly path: string
  readonly size: number
}

/**
 * Tells what a file is, whatever it is: reads its first 36 KiB, needs no privilege and loads nothing. `inspect` tells more.
 * @throws KexecError 'not-found', 'not-readable' or 'io'
 */
export function inspectFile(path: string, system: System = new System()): InspectedFile {
  const { size, image, close } = openImage(system, path)
  close()
  return { path, size, ...image }
}
