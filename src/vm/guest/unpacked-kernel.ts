import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileBytes } from '../../bytes/bytes.ts'
import { extractKernel } from '../../image/unpack/extract.ts'
import { cacheDirectory, cachedDirectory, prune } from '../host/cache.ts'

/** Kernels that stay in the cache, and milliseconds others stay after their last use. */
const KEPT = 4
const AGE = 30 * 24 * 60 * 60 * 1000

/**
 * The kernel without its container: QEMU loads no EFI zboot image (Debian's arm64 kernels from 6.12 on) before its
 * version 8.0. @returns the file itself when nothing need be unpacked.
 */
export async function unpackedKernel(image: string): Promise<string> {
  const fd = openSync(image, 'r')
  try {
    const { size, mtimeMs } = fstatSync(fd)
    const extracted = await extractKernel(fileBytes(fd, size), { fd, path: image })
    try {
      if (!extracted.unpacked) return image
      const key = createHash('sha256').update([image, size, mtimeMs].join('\0')).digest('hex').slice(0, 32)
      const directory = await cachedDirectory(join(cacheDirectory(), 'kernels', key), (unfinished) =>
        writeFile(join(unfinished, 'kernel'), fileBytes(extracted.fd, extracted.size).read(0, extracted.size)),
      )
      await prune(join(cacheDirectory(), 'kernels'), KEPT, AGE)
      return join(directory, 'kernel')
    } finally {
      extracted.close()
    }
  } finally {
    closeSync(fd)
  }
}
