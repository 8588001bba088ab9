/** As much of a device path as it takes to see whether it leads to a file of a disk: UEFI specification, chapter 10. */
export interface DevicePath {
  /** Of the partition, as udev names it in /dev/disk/by-partuuid; null where the path names no partition. */
  readonly partition: string | null
}

const HEADER = 4
const MEDIA = 4
const HARD_DRIVE = 1
const END = 0x7f

/** Length of a hard drive node, and its places: the number, the signature, and the kind of the signature. */
const DRIVE_LENGTH = 42
const NUMBER = 4
const SIGNATURE = 24
const SIGNATURE_KIND = 41

/** Reads the first of the paths: nodes of a type, a subtype and a length each. */
export function readDevicePath(bytes: Buffer): DevicePath {
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const type = bytes.readUInt8(at)
    const length = bytes.readUInt16LE(at + 2)
    if (type === END || length < HEADER || at + length > bytes.length) break
    const isDrive = type === MEDIA && bytes.readUInt8(at + 1) === HARD_DRIVE && length >= DRIVE_LENGTH
    if (isDrive) return { partition: partitionOf(bytes.subarray(at, at + length)) }
    at += length
  }
  return { partition: null }
}

/** A GUID of GPT, or the disk's signature and the partition's number of MBR. */
function partitionOf(node: Buffer): string | null {
  const kind = node.readUInt8(SIGNATURE_KIND)
  const hex = (from: number, to: number) => node.subarray(SIGNATURE + from, SIGNATURE + to).toString('hex')
  const swapped = (from: number, to: number) =>
    Buffer.from(node.subarray(SIGNATURE + from, SIGNATURE + to))
      .reverse()
      .toString('hex')
  // The first three parts of a GUID are little-endian.
  if (kind === 2) return [swapped(0, 4), swapped(4, 6), swapped(6, 8), hex(8, 10), hex(10, 16)].join('-')
  if (kind !== 1) return null
  return `${swapped(0, 4)}-${node.readUInt32LE(NUMBER).toString(16).padStart(2, '0')}`
}
