import { inspectImage } from '../../image/formats/inspect.ts'
import { engineFor } from '../../image/model/engines.ts'

/** What discovery needs to know of a kernel file. */
export interface Identity {
  /** As `uname -m` prints it, or null when the file does not tell. */
  readonly architecture: string | null
  /** Kernel release as `uname -r` prints it, or null when the file does not tell. */
  readonly version: string | null
  /** Whether this is a kernel image at all. */
  readonly bootable: boolean
  /** What the file is, in words that follow "is": 'gzip-compressed data', 'Linux x86 boot executable'. */
  readonly description: string
  /** Why a kernel is not bootable after all, to complete "it cannot be loaded: …". */
  readonly problems?: readonly string[]
}

/**
 * Tells what a file is from its first bytes.
 * @param head the first HEAD_BYTES of the file, or all of it when it is shorter.
 * @param size of the whole file, bytes.
 */
export type IdentifyKernel = (head: Buffer, size: number) => Identity

export { HEAD_BYTES } from '../../image/formats/inspect.ts'
export { S390_HEAD_BYTES } from '../../image/formats/linux-images.ts'

/** What the machine's own inspection says: a kernel is also what only kexec_load takes, such as a zImage of 32-bit ARM. */
export const identifyKernel: IdentifyKernel = (head, size) => {
  const image = inspectImage(head, size)
  const isForSegments = image.problems.length === 0 && engineFor(image).engine === 'segments'
  return { ...image, bootable: image.bootable || isForSegments }
}
