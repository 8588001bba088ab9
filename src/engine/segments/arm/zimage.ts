import type { ByteSource } from '../../../image/bytes.ts'

/** What a zImage becomes when it unpacks itself. Sizes in bytes. */
export interface ZImageNeeds {
  /** From the begin of the memory to the unpacked kernel. */
  readonly textOffset: number
  /** Of the unpacked kernel, with what it keeps zeroed behind it. */
  readonly unpacked: number
  /** That the unpacking takes behind the zImage: its heap, and room for its stack. */
  readonly workspace: number
}

/** Of arch/arm/boot/compressed/head.S: a second mark, and behind it where the table lies. */
const MARK = { offset: 0x34, value: 0x45454545 }
const TABLE = 0x38

/** Tag of the sizes in that table (vmlinux.lds.S of the same folder), since Linux 4.15. */
const SIZES = 0x5a534c4b

/** Words of a tag: with the text offset and the heap since Linux 5.10, without before. */
const WORDS = { least: 4, all: 6 }

/** What has to do where the image does not say: the largest offset that any platform has; kernels shrink to a fifth at best. */
const LARGEST_OFFSET = 0x208000
const LARGEST_RATIO = 5
/** The kernel keeps its first page tables before itself. */
const PAGE_TABLES = 0x4000
const HEAP = 0x10000
const STACK = 0x20000

/** No kernel is larger: it maps itself within 128 MiB. */
const MOST = 128 * 2 ** 20

/** Reads what the zImage says of itself; what it does not say is taken to be as much as it can be. */
export function zImageNeeds(kernel: ByteSource): ZImageNeeds {
  const words = sizesOf(kernel)
  const unpacked = words?.[0] === undefined ? undefined : wordAt(kernel, words[0])
  const [, bss = 0, textOffset = LARGEST_OFFSET, heap = HEAP] = words ?? []
  const told = unpacked === undefined || unpacked < kernel.size / 2 ? undefined : unpacked + bss
  return {
    textOffset: textOffset >= PAGE_TABLES && textOffset < MOST ? textOffset : LARGEST_OFFSET,
    unpacked: told !== undefined && told < MOST ? told : Math.min(kernel.size * LARGEST_RATIO, MOST),
    workspace: (heap < MOST ? heap : HEAP) + STACK,
  }
}

/** The words of the tag: where the size of the unpacked kernel stands, bytes to keep zeroed, text offset, heap. */
function sizesOf(kernel: ByteSource): (number | undefined)[] | undefined {
  if (wordAt(kernel, MARK.offset) !== MARK.value) return undefined
  const table = wordAt(kernel, TABLE)
  if (table === undefined || wordAt(kernel, table + 4) !== SIZES) return undefined
  const count = wordAt(kernel, table) ?? 0
  if (count < WORDS.least) return undefined
  return Array.from({ length: Math.min(count, WORDS.all) - 2 }, (_, index) => wordAt(kernel, table + 8 + index * 4))
}

function wordAt(kernel: ByteSource, offset: number): number | undefined {
  const bytes = kernel.read(offset, 4)
  return bytes.length === 4 ? bytes.readUInt32LE(0) : undefined
}
