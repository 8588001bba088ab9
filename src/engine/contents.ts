import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { throwIfAborted } from '../abort.ts'
import { KexecError } from '../errors.ts'

/** Bytes read at a time: other work of the process runs in between. */
const CHUNK = 4 * 2 ** 20

/** Larger than any buffer can be in Node 20 (buffer.constants.MAX_LENGTH). */
const MOST = 4 * 2 ** 30 - 1

/**
 * The contents of a descriptor, in memory of its own, as kexec_load takes them. @throws KexecError 'file-changed',
 * 'initrd-too-large', 'not-a-kernel' (too large), 'aborted'
 */
export async function readContents(fd: number, what: string, signal?: AbortSignal): Promise<Buffer> {
  const reading = startReading(fd, what)
  try {
    while (!reading.next()) {
      throwIfAborted(signal)
      await setImmediate()
    }
    return reading.bytes
  } finally {
    reading.close()
  }
}

/** The same synchronously. */
export function readContentsSync(fd: number, what: string): Buffer {
  const reading = startReading(fd, what)
  try {
    while (!reading.next());
    return reading.bytes
  } finally {
    reading.close()
  }
}

function startReading(descriptor: number, what: string) {
  // Deno reads only from descriptors that it opened itself.
  const fd = openSync(`/proc/self/fd/${descriptor}`, 'r')
  try {
    const { size } = fstatSync(fd)
    if (size > MOST) throw tooLarge(size, what)
    const bytes = Buffer.allocUnsafeSlow(size)
    let filled = 0
    const next = () => {
      if (filled === size) return true
      const count = readSync(fd, bytes, filled, Math.min(CHUNK, size - filled), filled)
      if (count === 0) throw shrank(what)
      filled += count
      return filled === size
    }
    return { bytes, next, close: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function tooLarge(size: number, what: string): KexecError {
  return new KexecError(`the ${what} has ${size} bytes, and at most ${MOST} are read for kexec_load`, {
    reason: what === 'initrd' ? 'initrd-too-large' : 'not-a-kernel',
    hint: `Use a smaller ${what}.`,
    refused: true,
  })
}

function shrank(what: string): KexecError {
  return new KexecError(`the ${what} became shorter while it was read`, {
    reason: 'file-changed',
    hint: 'Wait until its writer has finished, and plan again.',
    refused: true,
  })
}
