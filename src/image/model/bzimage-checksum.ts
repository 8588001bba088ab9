import { setImmediate } from 'node:timers/promises'
import { type ByteSource, memoryBytes } from '../../bytes/bytes.ts'
import { crc32 } from '../../bytes/crc32.ts'
import { COFF_HEADER, certificateTableEntry, peHeaderOffset } from './pe-sections.ts'
import type { SetupHeader } from './setup-header.ts'

/** The headers that signing changes lie within this many bytes. */
const HEAD = 4096
const CHUNK = 1024 * 1024
/** The optional header's CheckSum: PE Format, "Optional Header Windows-Specific Fields". */
const CHECKSUM = 64

/**
 * Whether the CRC-32 at the end of a bzImage is that of its bytes: Documentation/arch/x86/boot.rst, "The Image
 * Checksum", for kernels whose build had arch/x86/boot/tools/build.c. The build made it before the image was signed, so
 * the bytes that signing changes count as zeros. Seen on Debian's signed kernels from 5.10 to 6.12; those from 6.17 on
 * have no CRC.
 * @returns null when none is expected, or when some bytes are missing
 */
export async function checkSum(
  source: ByteSource,
  { end, payload }: SetupHeader,
  version: string | null,
  throwIfAborted: () => void,
): Promise<boolean | null> {
  if (payload === null || source.size < end || end < HEAD) return null
  let crc = crc32(asBuilt(source.read(0, HEAD)))
  for (let offset = HEAD; offset < end; offset += CHUNK) {
    throwIfAborted()
    crc = crc32(source.read(offset, Math.min(CHUNK, end - offset)), crc)
    await setImmediate()
  }
  // The CRC of bytes and their CRC is a constant: boot.rst has it without the inversion at the end, as 0.
  if (crc === 0xffffffff) return true
  return hasChecksum(version) && source.read(end - 4, 4).readUInt32LE(0) !== 0 ? false : null
}

/** All before 6.15, when "x86/boot: Drop CRC-32 checksum and the build tool that generates it" was written. */
function hasChecksum(version: string | null): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? []
  return major !== undefined && (Number(major) < 6 || (Number(major) === 6 && Number(minor) < 15))
}

function asBuilt(head: Buffer): Buffer {
  const copy = Buffer.from(head)
  const start = peHeaderOffset(memoryBytes(copy))
  if (start === undefined) return copy
  const optional = start + COFF_HEADER
  const entry = certificateTableEntry(memoryBytes(copy), optional)
  if (entry + 8 > copy.length) return copy
  copy.fill(0, optional + CHECKSUM, optional + CHECKSUM + 4)
  copy.fill(0, entry, entry + 8)
  return copy
}
