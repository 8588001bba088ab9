import type { ByteSource } from '../../../bytes/bytes.ts'
import { damaged, LARGEST, readElfKernel } from '../segments/elf-parts.ts'
import { HEAD } from './trampoline.ts'

/** A vmlinux of POWER: its layout, and its bytes. */
export interface Ppc64Kernel {
  /** Bytes that are copied. */
  readonly length: number
  /** Bytes in memory, including its bss, which it clears itself. */
  readonly size: number
  bytes(): Buffer
}

/**
 * Reads a kernel that is an ELF file. Its parts keep their distances. It is entered at its first byte, at any address,
 * and moves itself to 0 (__after_prom_start of arch/powerpc/kernel/head_64.S).
 * @throws KexecError 'damaged-image', 'truncated-kernel'
 */
export function readPpc64Kernel(source: ByteSource): Ppc64Kernel {
  const { entry, parts } = readElfKernel(source)
  const [first] = parts as [(typeof parts)[number]]
  const start = first.physical
  const length = Math.max(...parts.map((part) => part.physical - start + part.length))
  const size = Math.max(...parts.map((part) => part.physical - start + part.size))
  if (size > LARGEST) throw damaged('its parts lie further apart than a kernel can be large', parts)
  if (first.length < HEAD) throw damaged('its first part has no room for what every kernel begins with', parts)
  if (BigInt.asUintN(32, entry) !== BigInt(first.virtual)) throw damaged('it is not entered at its first byte', parts)
  return {
    length,
    size,
    bytes() {
      if (parts.length === 1) return source.read(first.offset, first.length)
      const bytes = Buffer.alloc(length)
      for (const part of parts) source.read(part.offset, part.length).copy(bytes, part.physical - start)
      return bytes
    },
  }
}
