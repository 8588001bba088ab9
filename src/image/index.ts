export type { ImageFormat, KernelImage, SignaturePresence } from './image.ts'
export { HEAD_BYTES, inspectImage, type OpenImage, openImage } from './inspect.ts'
