export type { FileIdentity } from './file-identity.ts'
export { isHeld } from './held.ts'
export {
  type ImageState,
  type LoadedImage,
  type LoadedImagesOptions,
  loadedImages,
  type StaleFile,
} from './loaded-image.ts'
export type { ImageKind, Loader, LoadRecord, Origin } from './record.ts'
