import type { ByteSource } from '../../bytes/bytes.ts'
import { crc32 } from '../../bytes/crc32.ts'
import {
  type Contents,
  contentsOf,
  type ImageFormat,
  type ImagePart,
  imagePart,
  magicAt,
  misplaced,
  type PartKind,
  textAt,
  unknownImage,
} from '../model/image.ts'

/** U-Boot's legacy header: include/image.h of U-Boot, struct legacy_img_hdr. All numbers are big-endian. */
const HEADER = 64
const field = {
  headerCrc: 4,
  time: 8,
  size: 12,
  load: 16,
  entry: 20,
  dataCrc: 24,
  architecture: 29,
  type: 30,
  compression: 31,
}
const MULTI = 4
/** More files than any multi-file image has. */
const MAX_FILES = 64

const compressions = [null, 'gzip', 'bzip2', 'lzma', 'lzo', 'lz4', 'zstd']
const architectures = new Map([
  [2, 'armv7l'],
  [3, 'i386'],
  [5, 'mips'],
  [6, 'mips64'],
  [7, 'ppc64'],
  [8, 's390x'],
  [22, 'aarch64'],
  [24, 'x86_64'],
  [26, 'riscv64'],
])
const types = new Map([
  [2, 'kernel'],
  [3, 'ramdisk'],
  [4, 'multi-file image'],
  [5, 'firmware'],
  [6, 'script'],
  [8, 'device tree'],
  [14, 'kernel (no load address)'],
])

export const uImage: ImageFormat = {
  name: 'uImage',
  recognise: (head) => magicAt(head, 0, '\x27\x05\x19\x56') && head.length >= HEADER,
  inspect(head) {
    const type = types.get(head[field.type] as number) ?? `type ${head[field.type]}`
    const name = textAt(head, 32, 32)
    const hexadecimal = (offset: number) => `0x${head.readUInt32BE(offset).toString(16)}`
    return {
      ...unknownImage,
      format: 'uImage',
      description: `a U-Boot legacy image (uImage): a ${type}${name === '' ? '' : ` named "${name}"`}`,
      architecture: architectures.get(head[field.architecture] as number) ?? null,
      compression: compressions[head[field.compression] as number] ?? null,
      minimumSize: HEADER + head.readUInt32BE(field.size),
      facts: [
        { name: 'name', value: name },
        { name: 'type', value: type },
        { name: 'created', value: new Date(head.readUInt32BE(field.time) * 1000).toISOString() },
        { name: 'load address', value: hexadecimal(field.load) },
        { name: 'entry point', value: hexadecimal(field.entry) },
      ],
      problems: headerProblems(head),
    }
  },
  unpack,
}

function headerProblems(head: Buffer): string[] {
  const copy = Buffer.from(head.subarray(0, HEADER))
  copy.writeUInt32BE(0, field.headerCrc)
  return crc32(copy) === head.readUInt32BE(field.headerCrc) ? [] : ['the CRC of its header does not match']
}

function unpack(source: ByteSource): Contents {
  const head = source.read(0, HEADER)
  if (head.length < HEADER) return contentsOf([], ['it ends inside its header'])
  const problems = headerProblems(head)
  const type = head[field.type] as number
  const code = head[field.compression] as number
  const compression = compressions[code]
  if (compression === undefined) problems.push(`its compression ${code} is not known`)
  const size = head.readUInt32BE(field.size)
  const digest = head.readUInt32BE(field.dataCrc).toString(16).padStart(8, '0')
  // The CRC covers all files at once, so it belongs to a part of its own.
  const whole = imagePart({
    kind: type === 3 ? 'initrd' : type === 2 || type === 14 ? 'kernel' : type === 8 ? 'device-tree' : 'other',
    name: textAt(head, 32, 32) || 'image',
    offset: HEADER,
    length: size,
    compression: compression ?? null,
    hashes: [{ algorithm: 'crc32', digest }],
  })
  const problem = misplaced(whole, source.size)
  if (problem !== undefined) return contentsOf([], [...problems, problem])
  if (type !== MULTI) return contentsOf([whole], problems)
  const files = readFiles(source, size, compression ?? null)
  if (files === undefined) problems.push('its list of files is damaged')
  return contentsOf([...(files ?? []), { ...whole, name: 'all files' }], problems)
}

/** The kernel, the initrd and the device tree of a multi-file image: in this order by convention. */
function readFiles(source: ByteSource, size: number, compression: string | null): ImagePart[] | undefined {
  const list = source.read(HEADER, (MAX_FILES + 1) * 4)
  const sizes: number[] = []
  for (let at = 0; ; at += 4) {
    if (at + 4 > list.length) return undefined
    const length = list.readUInt32BE(at)
    if (length === 0) break
    sizes.push(length)
  }
  const kinds: PartKind[] = ['kernel', 'initrd', 'device-tree']
  let offset = HEADER + (sizes.length + 1) * 4
  const parts = sizes.map((length, index) => {
    const kind = kinds[index] ?? 'other'
    const part = imagePart({
      kind,
      name: `file ${index}`,
      offset,
      length,
      compression: kind === 'kernel' ? compression : null,
    })
    // Not `& ~3`, which is negative from 2 GiB on.
    offset += Math.ceil(length / 4) * 4
    return part
  })
  const inside = parts.every((part) => part.offset + part.length <= HEADER + size)
  return inside && parts.length > 0 ? parts : undefined
}
