import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { System } from '../../../../src/system/system.ts'

/** Files of a tree by path. */
type Files = Readonly<Record<string, { readonly file: Buffer }>>

/** The entry of OVMF's own setup, from its variable: an application of the firmware, which it never starts by itself. */
export const setup = Buffer.from(
  'CQEAACwAVQBpAEEAcABwAAAABAcUAMm9uHzr+DRPquo+5K9lFqEEBhQAIaosRhR2A0WDboq+9GYjMX//BAA=',
  'base64',
)

export const ACTIVE = 1

/** A partition of a GPT disk, and its name in /dev/disk/by-partuuid. */
export const partitions = ['a1b2c3d4-0102-0304-0506-0708090a0b0c', '5ca1ab1e-0102-0304-0506-0708090a0b0c'] as const

function node(type: number, subtype: number, content: Buffer): Buffer {
  const header = Buffer.from([type, subtype, 0, 0])
  header.writeUInt16LE(4 + content.length, 2)
  return Buffer.concat([header, content])
}

const end = node(0x7f, 0xff, Buffer.alloc(0))

/** PciRoot(0x0)/Pci(0x1,0x0)/HD(1,GPT,…)/\EFI\…, after UEFI 10.3. */
export function fileOf(partition: string, path: string): Buffer {
  const [one = '', two = '', three = '', ...rest] = partition.split('-')
  const swap = (text: string) => Buffer.from(text, 'hex').reverse()
  const drive = Buffer.alloc(38)
  drive.writeUInt32LE(1)
  drive.writeBigUInt64LE(2048n, 4)
  drive.writeBigUInt64LE(1_048_576n, 12)
  Buffer.concat([swap(one), swap(two), swap(three), Buffer.from(rest.join(''), 'hex')]).copy(drive, 20)
  drive.set([2, 2], 36)
  return Buffer.concat([
    node(2, 1, Buffer.from('d041030a00000000', 'hex')),
    node(1, 1, Buffer.from([0, 1])),
    node(4, 1, drive),
    node(4, 4, Buffer.from(`${path}\0`, 'utf16le')),
    end,
  ])
}

/** HD(2,MBR,0xdeadbeef)/\EFI\…: the short form, of a disk without GPT. */
export function fileOfMbr(): Buffer {
  const drive = Buffer.alloc(38)
  drive.writeUInt32LE(2)
  drive.writeUInt32LE(0xdeadbeef, 20)
  drive.set([1, 1], 36)
  return Buffer.concat([node(4, 1, drive), node(4, 4, Buffer.from('\\EFI\\BOOT\\BOOTX64.EFI\0', 'utf16le')), end])
}

/** MAC(525400123456,0)/IPv4(0.0.0.0), without its details. */
export const network = Buffer.concat([
  node(3, 11, Buffer.concat([Buffer.from('525400123456', 'hex'), Buffer.alloc(27)])),
  node(3, 12, Buffer.alloc(23)),
  end,
])

export function loadOption(description: string, path: Buffer, { attributes = ACTIVE, data = '' } = {}): Buffer {
  const head = Buffer.alloc(6)
  head.writeUInt32LE(attributes)
  head.writeUInt16LE(path.length, 4)
  return Buffer.concat([head, Buffer.from(`${description}\0`, 'utf16le'), path, Buffer.from(data)])
}

export function numbers(...values: readonly number[]): Buffer {
  return Buffer.concat(values.map((value) => Buffer.from([value & 0xff, value >> 8])))
}

/** The firmware's variables as efivarfs shows them, behind their attributes. */
export function firmware(variables: Readonly<Record<string, Buffer>>): Files {
  return Object.fromEntries(
    Object.entries(variables).map(([name, content]) => [
      `/sys/firmware/efi/efivars/${name}-8be4df61-93ca-11d2-aa0d-00e098032b8c`,
      { file: Buffer.concat([Buffer.from([7, 0, 0, 0]), content]) },
    ]),
  )
}

/** Writes files into a machine that is there. */
export function lay(system: System, files: Files): void {
  for (const [path, { file }] of Object.entries(files)) {
    mkdirSync(dirname(join(system.root, path)), { recursive: true })
    writeFileSync(join(system.root, path), file)
  }
}
