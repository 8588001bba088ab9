import type { ByteSource } from '../../bytes/bytes.ts'
import { crc32 } from '../../bytes/crc32.ts'
import { magicAt } from '../model/magic.ts'

/** The result of a zImage's unpacking. Sizes in bytes. */
export interface ZImageNeeds {
  /** From the begin of the memory to the unpacked kernel. */
  readonly textOffset: number
  /** Of the unpacked kernel, with the zeroed memory behind it. */
  readonly unpacked: number
  /** Space for the unpacking behind the zImage: its heap, and room for its stack. */
  readonly workspace: number
}

/** From arch/arm/boot/compressed/head.S: a second mark, followed by the place of the table. */
const MARK = { offset: 0x34, value: 0x45454545 }
const TABLE = 0x38

/** Tag of the sizes in that table (vmlinux.lds.S of the same directory), since Linux 4.15. */
const SIZES = 0x5a534c4b

/** Words of a tag: with the text offset and the heap since Linux 5.10, without before. */
const WORDS = { least: 4, all: 6 }

/**
 * The assumption for an image without this fact: the largest offset of any platform; kernels shrink to a fifth at best.
 */
const LARGEST_OFFSET = 0x208000
const LARGEST_RATIO = 5
/** The kernel keeps its first page tables before itself. */
const PAGE_TABLES = 0x4000
const HEAP = 0x10000
const STACK = 0x20000

/** The largest kernel: it maps itself within 128 MiB. */
const MOST = 128 * 2 ** 20

/** Reads the zImage's own facts; missing ones are taken to be as large as possible. */
export function zImageNeeds(kernel: ByteSource): ZImageNeeds {
  const words = sizesOf(kernel)
  const unpacked = words?.[0] === undefined ? undefined : wordAt(kernel, words[0])
  const [, bss = 0, textOffset = LARGEST_OFFSET, heap = HEAP] = words ?? []
  const counted = unpacked === undefined || unpacked < kernel.size / 2 ? undefined : unpacked + bss
  return {
    textOffset: textOffset >= PAGE_TABLES && textOffset < MOST ? textOffset : LARGEST_OFFSET,
    unpacked: counted !== undefined && counted < MOST ? counted : Math.min(kernel.size * LARGEST_RATIO, MOST),
    workspace: (heap < MOST ? heap : HEAP) + STACK,
  }
}

/** The words of the tag: the place of the unpacked kernel's size, bytes to keep zeroed, text offset, heap. */
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

/** The compressed kernel in a zImage. */
export interface ZImagePayload {
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly length: number
  readonly compression: string
  readonly unpackedSize: number
}

/** The unpacking code lies before it: some ten KiB, with an EFI stub sixty. */
const SEARCHED = 256 * 1024

/**
 * Where the compressed kernel lies: the table shows its end, its own mark its begin; null where either is not found.
 */
export function zImagePayload(kernel: ByteSource): ZImagePayload | null {
  const size = sizesOf(kernel)?.[0]
  const unpackedSize = size === undefined ? undefined : wordAt(kernel, size)
  if (size === undefined || unpackedSize === undefined || unpackedSize > MOST) return null
  const head = kernel.read(0, Math.min(SEARCHED, size))
  const found = streams.flatMap(({ compression, begins, withSize }) => {
    const end = withSize ? size + 4 : size
    const offset = beginOf(head, kernel, end, begins)
    return offset === undefined ? [] : [{ compression, offset, length: end - offset, unpackedSize }]
  })
  return found.sort((a, b) => a.offset - b.offset)[0] ?? null
}

interface Stream {
  readonly compression: string
  /** Whether one begins there that ends at `end`. */
  readonly begins: (head: Buffer, at: number, kernel: ByteSource, end: number) => boolean
  /** Whether the size behind the others is the last word of the stream itself. */
  readonly withSize: boolean
}

/** By more than their magic numbers, which also occur in the code before. */
const streams: readonly Stream[] = [
  {
    compression: 'gzip',
    // As `gzip -n` writes it, on Unix: no name, no time.
    begins: (head, at) => magicAt(head, at, '\x1f\x8b\x08\0\0\0\0\0') && head[at + 9] === 3,
    withSize: true,
  },
  {
    compression: 'xz',
    begins: (head, at) =>
      magicAt(head, at, '\xfd7zXZ\0') &&
      at + 12 <= head.length &&
      crc32(head.subarray(at + 6, at + 8)) === head.readUInt32LE(at + 8),
    withSize: false,
  },
  {
    compression: 'lzma',
    // Of unknown size, as the kernel's build writes it.
    begins: (head, at) => magicAt(head, at, '\x5d\0\0') && magicAt(head, at + 5, '\xff'.repeat(8)),
    withSize: false,
  },
  { compression: 'lz4', begins: isLz4, withSize: false },
]

function beginOf(head: Buffer, kernel: ByteSource, end: number, begins: Stream['begins']): number | undefined {
  for (let at = 0x40; at < head.length; at++) if (begins(head, at, kernel, end)) return at
  return undefined
}

/** Blocks of 8 MiB, so there are few. */
const MOST_BLOCKS = 64

/** The legacy frame: its blocks must end where the payload does. */
function isLz4(head: Buffer, at: number, kernel: ByteSource, end: number): boolean {
  if (!magicAt(head, at, '\x02\x21\x4c\x18')) return false
  let next = at + 4
  for (let blocks = 0; blocks < MOST_BLOCKS && next < end; blocks++) {
    const length = wordAt(kernel, next)
    if (length === undefined || length === 0) return false
    next += 4 + length
  }
  return next === end
}
