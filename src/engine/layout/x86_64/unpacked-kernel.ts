import { memoryBytes } from '../../../bytes/bytes.ts'
import { KexecError } from '../../../errors.ts'
import { readSetupHeader } from '../../../image/model/setup-header.ts'
import { flagName } from '../../../option-name.ts'
import type { MemoryRange } from '../../../system/memory-ranges.ts'
import { randomizeVirtual, randomPhysical, wantsKaslr } from './kaslr.ts'
import { field } from './running-boot.ts'
import { KASLR, linkedRanges, readVmlinux, type Vmlinux } from './vmlinux.ts'

/** The most random places that are tried: initrd and boot parameters may find no room beside one. */
const TRIES = 4

/** The smallest step by which a kernel can be moved: PMD_SIZE. */
const STEP = 2 * 2 ** 20

/** A kernel unpacked from a bzImage: its possible layouts, the best first, and the data with it. */
export interface UnpackedKernel {
  /** Each with another place in memory. */
  readonly kernels: readonly Vmlinux[]
  /** The bzImage's first kilobyte, marked as put at a random address. */
  readonly header: Buffer
}

/**
 * Does the decompressor's work for an unpacked kernel: puts it at a random address, virtual and physical, unless that
 * is turned off.
 * @param bzImage its first kilobyte at least
 * @param unpacked the kernel that it unpacks; is changed
 * @throws KexecError 'damaged-image'
 */
export function unpackedKernel(
  bzImage: Buffer,
  unpacked: Buffer,
  usable: readonly MemoryRange[],
  commandLine: string,
): UnpackedKernel {
  const { kernelAlignment, preferredAddress, initSize } = readSetupHeader(bzImage)
  const source = memoryBytes(unpacked)
  const own = readVmlinux(source)
  const header = Buffer.from(bzImage.subarray(0, 1024))
  if (!wantsKaslr(commandLine)) return { kernels: [own], header }
  const alignment = Math.max(STEP, kernelAlignment ?? 0)
  const size = Math.max(own.whole.size, initSize ?? 0)
  const linked = preferredAddress ?? own.whole.lowest
  const outcome = randomizeVirtual(unpacked, linkedRanges(source), { linked, size, alignment })
  if (outcome === 'unknown') throw notUnderstood()
  if (outcome === 'fixed') return { kernels: [own], header }
  header[field.loadFlags] = (header[field.loadFlags] ?? 0) | KASLR
  const places = Array.from({ length: TRIES }, () => {
    const place = randomPhysical(usable, commandLine, { lowest: own.whole.lowest, size: own.whole.size, alignment })
    return place === undefined ? [] : [readVmlinux(source, { physicalBase: place })]
  })
  return { kernels: [...places.flat(), own], header }
}

function notUnderstood(): KexecError {
  return new KexecError('this version does not understand the relocations of the kernel inside the bzImage', {
    reason: 'damaged-image',
    hint: `Load it without ${flagName('fast')}: it then unpacks and moves itself.`,
    refused: true,
  })
}
