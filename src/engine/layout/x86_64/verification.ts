import { createHash } from 'node:crypto'
import type { NativeSegment } from '../../../native.ts'
import { KEXEC_SEGMENT_MAX } from '../../../system/kexec-abi.ts'
import { verificationCode } from './verification-code.ts'

const code = Buffer.from(verificationCode, 'base64')

/** struct table of native/purgatory/x86_64.c: the SHA-256, the number of ranges, and the address and length of each. */
const DIGEST = 32
const COUNT = 8
const RANGE = 16

/** Where the table begins, behind the code. */
export const TABLE = Math.ceil(code.length / 16) * 16

/** Size of both in bytes. */
export const VERIFICATION_SIZE = TABLE + DIGEST + COUNT + KEXEC_SEGMENT_MAX * RANGE

/**
 * Code that hashes these segments in their final places, entered at its first byte with the address of the table in
 * rdi. It returns when they are unchanged, and never returns otherwise. It hashes the copied bytes, not the zeros
 * behind.
 */
export function verification(segments: readonly NativeSegment[]): Buffer {
  const bytes = Buffer.alloc(VERIFICATION_SIZE)
  code.copy(bytes)
  const hash = createHash('sha256')
  bytes.writeBigUInt64LE(BigInt(segments.length), TABLE + DIGEST)
  for (const [index, { bytes: content, address }] of segments.entries()) {
    const at = TABLE + DIGEST + COUNT + index * RANGE
    bytes.writeBigUInt64LE(BigInt(address), at)
    bytes.writeBigUInt64LE(BigInt(content.length), at + 8)
    hash.update(content)
  }
  hash.digest().copy(bytes, TABLE)
  return bytes
}
