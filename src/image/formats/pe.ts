import { memoryBytes } from '../../bytes/bytes.ts'
import { type EfiStub, type ImageFormat, unknownImage } from '../model/image.ts'
import { COFF_HEADER, hasCertificateTable, peHeaderOffset, peMachines, readPeFile } from '../model/pe-sections.ts'

/**
 * PE/COFF, the format of EFI programs: Microsoft's "PE Format". A Linux kernel with an EFI stub is one too, but is
 * recognised first by its own boot header, and a UKI by its sections. Any other is a program for the firmware.
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
      efiStub: efiStubOf(head),
      format: 'PE',
      description: `a PE executable${name} without a Linux boot header`,
    }
  },
}

export function isPe(head: Buffer): boolean {
  return peMachine(head) !== undefined
}

/** As `uname -m` prints it, or null. */
export function peArchitecture(head: Buffer): string | null {
  return peMachines.get(peMachine(head) ?? 0) ?? null
}

export function peMachine(head: Buffer): number | undefined {
  const start = peHeaderOffset(memoryBytes(head))
  return start === undefined || head.length < start + COFF_HEADER + 2 ? undefined : head.readUInt16LE(start + 4)
}

/** Whether the image has a certificate table (Authenticode): a signature is attached, valid or not. */
export function hasPeSignature(head: Buffer): boolean {
  const source = memoryBytes(head)
  const start = peHeaderOffset(source)
  return start !== undefined && hasCertificateTable(source, start + COFF_HEADER)
}

/** The file size that its sections require, in bytes; null where the head has no whole section table. */
export function peSize(head: Buffer): number | null {
  const file = readPeFile(memoryBytes(head))
  if (typeof file === 'string' || file.sections.length === 0) return null
  return Math.max(...file.sections.map(({ offset, rawSize }) => offset + rawSize))
}

/** The EFI program that a kernel also is, or null: PE Format, "Optional Header Windows-Specific Fields", Subsystem. */
export function efiStubOf(head: Buffer, handover: EfiStub['handover'] = []): EfiStub | null {
  const start = peHeaderOffset(memoryBytes(head))
  const optional = (start ?? 0) + COFF_HEADER
  if (start === undefined || head.length < optional + 70) return null
  const magic = head.readUInt16LE(optional)
  const isEfiApplication = head.readUInt16LE(optional + 68) === 10
  if (!isEfiApplication || (magic !== 0x10b && magic !== 0x20b)) return null
  return { bits: magic === 0x20b ? 64 : 32, handover }
}
