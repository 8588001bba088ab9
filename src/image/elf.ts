import { findVersion, type Version } from './banner.ts'
import type { ByteSource } from './bytes.ts'
import { engineFor } from './engines.ts'
import { type ImageFormat, type KernelImage, magicAt, unknownImage } from './image.ts'

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
    const image: KernelImage = {
      ...unknownImage,
      format: 'ELF',
      description: `an ELF ${architecture?.replace('_', '-') ?? `(machine ${read(18)})`} ${type}`,
      architecture,
      byteOrder: little ? 'little' : 'big',
    }
    const version = source === undefined ? undefined : versionOf(source, head, is64, little)
    return version === undefined ? image : asVmlinux(image, version)
  },
}

/** What was told an ELF file, once its version line was found. */
export function asVmlinux(image: KernelImage, version: Version): KernelImage {
  const { architecture, description } = image
  return {
    ...image,
    ...version,
    format: 'vmlinux',
    description: `${description} (vmlinux of Linux ${version.version})`,
    bootable: engineFor({ format: 'vmlinux', architecture }).engine === 'file',
    maxCommandLine: commandLineSizes.get(architecture ?? '') ?? null,
  }
}

/** COMMAND_LINE_SIZE of each arch/…/include/uapi/asm/setup.h, less the NUL. */
const commandLineSizes = new Map([
  ['aarch64', 2047],
  ['loongarch64', 4095],
  ['ppc64', 2047],
  ['ppc64le', 2047],
  ['riscv64', 1023],
])

/** How much of an ELF file is searched for the version line, bytes. */
const SEARCHED = 64 * 1024 * 1024
const MAX_SEGMENTS = 128
/** Of an entry of the segments' table, bytes: it has 56 or 32. */
const MAX_ENTRY = 256
const LOAD = 1

/** The version line of a vmlinux; segments are searched, so that it needs no section table. */
function versionOf(source: ByteSource, head: Buffer, is64: boolean, little: boolean): Version | undefined {
  if (head.length < 64) return undefined
  const reader = fields(little)
  const table = is64 ? reader.long(head, 32) : reader.word(head, 28)
  const entry = reader.half(head, is64 ? 54 : 42)
  const count = Math.min(reader.half(head, is64 ? 56 : 44), MAX_SEGMENTS)
  if (entry < (is64 ? 56 : 32) || entry > MAX_ENTRY) return undefined
  const bytes = source.read(table, count * entry)
  let left = SEARCHED
  for (let at = 0; at + entry <= bytes.length && left > 0; at += entry) {
    // A kernel is linked at fixed physical addresses or runs above half of its space; a program has an interpreter.
    const type = reader.word(bytes, at)
    if (type === INTERPRETER) return undefined
    if (type !== LOAD) continue
    const offset = is64 ? reader.long(bytes, at + 8) : reader.word(bytes, at + 4)
    const size = is64 ? reader.long(bytes, at + 32) : reader.word(bytes, at + 16)
    const found = findVersion(source, offset, Math.min(offset + size, offset + left, source.size))
    if (found !== undefined) return found
    left -= size
  }
  return undefined
}

const INTERPRETER = 3

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
