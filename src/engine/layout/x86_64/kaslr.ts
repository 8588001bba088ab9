import { randomInt } from 'node:crypto'
import { hasParameter } from '../../../cmdline/look-up.ts'
import type { MemoryRange } from '../../../system/memory-ranges.ts'
import { roundUp } from '../../../system/memory-ranges.ts'
import { findRelocations, type LinkedRange, relocate } from './relocations.ts'

/** KERNEL_IMAGE_SIZE of a kernel that may be moved (arch/x86/include/asm/page_64_types.h): the range of its own mapping. */
const MAPPING = 2 ** 30

/** Options that take memory away from the new kernel: at a random place it might lie in forbidden memory. */
const restrictingMemory = ['mem', 'memmap', 'hugepages', 'movablecore', 'kernelcore', 'movable_node']

/** Whether the kernel may run at a random address: `nokaslr`, as arch/x86/boot/compressed/kaslr.c looks for it. */
export function wantsKaslr(commandLine: string): boolean {
  return !hasParameter(commandLine, 'nokaslr')
}

/**
 * Moves a kernel to a random virtual address, in place, as its decompressor would have (find_random_virt_addr of kaslr.c).
 * @param kernel the kernel that a bzImage unpacks
 * @param linked its link address, bytes into the kernel's mapping
 * @param size its size in memory
 * @param alignment steps that it may be moved by
 * @returns 'moved'; 'fixed' where it has no relocations, being built without CONFIG_RANDOMIZE_BASE; 'unknown' where
 *   their form is not understood: then nothing was changed
 */
export function randomizeVirtual(
  kernel: Buffer,
  ranges: readonly LinkedRange[],
  { linked, size, alignment }: { linked: number; size: number; alignment: number },
): 'moved' | 'fixed' | 'unknown' {
  const relocations = findRelocations(kernel)
  if (relocations === null) return 'unknown'
  const { quads, inverse, words } = relocations
  if (quads.length + inverse.length + words.length === 0) return 'fixed'
  const slots = 1 + Math.floor(Math.max(0, MAPPING - linked - size) / alignment)
  return relocate(kernel, relocations, ranges, randomInt(slots) * alignment) ? 'moved' : 'unknown'
}

/**
 * A random place in memory for a kernel.
 * @returns undefined where there is none, or the command line keeps memory from the new kernel
 */
export function randomPhysical(
  usable: readonly MemoryRange[],
  commandLine: string,
  { lowest, size, alignment }: { lowest: number; size: number; alignment: number },
): number | undefined {
  if (restrictingMemory.some((name) => hasParameter(commandLine, name))) return undefined
  const candidates = usable.flatMap(({ start, end }) => {
    const first = roundUp(Math.max(start, lowest), alignment)
    const slots = Math.floor((end - size - first) / alignment) + 1
    return slots > 0 ? [{ first, slots }] : []
  })
  let slot = randomInt(
    Math.max(
      1,
      candidates.reduce((sum, { slots }) => sum + slots, 0),
    ),
  )
  for (const { first, slots } of candidates) {
    if (slot < slots) return first + slot * alignment
    slot -= slots
  }
  return undefined
}
