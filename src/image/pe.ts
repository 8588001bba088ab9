import type { ByteSource } from './bytes.ts'
import { type ImageFormat, magicAt, unknownImage } from './image.ts'

/**
 * PE/COFF, as EFI programs are: Microsoft's "PE Format". A Linux kernel with an EFI stub is one too, but is recognised
 * first by its own boot header, and a UKI by its sections; what comes here is a program for the firmware.
 */
export const pe: ImageFormat = {
  name: 'PE',
  recognise: isPe,
  inspect(head) {
    const architecture = peArchitecture(head)
    const name = architecture === null ? '' : ` for ${architecture}`
    return {
      ...unknownImage,
      architecture,
      signature: hasPeSignature(head) ? 'present' : 'absent',
      format: 'PE',
      description: `a PE executable${name} without a Linux boot header`,
    }
  },
}

/** IMAGE_FILE_HEADER.Machine: PE Format, "Machine Types". */
export const peMachines: ReadonlyMap<number, string> = new Map([
  [0x014c, 'i386'],
  [0x8664, 'x86_64'],
  [0xaa64, 'aarch64'],
  [0x01c2, 'armv7l'],
  [0x5064, 'riscv64'],
  [0x6264, 'loongarch64'],
])

const COFF_HEADER = 24
const SECTION_HEADER = 40
const CERTIFICATE_TABLE = 4
/** The loader's own limit: PE Format, "COFF File Header". */
const MAX_SECTIONS = 96

/** A section as its table has it. */
export interface PeSection {
  readonly name: string
  readonly offset: number
  /** Bytes that are in the file. */
  readonly rawSize: number
  /** Bytes that count: less than rawSize where the file pads the section. */
  readonly virtualSize: number
}

export function isPe(head: Buffer): boolean {
  return magicAt(head, 0, 'MZ') && peHeader(head) !== undefined
}

/** As `uname -m` prints it, or null. */
export function peArchitecture(head: Buffer): string | null {
  return peMachines.get(peMachine(head) ?? 0) ?? null
}

export function peMachine(head: Buffer): number | undefined {
  const offset = magicAt(head, 0, 'MZ') ? peHeader(head) : undefined
  return offset === undefined ? undefined : head.readUInt16LE(offset + 4)
}

/** Offset of the "PE\0\0" signature, or undefined when the pointer at 0x3c leads nowhere. */
function peHeader(head: Buffer): number | undefined {
  if (head.length < 0x40) return undefined
  const offset = head.readUInt32LE(0x3c)
  return magicAt(head, offset, 'PE\0\0') && head.length >= offset + COFF_HEADER + 2 ? offset : undefined
}

/** Whether the image has a certificate table (Authenticode): a signature is there, be it valid or not. */
export function hasPeSignature(head: Buffer): boolean {
  const offset = magicAt(head, 0, 'MZ') ? peHeader(head) : undefined
  if (offset === undefined) return false
  const optional = offset + COFF_HEADER
  const isPe32Plus = head.readUInt16LE(optional) === 0x20b
  const entry = optional + (isPe32Plus ? 112 : 96) + CERTIFICATE_TABLE * 8
  return head.length >= entry + 8 && head.readUInt32LE(entry) !== 0 && head.readUInt32LE(entry + 4) !== 0
}

/** The section table, as far as the head or the source has it; empty where there is none. */
export function peSections(head: Buffer, source?: ByteSource): PeSection[] {
  const offset = peHeader(head)
  if (offset === undefined || head.length < offset + COFF_HEADER) return []
  const count = Math.min(head.readUInt16LE(offset + 6), MAX_SECTIONS)
  const start = offset + COFF_HEADER + head.readUInt16LE(offset + 20)
  const length = count * SECTION_HEADER
  const table = start + length <= head.length ? head.subarray(start, start + length) : source?.read(start, length)
  const bytes = table ?? head.subarray(start)
  const sections: PeSection[] = []
  for (let at = 0; at + SECTION_HEADER <= bytes.length; at += SECTION_HEADER) {
    sections.push({
      name: bytes.toString('latin1', at, at + 8).replace(/\0+$/, ''),
      virtualSize: bytes.readUInt32LE(at + 8),
      rawSize: bytes.readUInt32LE(at + 16),
      offset: bytes.readUInt32LE(at + 20),
    })
  }
  return sections
}
