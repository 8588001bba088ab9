import { setImmediate } from 'node:timers/promises'
import { throwIfAborted } from '../../abort.ts'
import { type ByteSource, partOf } from '../../bytes/bytes.ts'
import { canDecompress, DamagedStream, decompress } from '../../compression/decompress.ts'
import { KexecError } from '../../errors.ts'
import type { SetupHeader } from '../model/setup-header.ts'

/** The largest unpacked kernel, in bytes: KERNEL_IMAGE_SIZE of arch/x86/include/asm/page_64_types.h. */
const LARGEST = 2 ** 30

/** Whether the kernel inside can be unpacked here. */
export function hasUnpackablePayload({ payload }: SetupHeader): boolean {
  return payload?.compression != null && canDecompress(payload.compression)
}

/**
 * The data that a bzImage unpacks at its start: the ELF file of the kernel and, behind it, the relocations, if any.
 * @param source the bzImage, whole
 * @throws KexecError 'damaged-image' where it could not unpack itself either, 'aborted'
 */
export async function unpackPayload(
  source: ByteSource,
  { payload }: SetupHeader,
  signal?: AbortSignal,
): Promise<Buffer> {
  if (payload?.compression == null) throw damaged('it says of none where it is, or how it is compressed')
  const { offset, length, compression } = payload
  // The build puts the size behind the compressed data; a gzip stream ends with it.
  const end = source.read(offset + length - 4, 4)
  const size = end.length === 4 ? end.readUInt32LE(0) : 0
  if (size === 0 || size > LARGEST) throw damaged(`it says that it unpacks to ${size} bytes`)
  const packed = partOf(source, offset, length - (compression === 'gzip' ? 0 : 4))
  const unpacked = Buffer.allocUnsafeSlow(size)
  let filled = 0
  try {
    for await (const chunk of decompress(compression, packed, size)) {
      filled += chunk.copy(unpacked, filled)
      await setImmediate()
      throwIfAborted(signal)
    }
  } catch (error) {
    if (!(error instanceof DamagedStream)) throw error
    throw damaged(error.message)
  }
  if (filled < size) throw damaged(`it unpacks to ${filled} bytes where it says ${size}`)
  return unpacked
}

function damaged(why: string): KexecError {
  return new KexecError(`the kernel inside the bzImage cannot be unpacked: ${why}`, {
    reason: 'damaged-image',
    hint: 'Copy or install the kernel again: started like this, it would stop before its first line.',
    refused: true,
  })
}
