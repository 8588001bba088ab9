import { type ImageFormat, type KernelImage, magicAt, unknownImage } from './image.ts'
import { fieldText } from './numbers.ts'

/** AOSP, "Boot image header" and "Vendor boot partitions": what is told by either header. */
export interface AndroidHeader {
  readonly kind: 'boot' | 'vendor_boot'
  readonly headerVersion: number
  readonly pageSize: number
  /** Bytes; 0 in a vendor_boot image. */
  readonly kernelSize: number
  readonly ramdiskSize: number
  readonly dtbSize: number
  /** Both parts of it joined. */
  readonly commandLine: string
  /** '14.0.0', or null when it is not set. */
  readonly osVersion: string | null
  /** '2024-05', or null. */
  readonly patchLevel: string | null
  /** Of the file by the header: every part begins on a page. */
  readonly size: number
}

const MAX_PAGE = 1 << 20

/** Android's boot.img, versions 0 to 4. */
export const androidBoot: ImageFormat = {
  name: 'Android boot image',
  recognise: (head) => magicAt(head, 0, 'ANDROID!'),
  inspect: (head) => inspect(head, 'Android boot image', 'an Android boot image'),
}

/** Android's vendor_boot.img, versions 3 and 4: a RAM disk and device trees, no kernel. */
export const androidVendorBoot: ImageFormat = {
  name: 'Android vendor boot image',
  recognise: (head) => magicAt(head, 0, 'VNDRBOOT'),
  inspect: (head) => inspect(head, 'Android vendor boot image', 'an Android vendor boot image, which has no kernel'),
}

function inspect(head: Buffer, format: string, description: string): KernelImage {
  const fields = readAndroidHeader(head)
  if (fields === undefined)
    return { ...unknownImage, format, description, problems: ['its header is cut off or garbage'] }
  const system = fields.osVersion === null ? '' : `, Android ${fields.osVersion}`
  return {
    ...unknownImage,
    format,
    description: `${description} (header version ${fields.headerVersion}${system})`,
    minimumSize: fields.size,
  }
}

/** Undefined when `head` is neither image, ends within its header, or has a header that no Android writes. */
export function readAndroidHeader(head: Buffer): AndroidHeader | undefined {
  if (androidVendorBoot.recognise(head)) return readVendorBoot(head)
  if (!androidBoot.recognise(head) || head.length < 44) return undefined
  const version = head.readUInt32LE(40)
  // Before version 1 the field was the size of the device trees: a large number there is version 0.
  return version === 3 || version === 4 ? readRecent(head, version) : readOld(head, version > 4 ? 0 : version)
}

function readOld(head: Buffer, headerVersion: number): AndroidHeader | undefined {
  const end = [1632, 1648, 1660][headerVersion] as number
  if (head.length < end) return undefined
  const pageSize = head.readUInt32LE(36)
  if (!isPage(pageSize)) return undefined
  const [kernelSize, ramdiskSize, secondSize] = [8, 16, 24].map((at) => head.readUInt32LE(at)) as [
    number,
    number,
    number,
  ]
  const recoverySize = headerVersion >= 1 ? head.readUInt32LE(1632) : 0
  const dtbSize = headerVersion >= 2 ? head.readUInt32LE(1648) : 0
  return {
    kind: 'boot',
    headerVersion,
    pageSize,
    kernelSize,
    ramdiskSize,
    dtbSize,
    commandLine: fieldText(head, 64, 512) + fieldText(head, 608, 1024),
    ...system(head.readUInt32LE(44)),
    size: paged(pageSize, [end, kernelSize, ramdiskSize, secondSize, recoverySize, dtbSize]),
  }
}

function readRecent(head: Buffer, headerVersion: 3 | 4): AndroidHeader | undefined {
  const end = headerVersion === 4 ? 1584 : 1580
  if (head.length < end) return undefined
  const [kernelSize, ramdiskSize] = [head.readUInt32LE(8), head.readUInt32LE(12)]
  const signatureSize = headerVersion === 4 ? head.readUInt32LE(1580) : 0
  return {
    kind: 'boot',
    headerVersion,
    pageSize: 4096,
    kernelSize,
    ramdiskSize,
    dtbSize: 0,
    commandLine: fieldText(head, 44, 1536),
    ...system(head.readUInt32LE(16)),
    size: paged(4096, [end, kernelSize, ramdiskSize, signatureSize]),
  }
}

function readVendorBoot(head: Buffer): AndroidHeader | undefined {
  if (head.length < 2112) return undefined
  const [headerVersion, pageSize] = [head.readUInt32LE(8), head.readUInt32LE(12)]
  const end = headerVersion >= 4 ? 2128 : 2112
  if (headerVersion < 3 || headerVersion > 4 || !isPage(pageSize) || head.length < end) return undefined
  const [ramdiskSize, dtbSize] = [head.readUInt32LE(24), head.readUInt32LE(2100)]
  const more = headerVersion === 4 ? [head.readUInt32LE(2112), head.readUInt32LE(2124)] : []
  return {
    kind: 'vendor_boot',
    headerVersion,
    pageSize,
    kernelSize: 0,
    ramdiskSize,
    dtbSize,
    commandLine: fieldText(head, 28, 2048),
    osVersion: null,
    patchLevel: null,
    size: paged(pageSize, [end, ramdiskSize, dtbSize, ...more]),
  }
}

const isPage = (size: number) => size >= 512 && size <= MAX_PAGE && (size & (size - 1)) === 0

/** The last part is not filled up by every tool: it counts as it is. */
function paged(pageSize: number, sizes: readonly number[]): number {
  const parts = sizes.filter((size) => size > 0)
  const last = parts.pop() ?? 0
  return parts.reduce((sum, size) => sum + Math.ceil(size / pageSize) * pageSize, 0) + last
}

/** Three numbers of 7 bits, then the patch level: 7 bits of year since 2000, 4 of month. */
function system(value: number): Pick<AndroidHeader, 'osVersion' | 'patchLevel'> {
  const [version, patch] = [value >>> 11, value & 0x7ff]
  const month = patch & 15
  return {
    osVersion: version === 0 ? null : `${version >>> 14}.${(version >>> 7) & 127}.${version & 127}`,
    patchLevel: month < 1 || month > 12 ? null : `${2000 + (patch >>> 4)}-${String(month).padStart(2, '0')}`,
  }
}
