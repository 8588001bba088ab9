import { open } from 'node:fs/promises'
import { posix } from 'node:path'
import { type ByteSource, partOf } from '../../bytes/bytes.ts'
import { crc32 } from '../../bytes/crc32.ts'
import { ELF_HEADER, readElfHeader } from '../../bytes/elf.ts'
import type { KernelImage } from '../../image/model/image.ts'
import { sizeWithoutBootconfig } from '../../initrd/bootconfig.ts'
import type { LoadPlan } from '../../plan/load-plan.ts'

const CHUNK = 4 * 1024 * 1024

/** A file with the bytes that a plan would hand to the kernel; of an initrd the size and the sum that the kernel shows. */
export interface PlanFile {
  readonly path: string
  readonly size: number
  readonly crc32: number
}

/** Writes what the plan would load into a directory. @throws KexecError as `prepare()` of a plan */
export async function writePlanFiles(
  plan: LoadPlan,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly kernel: PlanFile; readonly initrd: PlanFile | null }> {
  await plan.prepare(signal === undefined ? {} : { signal })
  const { kernel, initrd } = plan.preparedBytes()
  return {
    kernel: await writeSource(withoutSymbols(kernel, plan.image), posix.join(directory, 'kernel')),
    initrd:
      initrd === null
        ? null
        : await writeSource(initrd, posix.join(directory, 'initrd'), sizeWithoutBootconfig(initrd)),
  }
}

/** A vmlinux without what lies behind its parts, which nobody loads: symbols and debug information may be 20 times as large. */
function withoutSymbols(kernel: ByteSource, { format, minimumSize }: KernelImage): ByteSource {
  const table = format === 'vmlinux' ? readElfHeader(kernel.read(0, ELF_HEADER))?.table : undefined
  if (table == null || minimumSize === null) return kernel
  const end = Math.max(minimumSize, Number(table.offset) + table.entrySize * table.count)
  return end < kernel.size ? partOf(kernel, 0, end) : kernel
}

/** @param size of the bytes that count */
async function writeSource(source: ByteSource, path: string, size = source.size): Promise<PlanFile> {
  const output = await open(path, 'wx', 0o600)
  let crc = 0
  try {
    for (let at = 0; at < source.size; at += CHUNK) {
      const bytes = source.read(at, Math.min(CHUNK, source.size - at))
      crc = crc32(bytes.subarray(0, Math.max(0, size - at)), crc)
      // write() may write a part.
      await output.appendFile(bytes)
    }
  } finally {
    await output.close()
  }
  return { path, size, crc32: crc }
}
