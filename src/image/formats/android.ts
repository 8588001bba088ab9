import type { ByteSource } from '../../bytes/bytes.ts'
import {
  type Contents,
  compressionAt,
  contentsOf,
  type ImageFact,
  type ImageFormat,
  type ImagePart,
  imagePart,
  magicAt,
  misplaced,
  type PartKind,
  textAt,
  unknownImage,
} from '../model/image.ts'

/** Android's boot image header: source.android.com, "Boot image header", versions 0 to 4. */
const HEADER = 4096

export const androidBoot: ImageFormat = {
  name: 'Android boot image',
  recognise: (head) => magicAt(head, 0, 'ANDROID!') && head.length >= 48,
  inspect(head) {
    const version = versionOf(head)
    return {
      ...unknownImage,
      format: 'Android boot image',
      description: `an Android boot image (version ${version})`,
      facts: [{ name: 'header version', value: String(version) }, ...bootFacts(head, version)],
    }
  },
  unpack(source) {
    const head = source.read(0, HEADER)
    const version = versionOf(head)
    if (version > 4) return contentsOf([], [`its header version ${version} is not known`])
    if (head.length < 1660) return contentsOf([], ['it ends inside its header'])
    return version >= 3 ? unpackNew(source, head) : unpackOld(source, head, version)
  },
}

/** The vendor's half of a boot image from version 3 on: ramdisks, device tree and command line, without a kernel. */
export const androidVendorBoot: ImageFormat = {
  name: 'Android vendor boot image',
  recognise: (head) => magicAt(head, 0, 'VNDRBOOT') && head.length >= 48,
  inspect: (head) => ({
    ...unknownImage,
    format: 'Android vendor boot image',
    description: `an Android vendor boot image (version ${head.readUInt32LE(8)}), which holds no kernel`,
    facts: [{ name: 'header version', value: String(head.readUInt32LE(8)) }, ...vendorFacts(head)],
  }),
  unpack: unpackVendor,
}

/** Version 0 had another number here, which is large or 0. */
function versionOf(head: Buffer): number {
  const version = head.length >= 44 ? head.readUInt32LE(40) : 0
  return version > 16 ? 0 : version
}

/** The header's facts besides the places of its parts; a header that ends early has fewer. */
function bootFacts(head: Buffer, version: number): ImageFact[] {
  const [android, level] = osVersion(head.readUInt32LE(version >= 3 ? 16 : 44))
  const old = version < 3
  return known([
    ['name', old ? textAt(head, 48, 16) : ''],
    ['Android version', android],
    ['patch level', level],
    ['page size', old ? String(head.readUInt32LE(36)) : String(HEADER)],
    ['kernel address', old ? hexadecimal(head, 12) : ''],
    ['ramdisk address', old ? hexadecimal(head, 20) : ''],
    // A SHA-1 in 32 bytes, or a SHA-256: the covered parts depend on the image's tool, so it is not verified.
    ['id', old && head.length >= 608 ? head.toString('hex', 576, 608).replace(/(?:00)+$/, '') : ''],
    ['signature size', version >= 4 && head.length >= 1584 ? String(head.readUInt32LE(1580)) : ''],
  ])
}

function vendorFacts(head: Buffer): ImageFact[] {
  if (head.length < 2096) return []
  return known([
    ['name', textAt(head, 2080, 16)],
    ['page size', String(head.readUInt32LE(12))],
    ['kernel address', hexadecimal(head, 16)],
    ['ramdisk address', hexadecimal(head, 20)],
  ])
}

function known(facts: readonly (readonly [name: string, value: string | undefined])[]): ImageFact[] {
  return facts.flatMap(([name, value]) => (value ? [{ name, value }] : []))
}

function hexadecimal(head: Buffer, offset: number): string {
  return `0x${head.readUInt32LE(offset).toString(16)}`
}

/** A version of 7 bits each and a patch level, year and month, in one number. */
function osVersion(packed: number): [version?: string, patchLevel?: string] {
  if (packed === 0) return []
  const version = [packed >>> 25, (packed >>> 18) & 127, (packed >>> 11) & 127].join('.')
  return [version, `${2000 + ((packed >>> 4) & 127)}-${String(packed & 15).padStart(2, '0')}`]
}

type Piece = readonly [kind: PartKind, name: string, size: number]

function unpackOld(source: ByteSource, head: Buffer, version: number): Contents {
  const pageSize = head.readUInt32LE(36)
  const pieces: Piece[] = [
    ['kernel', 'kernel', head.readUInt32LE(8)],
    ['initrd', 'ramdisk', head.readUInt32LE(16)],
    ['other', 'second', head.readUInt32LE(24)],
  ]
  if (version >= 1) pieces.push(['other', 'recovery_dtbo', head.readUInt32LE(1632)])
  if (version >= 2) pieces.push(['device-tree', 'dtb', head.readUInt32LE(1648)])
  const commandLine = textAt(head, 64, 512) + textAt(head, 608, 1024)
  return { ...layOut(source, pageSize, pageSize, pieces), commandLine }
}

function unpackNew(source: ByteSource, head: Buffer): Contents {
  const pieces: Piece[] = [
    ['kernel', 'kernel', head.readUInt32LE(8)],
    ['initrd', 'ramdisk', head.readUInt32LE(12)],
  ]
  return { ...layOut(source, HEADER, HEADER, pieces), commandLine: textAt(head, 44, 1536) }
}

function unpackVendor(source: ByteSource): Contents {
  const head = source.read(0, HEADER)
  if (head.length < 2112) return contentsOf([], ['it ends inside its header'])
  const version = head.readUInt32LE(8)
  if (version !== 3 && version !== 4) return contentsOf([], [`its header version ${version} is not known`])
  const four = version === 4 && head.length >= 2128
  const pageSize = head.readUInt32LE(12)
  const headerSize = four ? 2128 : 2112
  const start = pageSize > 0 ? Math.ceil(headerSize / pageSize) * pageSize : 0
  const layout = layOut(source, pageSize, start, [
    ['initrd', 'vendor ramdisk', head.readUInt32LE(24)],
    ['device-tree', 'dtb', head.readUInt32LE(2100)],
    ...(four
      ? ([
          ['other', 'ramdisk table', head.readUInt32LE(2112)],
          ['bootconfig', 'bootconfig', head.readUInt32LE(2124)],
        ] as const)
      : []),
  ])
  return { ...layout, commandLine: textAt(head, 28, 2048) }
}

/** Every piece begins on a page. */
function layOut(source: ByteSource, pageSize: number, start: number, pieces: readonly Piece[]): Contents {
  if (pageSize < 512 || pageSize > 1 << 20) return contentsOf([], [`its page size of ${pageSize} bytes is not valid`])
  const parts: ImagePart[] = []
  const problems: string[] = []
  let offset = start
  for (const [kind, name, length] of pieces) {
    const compression = kind === 'kernel' ? compressionAt(source.read(offset, 8), 0) : null
    const part = imagePart({ kind, name, offset, length, compression })
    const problem = misplaced(part, source.size)
    if (problem !== undefined) problems.push(problem)
    else if (length > 0) parts.push(part)
    offset += Math.ceil(length / pageSize) * pageSize
  }
  return contentsOf(parts, problems)
}
