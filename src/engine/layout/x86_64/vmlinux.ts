import type { ByteSource } from '../../../bytes/bytes.ts'
import { KexecError } from '../../../errors.ts'
import { roundUp } from '../../../system/memory-ranges.ts'
import { damaged, type ElfKernel, HIGHEST, LARGEST, type LoadedPart, readElfKernel } from '../segments/elf-parts.ts'
import { formatAddress } from '../segments/segment.ts'
import type { KernelPart, X86Kernel } from './kernel.ts'
import type { LinkedRange } from './relocations.ts'
import { field } from './running-boot.ts'

const PAGE = 4096

/**
 * The step by which the kernel may be moved: __startup_64 of arch/x86 stops at an address that is not one of its
 * multiples (PMD_SIZE).
 */
const ALIGNMENT = 2 * 2 ** 20

/** Of the 16 that kexec_load takes: the others are initrd, boot parameters and trampoline, and one is spare. */
const MAX_PARTS = 12

/** The kernel bytes that a part consists of. */
interface FilePart extends KernelPart {
  readonly pieces: readonly LoadedPart[]
}

/** Requests for the place and start of a vmlinux. */
export interface VmlinuxOptions {
  /** Its physical address: a multiple of 2 MiB. Default: its own, or the next free one above that. */
  readonly physicalBase?: number
  /**
   * Whether the bytes were moved to a random virtual address, so that the kernel also randomizes its memory regions.
   */
  readonly kaslr?: boolean
}

/** A vmlinux of x86_64: its layout, and its bytes. */
export interface Vmlinux extends X86Kernel {
  /** One for each part, in the same order. */
  bytes(): Buffer[]
}

/**
 * Reads a kernel that is an ELF file: `vmlinux` of a build, or the kernel that a bzImage unpacks. The kernel moves as a
 * whole, by multiples of 2 MiB, and computes the distance itself (phys_base, arch/x86/kernel/head_64.S). The part
 * without bytes in the file is the kernel's bss, which it clears itself (clear_bss of arch/x86/kernel/head64.c), so
 * that part is only kept free.
 * @throws KexecError 'damaged-image', 'truncated-kernel'; 'invalid-argument' for an impossible `physicalBase`
 */
export function readVmlinux(source: ByteSource, { physicalBase }: VmlinuxOptions = {}): Vmlinux {
  const kernel = readElfKernel(source)
  const headers = kernel.parts
  const start = Math.floor((headers[0] as LoadedPart).physical / ALIGNMENT) * ALIGNMENT
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
    entry: entryOf(kernel) - start,
    initrdLimit: Number.POSITIVE_INFINITY,
    bytes: () => parts.map((part) => bytesOf(source, part, start)),
  }
}

/** __START_KERNEL_map, lower half: the kernel's own mapping begins there with physical address 0. */
const KERNEL_MAPPING = 2 ** 31

/**
 * The places of the kernel's addresses in the file, including those of its processors' memory, which is linked to 0.
 */
export function linkedRanges(source: ByteSource): LinkedRange[] {
  return readElfKernel(source).parts.map(({ offset, physical, length }) => {
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

/**
 * The copied parts, in whole pages. Parts that share a page become one. Where there are more than kexec_load takes, the
 * closest ones are joined.
 */
function partsOf(headers: readonly LoadedPart[], start: number): FilePart[] {
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

function filePart(pieces: readonly LoadedPart[], start: number): FilePart {
  const [first, last] = [pieces[0] as LoadedPart, pieces.at(-1) as LoadedPart]
  const offset = Math.floor((first.physical - start) / PAGE) * PAGE
  const length = last.physical - start + last.length - offset
  return { offset, length, size: roundUp(length, PAGE), pieces }
}

/** Shared with the source where they are one piece of it. */
function bytesOf(source: ByteSource, { offset, length, pieces }: FilePart, start: number): Buffer {
  const [only, ...others] = pieces as [LoadedPart, ...LoadedPart[]]
  if (others.length === 0 && only.physical - start === offset) return source.read(only.offset, only.length)
  const bytes = Buffer.alloc(length)
  for (const piece of pieces) {
    source.read(piece.offset, piece.length).copy(bytes, piece.physical - start - offset)
  }
  return bytes
}

/** Physical: the linker script writes it so (phys_startup_64); other builds write the virtual one. */
function entryOf({ entry: address, parts }: ElfKernel): number {
  const [entry, low] = [Number(address), Number(BigInt.asUintN(32, address))]
  const inside = (address: number, start: number, size: number) => address >= start && address < start + size
  if (parts.some(({ physical, length }) => inside(entry, physical, length))) return entry
  const holder = parts.find(({ virtual, length }) => inside(low, virtual, length))
  if (holder === undefined) throw damaged('its entry point lies outside of it', parts)
  return holder.physical + low - holder.virtual
}

/** Of `loadflags`: the kernel was put at a random address, boot.rst. */
export const KASLR = 2

/**
 * The setup header that a vmlinux lacks, as in the first kilobyte of a bzImage: the fields that the kernel reads
 * (arch/x86/kernel/setup.c), filled in as arch/x86/boot/header.S does.
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
