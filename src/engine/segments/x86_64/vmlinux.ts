import { type Evidence, KexecError } from '../../../errors.ts'
import type { ByteSource } from '../../../image/bytes.ts'
import { roundUp } from '../ranges.ts'
import { formatAddress } from '../segment.ts'
import type { KernelPart, X86Kernel } from './kernel.ts'
import type { LinkedRange } from './relocations.ts'
import { field } from './running-boot.ts'

const PAGE = 4096

/** What the kernel may be moved by: __startup_64 of arch/x86 stops at an address that is none of its multiples (PMD_SIZE). */
const ALIGNMENT = 2 * 2 ** 20

/** KERNEL_IMAGE_SIZE of arch/x86/include/asm/page_64_types.h: the kernel's own mapping has no room for more. */
const LARGEST = 2 ** 30

/** Where the first part may lie by the program headers: further up than any kernel is linked to. */
const HIGHEST = 2 ** 40

/** Of the 16 that kexec_load takes: the others are initrd, boot parameters and trampoline, and one is left over. */
const MAX_PARTS = 12

const MAX_HEADERS = 128
const HEADER = 56
const ELF_HEADER = 64
const LOAD = 1

/** What kernel bytes a part is made of. */
interface FilePart extends KernelPart {
  readonly pieces: readonly ProgramHeader[]
}

/** A PT_LOAD, of the gABI's ELF64 program headers. */
interface ProgramHeader {
  readonly offset: number
  /** Lower 32 bits: all of a kernel's lie within 2 GiB, but above what a number holds. */
  readonly virtual: number
  readonly physical: number
  /** Bytes in the file. */
  readonly length: number
  /** Bytes in memory. */
  readonly size: number
}

/** What may be asked of where and how a vmlinux starts. */
export interface VmlinuxOptions {
  /** The physical address that it is to lie at: a multiple of 2 MiB. Without it, its own, or the next one above that is free. */
  readonly physicalBase?: number
  /** Whether the bytes were moved to a random virtual address, so that the kernel goes on with randomizing its memory regions. */
  readonly kaslr?: boolean
}

/** A vmlinux of x86_64: what is to be laid out, and its bytes. */
export interface Vmlinux extends X86Kernel {
  /** As many as there are parts, in the same order. */
  bytes(): Buffer[]
}

/**
 * Reads a kernel that is an ELF file: `vmlinux` of a build, or what a bzImage unpacks. The kernel moves as a whole, by
 * multiples of 2 MiB: it computes by itself how far (phys_base, arch/x86/kernel/head_64.S). What the file has no bytes of is
 * the kernel's bss: it clears that itself (clear_bss of arch/x86/kernel/head64.c), so it is only kept free.
 * @throws KexecError 'damaged-image', 'truncated-kernel'; 'invalid-argument' for a `physicalBase` that cannot be
 */
export function readVmlinux(source: ByteSource, { physicalBase }: VmlinuxOptions = {}): Vmlinux {
  const head = source.read(0, ELF_HEADER)
  const headers = readProgramHeaders(source, head)
  const start = Math.floor((headers[0] as ProgramHeader).physical / ALIGNMENT) * ALIGNMENT
  const end = Math.max(...headers.map(({ physical, size }) => physical + size))
  if (end - start > LARGEST) throw damaged('its parts lie further apart than a kernel can be large', headers)
  const base = baseOf(physicalBase)
  const size = roundUp(end - start, PAGE)
  const parts = partsOf(headers, start)
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return {
    whole: {
      name: 'kernel',
      length,
      size,
      alignment: ALIGNMENT,
      lowest: base ?? start,
      limit: base === undefined ? Number.POSITIVE_INFINITY : base + size,
    },
    parts: parts.map(({ offset, length, size }) => ({ offset, length, size })),
    entry: entryOf(head, headers) - start,
    initrdLimit: Number.POSITIVE_INFINITY,
    bytes: () => parts.map((part) => bytesOf(source, part, start)),
  }
}

/** __START_KERNEL_map, lower half: the kernel's own mapping begins there with physical address 0. */
const KERNEL_MAPPING = 2 ** 31

/** Which of the kernel's addresses are where in the file: also those of its processors' memory, which is linked to 0. */
export function linkedRanges(source: ByteSource): LinkedRange[] {
  return readProgramHeaders(source, source.read(0, ELF_HEADER)).map(({ offset, physical, length }) => {
    return { virtual: KERNEL_MAPPING + physical, offset, length }
  })
}

function baseOf(base: number | undefined): number | undefined {
  if (base === undefined || (base > 0 && base % ALIGNMENT === 0 && base <= HIGHEST)) return base
  throw new KexecError(`a kernel cannot lie at ${formatAddress(base)}: 64-bit kernels move by multiples of 2 MiB`, {
    reason: 'invalid-argument',
    refused: true,
  })
}

/** Those that are loaded and take up memory, by address; none on another, and each inside the file. */
function readProgramHeaders(source: ByteSource, head: Buffer): ProgramHeader[] {
  const is64 = head.length === ELF_HEADER && head.readUInt32BE(0) === 0x7f454c46 && head[4] === 2 && head[5] === 1
  if (!is64) throw damaged('it has no ELF header of 64 bits')
  const [table, size, count] = [number(head, 32), head.readUInt16LE(54), head.readUInt16LE(56)]
  if (size !== HEADER || count > MAX_HEADERS) throw damaged('its table of program headers cannot be')
  const bytes = source.read(table, count * HEADER)
  if (bytes.length < count * HEADER) throw truncated(table + count * HEADER, source)
  const headers: ProgramHeader[] = []
  for (let at = 0; at < bytes.length; at += HEADER) {
    const header = {
      offset: number(bytes, at + 8),
      virtual: bytes.readUInt32LE(at + 16),
      physical: number(bytes, at + 24),
      length: number(bytes, at + 32),
      size: number(bytes, at + 40),
    }
    if (bytes.readUInt32LE(at) === LOAD && header.size > 0) headers.push(header)
  }
  return checked(headers, source)
}

function checked(headers: readonly ProgramHeader[], source: ByteSource): ProgramHeader[] {
  const sorted = [...headers].sort((a, b) => a.physical - b.physical)
  if (sorted.length === 0) throw damaged('it has nothing that is loaded')
  for (const [index, { offset, physical, length, size }] of sorted.entries()) {
    if (length > size || size > LARGEST || physical > HIGHEST) throw damaged('a part of it cannot be', sorted)
    if (offset + length > source.size) throw truncated(offset + length, source)
    const next = sorted[index + 1]
    if (next !== undefined && physical + size > next.physical) throw damaged('its parts overlap', sorted)
  }
  return sorted
}

/**
 * What is copied, in whole pages: parts that share a page are one; and where there are more than kexec_load takes, those that
 * lie closest to each other are.
 */
function partsOf(headers: readonly ProgramHeader[], start: number): FilePart[] {
  const parts: FilePart[] = []
  for (const header of headers.filter(({ length }) => length > 0)) {
    const part = filePart([header], start)
    const last = parts.at(-1)
    if (last !== undefined && part.offset < last.offset + last.size) parts[parts.length - 1] = joined(last, part, start)
    else parts.push(part)
  }
  while (parts.length > MAX_PARTS) {
    const gaps = parts.slice(1).map(({ offset }, index) => offset - endOf(parts[index] as FilePart))
    const closest = gaps.indexOf(Math.min(...gaps))
    const [one, other] = [parts[closest] as FilePart, parts[closest + 1] as FilePart]
    parts.splice(closest, 2, joined(one, other, start))
  }
  if (parts.length === 0) throw damaged('it has no bytes that are loaded', headers)
  return parts
}

function endOf({ offset, size }: KernelPart): number {
  return offset + size
}

function joined(one: FilePart, other: FilePart, start: number): FilePart {
  return filePart([...one.pieces, ...other.pieces], start)
}

function filePart(pieces: readonly ProgramHeader[], start: number): FilePart {
  const [first, last] = [pieces[0] as ProgramHeader, pieces.at(-1) as ProgramHeader]
  const offset = Math.floor((first.physical - start) / PAGE) * PAGE
  const length = last.physical - start + last.length - offset
  return { offset, length, size: roundUp(length, PAGE), pieces }
}

/** Shared with the source where they are one piece of it. */
function bytesOf(source: ByteSource, { offset, length, pieces }: FilePart, start: number): Buffer {
  const [only, ...others] = pieces as [ProgramHeader, ...ProgramHeader[]]
  if (others.length === 0 && only.physical - start === offset) return source.read(only.offset, only.length)
  const bytes = Buffer.alloc(length)
  for (const piece of pieces) {
    source.read(piece.offset, piece.length).copy(bytes, piece.physical - start - offset)
  }
  return bytes
}

/** Physical; the linker script writes it so (phys_startup_64), and other builds the virtual one. */
function entryOf(head: Buffer, headers: readonly ProgramHeader[]): number {
  const entry = number(head, 24)
  const inside = (address: number, start: number, size: number) => address >= start && address < start + size
  if (headers.some(({ physical, length }) => inside(entry, physical, length))) return entry
  const low = head.readUInt32LE(24)
  const holder = headers.find(({ virtual, length }) => inside(low, virtual, length))
  if (holder === undefined) throw damaged('its entry point lies outside of it', headers)
  return holder.physical + low - holder.virtual
}

/** Rounded, beyond 53 bits: what is looked at is checked to be less, or only its lower half counts. */
function number(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at))
}

/** Of `loadflags`: the kernel was put at a random address, boot.rst. */
export const KASLR = 2

/**
 * The setup header that a vmlinux has none of, as the first kilobyte of a bzImage would have it: what the kernel reads of it
 * (arch/x86/kernel/setup.c), as arch/x86/boot/header.S fills it in.
 */
export function vmlinuxHeader({ kaslr = false }: VmlinuxOptions = {}): Buffer {
  const bytes = Buffer.alloc(1024)
  // Root is mounted read-only unless `rw` is on the command line.
  bytes.writeUInt16LE(1, 0x1f2)
  bytes.writeUInt16LE(0xffff, 0x1fa)
  bytes.writeUInt16LE(0xaa55, 0x1fe)
  // A jump over the header, which ends at 0x26c.
  bytes.writeUInt16LE(0x6aeb, 0x200)
  bytes.write('HdrS', 0x202, 'latin1')
  bytes.writeUInt16LE(0x20f, 0x206)
  bytes[field.loadFlags] = 1 | (kaslr ? KASLR : 0)
  bytes.writeUInt32LE(0x7fffffff, 0x22c)
  bytes.writeUInt32LE(ALIGNMENT, 0x230)
  bytes.writeUInt32LE(2047, 0x238)
  return bytes
}

function damaged(why: string, headers: readonly ProgramHeader[] = []): KexecError {
  const evidence = headers.slice(0, 16).map(({ physical, length, size }): Evidence => {
    return { source: 'PT_LOAD', value: `${formatAddress(physical)}, ${length} bytes of ${size}` }
  })
  return new KexecError(`this vmlinux cannot be laid out: ${why}`, {
    reason: 'damaged-image',
    hint: 'Copy or build the kernel again.',
    evidence,
    refused: true,
  })
}

function truncated(end: number, { size }: ByteSource): KexecError {
  return new KexecError(`this vmlinux is cut off: it has ${size} bytes where its headers ask for ${end}`, {
    reason: 'truncated-kernel',
    hint: 'Copy or build the kernel again.',
    refused: true,
  })
}
