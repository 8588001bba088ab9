/**
 * The places of a kernel's own addresses, which change when it runs at a virtual address other than its link address.
 * The build appends them to the ELF file inside a bzImage (arch/x86/tools/relocs.c), and the decompressor goes through
 * them (handle_relocations of arch/x86/boot/compressed/misc.c). Each is the lower half of a kernel address.
 */
export interface Relocations {
  /** Places of addresses of 64 bits. */
  readonly quads: Uint32Array
  /** Places of 32 bits whose value falls when the kernel moves up: offsets into the memory of a processor. None since Linux 6.15. */
  readonly inverse: Uint32Array
  /** Places of addresses of 32 bits, which the kernel's code sign-extends. */
  readonly words: Uint32Array
}

/** A range of the kernel's own addresses, lower halves, and the place of its bytes in the file. */
export interface LinkedRange {
  readonly virtual: number
  readonly offset: number
  readonly length: number
}

const WORD = 4

/** A section header of ELF64, bytes. */
const SECTION = 64

/**
 * Finds them: behind the section headers, which end the ELF file, each list after a zero.
 * @param kernel the kernel that a bzImage unpacks
 * @returns null for a kernel built without them (CONFIG_RANDOMIZE_BASE is off), or with other data there
 */
export function findRelocations(kernel: Buffer): Relocations | null {
  const end = endOfElf(kernel)
  if (end === null || end >= kernel.length || (kernel.length - end) % WORD !== 0) return null
  // Copied, so that it is aligned.
  const bytes = Uint8Array.from(kernel.subarray(end))
  const all = new Uint32Array(bytes.buffer)
  const lists: Uint32Array[] = []
  if (all[0] !== 0) return null
  for (let start = 1; start <= all.length; ) {
    const zero = all.indexOf(0, start)
    const stop = zero === -1 ? all.length : zero
    lists.push(all.subarray(start, stop))
    start = stop + 1
  }
  const none = new Uint32Array(0)
  const [quads = none, second = none, third] = lists
  if (lists.length > 3) return null
  return third === undefined ? { quads, inverse: none, words: second } : { quads, inverse: second, words: third }
}

function endOfElf(kernel: Buffer): number | null {
  if (kernel.length < 64) return null
  const [table, size, count] = [Number(kernel.readBigUInt64LE(40)), kernel.readUInt16LE(58), kernel.readUInt16LE(60)]
  return size === SECTION && count > 0 && table + count * size <= kernel.length ? table + count * SECTION : null
}

/**
 * Moves the kernel's addresses, in place.
 * @param delta the distance from its link address upwards, in bytes; below 1 GiB
 * @returns whether each place lies in the kernel; if not, nothing was changed
 */
export function relocate(
  kernel: Buffer,
  { quads, inverse, words }: Relocations,
  ranges: readonly LinkedRange[],
  delta: number,
): boolean {
  const quadPlaces = placesOf(quads, ranges, 2 * WORD)
  const inversePlaces = placesOf(inverse, ranges, WORD)
  const wordPlaces = placesOf(words, ranges, WORD)
  if (quadPlaces === null || inversePlaces === null || wordPlaces === null) return false
  for (const at of quadPlaces) {
    const low = kernel.readUInt32LE(at) + delta
    kernel.writeUInt32LE(low >>> 0, at)
    if (low >= 2 ** 32) kernel.writeUInt32LE((kernel.readUInt32LE(at + WORD) + 1) >>> 0, at + WORD)
  }
  for (const at of inversePlaces) kernel.writeUInt32LE((kernel.readUInt32LE(at) - delta) >>> 0, at)
  for (const at of wordPlaces) kernel.writeUInt32LE((kernel.readUInt32LE(at) + delta) >>> 0, at)
  return true
}

/** Their places in the file; null when one is nowhere. They come in order, so searches for a range are rare. */
function placesOf(addresses: Uint32Array, ranges: readonly LinkedRange[], width: number): Uint32Array | null {
  const places = new Uint32Array(addresses.length)
  let range: LinkedRange | undefined
  for (const [index, address] of addresses.entries()) {
    if (range === undefined || !holds(range, address, width)) range = ranges.find((each) => holds(each, address, width))
    if (range === undefined) return null
    places[index] = range.offset + address - range.virtual
  }
  return places
}

function holds({ virtual, length }: LinkedRange, address: number, width: number): boolean {
  return address >= virtual && address + width <= virtual + length
}
