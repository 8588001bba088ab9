import type { SetupHeader } from '../../../image/model/setup-header.ts'
import { roundUp } from '../../../system/memory-ranges.ts'
import { impossiblePlace } from '../segments/placement.ts'
import type { X86Kernel } from './kernel.ts'

const PAGE = 4096
const MEBIBYTE = 2 ** 20
const GIBIBYTE = 2 ** 30

/** The 64-bit entry point, bytes into the protected-mode kernel: boot.rst, "64-bit boot protocol". */
const ENTRY = 0x200

/** The limit of an initrd's end in older kernels: boot.rst, `initrd_addr_max`. */
const INITRD_MAXIMUM = 0x37ffffff

/**
 * A bzImage by its header: at its preferred address or above. Below it would move itself there, over anything in the
 * way.
 * @throws KexecError 'damaged-image' for a header with impossible numbers
 */
export function bzImageKernel({ setupSize, end, ...header }: SetupHeader): X86Kernel {
  const { initSize, kernelAlignment, preferredAddress, extendedLoadFlags, initrdAddressMaximum } = header
  const [size, alignment, lowest] = [initSize ?? 0, kernelAlignment ?? 0, preferredAddress ?? 0]
  const length = end - setupSize
  const isAligned = Number.isInteger(Math.log2(alignment)) && alignment >= PAGE && alignment <= GIBIBYTE
  if (!isAligned || size < length || lowest > GIBIBYTE) {
    throw impossiblePlace({ init_size: initSize, kernel_alignment: kernelAlignment, pref_address: preferredAddress })
  }
  const isHigh = extendedLoadFlags.includes('above-4g')
  const limit = isHigh ? Number.POSITIVE_INFINITY : 4 * GIBIBYTE
  const pages = roundUp(size, PAGE)
  return {
    whole: { name: 'kernel', length, size: pages, alignment, lowest: Math.max(lowest, MEBIBYTE), limit },
    parts: [{ offset: 0, length, size: pages }],
    entry: ENTRY,
    initrdLimit: isHigh ? Number.POSITIVE_INFINITY : (initrdAddressMaximum ?? INITRD_MAXIMUM) + 1,
  }
}
