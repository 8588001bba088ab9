import { type ImageFormat, magicAt, unknownImage } from './image.ts'

/**
 * PE/COFF, as EFI programs are: Microsoft's "PE Format". A Linux kernel with an EFI stub is one too, but is recognised
 * first by its own boot header; what comes here is a program for the firmware.
 */
export const pe: ImageFormat = {
  name: 'PE',
  recognise: (head) => magicAt(head, 0, 'MZ') && peHeader(head) !== undefined,
  inspect(head) {
    const architecture = peMachines.get(head.readUInt16LE((peHeader(head) as number) + 4)) ?? null
    const signature = hasPeSignature(head) ? 'present' : 'absent'
    const name = architecture === null ? '' : ` for ${architecture}`
    const image = { ...unknownImage, architecture, signature } as const
    if (sectionNames(head).includes('.linux')) {
      return {
        ...image,
        format: 'UKI',
        description: `a unified kernel image (UKI)${name}: a PE executable that holds a kernel`,
      }
    }
    return { ...image, format: 'PE', description: `a PE executable${name} without a Linux boot header` }
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

/** Offset of the "PE\0\0" signature, or undefined when the pointer at 0x3c leads nowhere. */
function peHeader(head: Buffer): number | undefined {
  if (head.length < 0x40) return undefined
  const offset = head.readUInt32LE(0x3c)
  return magicAt(head, offset, 'PE\0\0') && head.length >= offset + COFF_HEADER + 2 ? offset : undefined
}

/** The machine a PE file is for, as `uname -m` prints it, or null when that is not known or the file is no PE. */
export function peArchitecture(head: Buffer): string | null {
  const offset = magicAt(head, 0, 'MZ') ? peHeader(head) : undefined
  return offset === undefined ? null : (peMachines.get(head.readUInt16LE(offset + 4)) ?? null)
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

function sectionNames(head: Buffer): string[] {
  const offset = peHeader(head) as number
  const count = head.readUInt16LE(offset + 6)
  const table = offset + COFF_HEADER + head.readUInt16LE(offset + 20)
  const names: string[] = []
  for (let index = 0; index < count; index++) {
    const start = table + index * SECTION_HEADER
    if (start + 8 > head.length) break
    names.push(head.toString('latin1', start, start + 8).replace(/\0+$/, ''))
  }
  return names
}
