import { createHash } from 'node:crypto'
import type { ByteSource } from '../../bytes/bytes.ts'
import type { System } from '../../system/system.ts'

/** Microsoft's "Specifying Hardware IDs for a Computer": UUIDs (version 5) of this namespace over fields of the SMBIOS. */
const NAMESPACE = Buffer.from('70ffd8124c7f4c7d0000000000000000', 'hex')

/** Files of /sys/class/dmi/id by the field that is hashed. */
const fields = {
  manufacturer: 'sys_vendor',
  family: 'product_family',
  name: 'product_name',
  sku: 'product_sku',
  boardManufacturer: 'board_vendor',
  boardName: 'board_name',
} as const

type Field = keyof typeof fields

/** In the order in which systemd-stub tries them: the most specific first. Those with the panel's name are unknown. */
const kinds: readonly (readonly Field[])[] = [
  ['manufacturer', 'family', 'name', 'sku', 'boardManufacturer', 'boardName'],
  ['manufacturer', 'sku', 'boardManufacturer', 'boardName'],
  ['manufacturer', 'name', 'boardManufacturer', 'boardName'],
  ['manufacturer', 'family', 'boardManufacturer', 'boardName'],
  ['manufacturer', 'family', 'name', 'sku'],
  ['manufacturer', 'family', 'name'],
  ['manufacturer', 'sku'],
  ['manufacturer', 'name'],
  ['manufacturer', 'family'],
]

/** An element of a .hwids section: kind and size, UUID, offsets of a name and of the device tree's `compatible` in the section. */
const DEVICE = 28
const DEVICE_TREE = 0x1000001c
const END = 0

/** Far more than any real .hwids section, in bytes. */
const MAX_TABLE = 1024 * 1024

/** The `compatible` string that a .hwids section has for this machine, or null. */
export function compatibleByHardware(system: System, table: ByteSource): string | null {
  const bytes = table.read(0, MAX_TABLE)
  const devices = new Map<string, number>()
  for (let at = 0; at + DEVICE <= bytes.length && bytes.readUInt32LE(at) !== END; at += DEVICE) {
    const id = bytes.toString('hex', at + 4, at + 20)
    if (bytes.readUInt32LE(at) === DEVICE_TREE && !devices.has(id)) devices.set(id, bytes.readUInt32LE(at + 24))
  }
  for (const kind of kinds) {
    const id = hardwareId(kind.map((field) => smbiosText(system, fields[field])))
    const offset = id === null ? undefined : devices.get(id)
    const end = offset === undefined ? -1 : bytes.indexOf(0, offset)
    if (offset !== undefined && offset > 0 && end > offset) return bytes.toString('utf8', offset, end)
  }
  return null
}

/** The UUID of these texts, as it lies in memory (EFI_GUID), in hexadecimal; null when one text is empty. */
export function hardwareId(texts: readonly string[]): string | null {
  if (texts.includes('')) return null
  const hash = createHash('sha1')
    .update(NAMESPACE)
    .update(Buffer.from(texts.join('&'), 'utf16le'))
    .digest()
  hash.writeUInt8(((hash[6] as number) & 0x0f) | 0x50, 6)
  hash.writeUInt8(((hash[8] as number) & 0x3f) | 0x80, 8)
  hash.subarray(0, 4).swap32()
  hash.subarray(4, 8).swap16()
  return hash.toString('hex', 0, 16)
}

/** The text as it is hashed: without blanks around it, and without leading zeros. */
function smbiosText(system: System, file: string): string {
  const text = system.readText(`/sys/class/dmi/id/${file}`)?.replace(/\n$/, '') ?? ''
  return trimmed(text)
}

function trimmed(text: string): string {
  let [start, end] = [0, text.length]
  while (text[start] === ' ') start++
  while (text[start] === '0') start++
  while (end > start && text[end - 1] === ' ') end--
  return text.slice(start, end)
}
