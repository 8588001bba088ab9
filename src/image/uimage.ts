import { crc32 } from './crc32.ts'
import { type ImageFormat, magicAt, unknownImage } from './image.ts'
import { fieldText, oneLine } from './numbers.ts'

const HEADER = 64

/** A U-Boot legacy image's header: "Legacy image format", U-Boot's include/image.h. Numbers are big-endian. */
export interface UimageHeader {
  readonly name: string
  /** 'linux', … or the number. */
  readonly os: string
  /** As `uname -m` prints it, or null for one that is not known. */
  readonly architecture: string | null
  /** 'kernel', 'ramdisk', 'multi', … or the number. */
  readonly type: string
  /** Null when it is not compressed. */
  readonly compression: string | null
  /** Seconds since 1970. */
  readonly time: number
  /** Of what follows the header, bytes. */
  readonly size: number
  readonly loadAddress: number
  readonly entryPoint: number
  /** Of what follows the header, as stated; not verified here. */
  readonly contentCrc: number
  /** Whether the header's own checksum is right. */
  readonly headerIntact: boolean
}

/** U-Boot's legacy image, made by `mkimage`. */
export const uimage: ImageFormat = {
  name: 'uImage',
  recognise: (head) => magicAt(head, 0, '\x27\x05\x19\x56'),
  inspect(head) {
    const image = { ...unknownImage, format: 'uImage' }
    const fields = readUimageHeader(head)
    if (fields === undefined) {
      return { ...image, description: 'a truncated U-Boot legacy image (uImage)', minimumSize: HEADER }
    }
    const name = oneLine(fields.name)
    return {
      ...image,
      description: `a U-Boot legacy image (uImage) with a ${fields.os} ${fields.type}${name === '' ? '' : `, “${name}”`}`,
      architecture: fields.architecture,
      compression: fields.compression,
      minimumSize: HEADER + fields.size,
      problems: fields.headerIntact ? [] : ['its header is damaged: the checksum is wrong'],
    }
  },
}

/** Undefined when `head` is no uImage or ends within its header. */
export function readUimageHeader(head: Buffer): UimageHeader | undefined {
  if (head.length < HEADER || !uimage.recognise(head)) return undefined
  const covered = Buffer.from(head.subarray(0, HEADER))
  covered.fill(0, 4, 8) // The checksum is made with its own field at 0.
  const [os, architecture, type, compression] = [28, 29, 30, 31].map((offset) => head.readUInt8(offset)) as [
    number,
    number,
    number,
    number,
  ]
  return {
    name: fieldText(head, 32, 32),
    os: systems.get(os) ?? `${os}`,
    architecture: architectures.get(architecture) ?? null,
    type: types[type] ?? `${type}`,
    compression: compression === 0 ? null : (compressions[compression] ?? `${compression}`),
    time: head.readUInt32BE(8),
    size: head.readUInt32BE(12),
    loadAddress: head.readUInt32BE(16),
    entryPoint: head.readUInt32BE(20),
    contentCrc: head.readUInt32BE(24),
    headerIntact: crc32(covered) === head.readUInt32BE(4),
  }
}

const systems: ReadonlyMap<number, string> = new Map([
  [2, 'netbsd'],
  [3, 'freebsd'],
  [5, 'linux'],
  [17, 'u-boot'],
  [25, 'arm-trusted-firmware'],
  [26, 'tee'],
])
const architectures: ReadonlyMap<number, string> = new Map([
  [2, 'armv7l'],
  [3, 'i386'],
  [5, 'mips'],
  [6, 'mips64'],
  [7, 'ppc'],
  [8, 's390x'],
  [22, 'aarch64'],
  [24, 'x86_64'],
  [26, 'riscv64'],
])
const types = ['invalid', 'standalone', 'kernel', 'ramdisk', 'multi', 'firmware', 'script', 'filesystem', 'flat_dt']
const compressions = ['none', 'gzip', 'bzip2', 'lzma', 'lzo', 'lz4', 'zstd']
