import type { ByteSource } from '../../bytes/bytes.ts'
import { findVersion, type Version } from '../model/banner.ts'
import { engineFor } from '../model/engines.ts'
import { type ImageFormat, type KernelImage, magicAt, unknownImage } from '../model/image.ts'

/** ELF, "Executable and Linking Format" (gABI): a vmlinux, or any program mistaken for a kernel. */
export const elf: ImageFormat = {
  name: 'ELF',
  recognise: (head) => magicAt(head, 0, '\x7fELF') && head.length >= 20,
  inspect(head, source) {
    const little = head[5] !== 2
    const read = (offset: number) => (little ? head.readUInt16LE(offset) : head.readUInt16BE(offset))
    const is64 = head[4] === 2
    const architecture = architectureOf(read(18), is64, little)
    const type = types.get(read(16)) ?? 'file'
    const segments = source === undefined ? [] : readSegments(source, head, is64, little)
    const image: KernelImage = {
      ...unknownImage,
      ...extentOf(segments),
      format: 'ELF',
      description: `an ELF ${architecture?.replace('_', '-') ?? `(machine ${read(18)})`} ${type}`,
      architecture,
      byteOrder: little ? 'little' : 'big',
    }
    if (source === undefined) return runsInUpperHalf(head, is64, little) ? asUnnamedVmlinux(image) : image
    const version = versionOf(source, segments)
    if (version !== undefined) return asVmlinux(image, version)
    return isCutOff(source, segments) && isMappedInUpperHalf(segments) ? asUnnamedVmlinux(image) : image
  },
}

/**
 * Only kernels have such an address: in the first bytes, this alone distinguishes one from a program. x86's are entered
 * at physical addresses.
 */
function runsInUpperHalf(head: Buffer, is64: boolean, little: boolean): boolean {
  if (!is64 || head.length < 32) return false
  return (little ? head.readBigUInt64LE(24) : head.readBigUInt64BE(24)) >= 1n << 63n
}

/**
 * Whether the file continues behind the available bytes: it was truncated, or only its begin was unpacked. Its version
 * line may lie there.
 */
function isCutOff(source: ByteSource, segments: readonly Segment[]): boolean {
  return segments.some(({ type, offset, size }) => type === LOAD && offset + size > source.size)
}

/** As only kernels are, including x86's, which are entered at physical addresses. */
function isMappedInUpperHalf(segments: readonly Segment[]): boolean {
  return !hasInterpreter(segments) && segments.some(({ type, virtual }) => type === LOAD && virtual >= 2 ** 63)
}

const UNNAMED = ' (vmlinux)'

function asUnnamedVmlinux(image: KernelImage): KernelImage {
  const { architecture, description } = image
  return {
    ...image,
    format: 'vmlinux',
    description: `${description}${UNNAMED}`,
    bootable: engineFor({ format: 'vmlinux', architecture }).engine === 'file',
    maxCommandLine: commandLineSizes.get(architecture ?? '') ?? null,
  }
}

/** An image first recognised as an ELF file, or as a vmlinux, once its version line was found. */
export function asVmlinux(image: KernelImage, version: Version): KernelImage {
  const unnamed = image.format === 'vmlinux' ? image : asUnnamedVmlinux(image)
  const description = unnamed.description.replace(UNNAMED, ` (vmlinux of Linux ${version.version})`)
  return { ...unnamed, ...version, description }
}

/** COMMAND_LINE_SIZE of each arch/…/include/uapi/asm/setup.h, less the NUL. */
const commandLineSizes = new Map([
  ['aarch64', 2047],
  ['loongarch64', 4095],
  ['ppc64', 2047],
  ['ppc64le', 2047],
  ['riscv64', 1023],
  // As for a bzImage: less the room for a crash kernel's parameters.
  ['x86_64', 2016],
])

/** The part of an ELF file that is searched for the version line, in bytes. */
const SEARCHED = 64 * 1024 * 1024
const MAX_SEGMENTS = 128
/** Size of an entry of the segments' table, in bytes: 56 or 32. */
const MAX_ENTRY = 256
const LOAD = 1

/** An entry of the program header table. */
interface Segment {
  readonly type: number
  readonly offset: number
  /** Bytes in the file. */
  readonly size: number
  /** Rounded, beyond 53 bits. */
  readonly virtual: number
  /** Physical. */
  readonly address: number
  /** Bytes in memory. */
  readonly memory: number
}

function readSegments(source: ByteSource, head: Buffer, is64: boolean, little: boolean): Segment[] {
  if (head.length < 64) return []
  const reader = fields(little)
  const table = is64 ? reader.long(head, 32) : reader.word(head, 28)
  const entry = reader.half(head, is64 ? 54 : 42)
  const count = Math.min(reader.half(head, is64 ? 56 : 44), MAX_SEGMENTS)
  if (entry < (is64 ? 56 : 32) || entry > MAX_ENTRY) return []
  const bytes = source.read(table, count * entry)
  const segments: Segment[] = []
  for (let at = 0; at + entry <= bytes.length; at += entry) {
    const number = (in64: number, in32: number) =>
      is64 ? reader.long(bytes, at + in64) : reader.word(bytes, at + in32)
    segments.push({
      type: reader.word(bytes, at),
      offset: number(8, 4),
      virtual: number(16, 8),
      address: number(24, 12),
      size: number(32, 16),
      memory: number(40, 20),
    })
  }
  return segments
}

/** The version line of a vmlinux. It searches segments, so that it needs no section table. */
function versionOf(source: ByteSource, segments: readonly Segment[]): Version | undefined {
  // A kernel is linked at fixed physical addresses or runs above half of its space; a program has an interpreter.
  if (hasInterpreter(segments)) return undefined
  let left = SEARCHED
  for (const { type, offset, size } of segments) {
    if (type !== LOAD || left <= 0) continue
    const found = findVersion(source, offset, Math.min(offset + size, offset + left, source.size))
    if (found !== undefined) return found
    left -= size
  }
  return undefined
}

/** Where the last segment ends, and how far the loaded ones reach; null for impossible numbers. */
function extentOf(segments: readonly Segment[]): Pick<KernelImage, 'minimumSize' | 'memoryNeeded'> {
  const loaded = segments.filter(({ type, memory }) => type === LOAD && memory > 0)
  const ends = segments.filter(({ size }) => size > 0).map(({ offset, size }) => offset + size)
  const start = Math.min(...loaded.map(({ address }) => address))
  return {
    minimumSize: plausible(Math.max(0, ...ends)),
    memoryNeeded: plausible(Math.max(start, ...loaded.map(({ address, memory }) => address + memory)) - start),
  }
}

function plausible(bytes: number): number | null {
  return bytes > 0 && bytes < 2 ** 40 ? bytes : null
}

const INTERPRETER = 3

function hasInterpreter(segments: readonly Segment[]): boolean {
  return segments.some(({ type }) => type === INTERPRETER)
}

function fields(little: boolean) {
  return {
    half: (bytes: Buffer, at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)),
    word: (bytes: Buffer, at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)),
    long: (bytes: Buffer, at: number) => Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at)),
  }
}

const types = new Map([
  [1, 'object file'],
  [2, 'executable'],
  [3, 'executable (position-independent) or shared object'],
  [4, 'core dump'],
])

/** e_machine, as in the kernel's include/uapi/linux/elf-em.h. */
function architectureOf(machine: number, is64: boolean, little: boolean): string | null {
  switch (machine) {
    case 3:
      return 'i386'
    case 62:
      return 'x86_64'
    case 40:
      return 'armv7l'
    case 183:
      return 'aarch64'
    case 243:
      return is64 ? 'riscv64' : 'riscv32'
    case 258:
      return 'loongarch64'
    case 21:
      return little ? 'ppc64le' : 'ppc64'
    case 22:
      return 's390x'
    case 8:
      return is64 ? 'mips64' : 'mips'
    default:
      return null
  }
}
