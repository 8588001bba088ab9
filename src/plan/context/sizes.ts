import { unpackedSize } from '../../initrd/unpacked-size.ts'
import type { PlannedInitrds } from './initrds.ts'
import { needsUnpacking, type PlannedKernel } from './kernel.ts'

/** The sizes that count, bytes. */
export interface LoadSizes {
  /** The kernel as the syscall reads it: unpacked. */
  readonly kernelFile: number
  /** The size in memory that the kernel declares (init_size, image_size); null where it declares none. */
  readonly kernelMemory: number | null
  /** Everything that is joined to the initrd. */
  readonly initrdBytes: number
  /** The part that is yet to be written to memory files before the syscall: unpacked and joined. */
  readonly copiedBytes: number
  /** The part of the memory files that is given back before the kernel copies. Default 0. */
  readonly releasedBytes?: number
  /** The unpacked size of the initrd in the new kernel; null where unknown. Read for crash kernels only. */
  readonly unpackedBytes?: number | null
}

/** The sizes as the plan knows them: for files yet to be unpacked, the minimum. */
export function plannedSizes(kernel: PlannedKernel, { archives, overlay }: PlannedInitrds): LoadSizes {
  const kernelFile = leastSize(kernel)
  const added = overlay.reduce((sum, { content }) => sum + content.size, 0)
  const initrdBytes = archives.reduce((sum, { size }) => sum + size, added)
  const isOneFile =
    archives.length === 1 && archives[0]?.file?.fd != null && !archives[0].isWrapped && overlay.length === 0
  const copiedBytes = (needsUnpacking(kernel) ? kernelFile : 0) + (isOneFile ? 0 : initrdBytes)
  return { kernelFile, kernelMemory: kernel.image.memoryNeeded, initrdBytes, copiedBytes }
}

function leastSize({ contents, file, image }: PlannedKernel): number {
  const innermost = contents.at(-1)?.parts.find(({ kind }) => kind === 'kernel')
  return Math.max(innermost?.unpackedSize ?? innermost?.length ?? file.size, image.minimumSize ?? 0)
}

/** The unpacked size of the initrds, in bytes; null where it is unknown for one of them. */
export async function unpackedBytes(
  { archives, overlay }: PlannedInitrds,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  let total = overlay.reduce((sum, { content }) => sum + content.size, 0)
  for (const { source } of archives) {
    const size = source === null ? null : await unpackedSize(source, signal)
    if (size === null) return null
    total += size
  }
  return total
}
