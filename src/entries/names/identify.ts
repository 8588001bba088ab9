import { inspectImage } from '../../image/formats/inspect.ts'
import { engineFor } from '../../image/model/engines.ts'

/** The facts about a kernel file that discovery needs. */
export interface Identity {
  /** As `uname -m` prints it, or null when the file does not show it. */
  readonly architecture: string | null
  /** Kernel release as `uname -r` prints it, or null when the file does not show it. */
  readonly version: string | null
  /** Whether this is a kernel image. */
  readonly bootable: boolean
  /** The kind of file, in words that follow "is": 'gzip-compressed data', 'Linux x86 boot executable'. */
  readonly description: string
  /** Why a kernel cannot boot, to complete "it cannot be loaded: …". */
  readonly problems?: readonly string[]
}

/**
 * Identifies a file by its first bytes.
 * @param head the first HEAD_BYTES of the file, or all of a shorter file.
 * @param size of the whole file, bytes.
 */
export type IdentifyKernel = (head: Buffer, size: number) => Identity

export { HEAD_BYTES } from '../../image/formats/inspect.ts'
export { S390_HEAD_BYTES } from '../../image/formats/linux-images.ts'

/**
 * By this program's own inspection: images that only kexec_load takes, such as a zImage of 32-bit ARM, are kernels too.
 */
export const identifyKernel: IdentifyKernel = (head, size) => {
  const image = inspectImage(head, size)
  const isForSegments = image.problems.length === 0 && engineFor(image).engine === 'segments'
  return { ...image, bootable: image.bootable || isForSegments }
}
