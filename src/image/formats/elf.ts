import type { ByteSource } from '../../bytes/bytes.ts'
import {
  type ElfHeader,
  type ProgramHeader,
  PT_INTERP,
  PT_LOAD,
  programHeaderSize,
  readElfHeader,
  readProgramHeaders,
} from '../../bytes/elf.ts'
import { architectureOfElf } from '../../system/architecture.ts'
import { findVersion, type Version } from '../model/banner.ts'
import { engineFor } from '../model/engines.ts'
import { type ImageFormat, type KernelImage, unknownImage } from '../model/image.ts'

/** ELF: a vmlinux, or any program mistaken for a kernel. */
export const elf: ImageFormat = {
  name: 'ELF',
  recognise: (head) => readElfHeader(head) !== undefined,
  inspect(head, source) {
    const header = readElfHeader(head) as ElfHeader
    const architecture = architectureOfElf(header)
    const type = types.get(header.type) ?? 'file'
    const segments = source === undefined ? [] : readSegments(source, header)
    const image: KernelImage = {
      ...unknownImage,
      ...extentOf(segments),
      format: 'ELF',
      description: `an ELF ${architecture?.replace('_', '-') ?? `(machine ${header.machine})`} ${type}`,
      architecture,
      byteOrder: header.byteOrder,
    }
    if (source === undefined) return runsInUpperHalf(header) ? asUnnamedVmlinux(image) : image
    const version = versionOf(source, segments)
    if (version !== undefined) return asVmlinux(image, version)
    return isCutOff(source, segments) && isMappedInUpperHalf(segments) ? asUnnamedVmlinux(image) : image
  },
}

const UPPER_HALF = 1n << 63n

/**
 * Only kernels have such an address: in the first bytes, this alone distinguishes one from a program. x86's are entered
 * at physical addresses.
 */
function runsInUpperHalf({ entry }: ElfHeader): boolean {
  return entry !== null && entry >= UPPER_HALF
}

/**
 * Whether the file continues behind the available bytes: it was truncated, or only its begin was unpacked. Its version
 * line may lie there.
 */
function isCutOff(source: ByteSource, segments: readonly ProgramHeader[]): boolean {
  return segments.some(({ type, offset, fileSize }) => type === PT_LOAD && Number(offset + fileSize) > source.size)
}

/** As only kernels are, including x86's, which are entered at physical addresses. */
function isMappedInUpperHalf(segments: readonly ProgramHeader[]): boolean {
  return !hasInterpreter(segments) && segments.some(({ type, virtual }) => type === PT_LOAD && virtual >= UPPER_HALF)
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
/** The longest entry of the segments' table, in bytes. */
const MAX_ENTRY = 256

function readSegments(source: ByteSource, header: ElfHeader): ProgramHeader[] {
  if (header.table === null) return []
  const { offset, entrySize, count } = header.table
  if (entrySize < programHeaderSize(header) || entrySize > MAX_ENTRY) return []
  const bytes = source.read(Number(offset), Math.min(count, MAX_SEGMENTS) * entrySize)
  return readProgramHeaders(bytes, header, entrySize)
}

/** The version line of a vmlinux. It searches segments, so that it needs no section table. */
function versionOf(source: ByteSource, segments: readonly ProgramHeader[]): Version | undefined {
  // A kernel is linked at fixed physical addresses or runs above half of its space; a program has an interpreter.
  if (hasInterpreter(segments)) return undefined
  let left = SEARCHED
  for (const segment of segments) {
    if (segment.type !== PT_LOAD || left <= 0) continue
    const [offset, size] = [Number(segment.offset), Number(segment.fileSize)]
    const found = findVersion(source, offset, Math.min(offset + size, offset + left, source.size))
    if (found !== undefined) return found
    left -= size
  }
  return undefined
}

/** Where the last segment ends, and how far the loaded ones reach; null for impossible numbers. */
function extentOf(segments: readonly ProgramHeader[]): Pick<KernelImage, 'minimumSize' | 'memoryNeeded'> {
  const loaded = segments.filter(({ type, memorySize }) => type === PT_LOAD && memorySize > 0)
  const ends = segments.filter(({ fileSize }) => fileSize > 0).map(({ offset, fileSize }) => Number(offset + fileSize))
  const start = Math.min(...loaded.map(({ physical }) => Number(physical)))
  const end = Math.max(start, ...loaded.map(({ physical, memorySize }) => Number(physical + memorySize)))
  return { minimumSize: plausible(Math.max(0, ...ends)), memoryNeeded: plausible(end - start) }
}

function plausible(bytes: number): number | null {
  return bytes > 0 && bytes < 2 ** 40 ? bytes : null
}

function hasInterpreter(segments: readonly ProgramHeader[]): boolean {
  return segments.some(({ type }) => type === PT_INTERP)
}

const types = new Map([
  [1, 'object file'],
  [2, 'executable'],
  [3, 'executable (position-independent) or shared object'],
  [4, 'core dump'],
])
