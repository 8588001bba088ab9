import { setImmediate } from 'node:timers/promises'
import type { ByteSource } from '../../../bytes/bytes.ts'
import { Unreadable } from './report.ts'

/** Bytes read at a time: a millisecond or so of hashing. */
const CHUNK = 1024 * 1024

/**
 * The bytes of a range in pieces; the event loop runs between two of them.
 * @throws Unreadable when the file has become shorter in between; the signal's reason; Node's error of read(2)
 */
export async function* chunksOf(
  source: ByteSource,
  offset: number,
  length: number,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  for (let done = 0; done < length; done += CHUNK) {
    signal?.throwIfAborted()
    const wanted = Math.min(CHUNK, length - done)
    const bytes = source.read(offset + done, wanted)
    if (bytes.length < wanted) throw new Unreadable('the file became shorter while it was read')
    yield bytes
    if (wanted === CHUNK) await setImmediate()
  }
}
