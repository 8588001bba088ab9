import { closeSync, fstatSync, readSync, type Stats } from 'node:fs'
import { KexecError } from '../errors.ts'
import { fileError, fileType } from '../image/open.ts'
import type { System } from '../system/system.ts'
import type { CpioContent } from './cpio.ts'

/** Read at a time, bytes. */
const CHUNK = 1024 * 1024

/**
 * A file to be added to the initrd: looked at now, read once when it is written.
 * @throws KexecError when it cannot be opened, and 'invalid-argument' for what is no regular file
 */
export function readable(system: System, path: string): { readonly content: CpioContent; readonly mode: number } {
  const stats = withFile(system, path, (fd) => fstatSync(fd))
  return {
    mode: stats.mode & 0o7777,
    content: { size: stats.size, chunks: () => unchangedBytes(system, path, stats) },
  }
}

/** @throws KexecError 'file-changed' when it is not the file it was, or not what it was */
function* unchangedBytes(system: System, path: string, planned: Stats): Generator<Buffer> {
  let fd: number
  try {
    fd = system.open(path)
  } catch (cause) {
    throw changed(path, cause)
  }
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, planned.size))
    if (!isSame(fstatSync(fd), planned)) throw changed(path)
    for (let offset = 0; offset < planned.size; ) {
      const count = readSync(fd, buffer, 0, Math.min(buffer.length, planned.size - offset), offset)
      if (count === 0) throw changed(path)
      yield buffer.subarray(0, count)
      offset += count
    }
    // It may have been written while it was read.
    if (!isSame(fstatSync(fd), planned)) throw changed(path)
  } finally {
    closeSync(fd)
  }
}

function isSame(now: Stats, planned: Stats): boolean {
  const { dev, ino, size, mtimeMs, ctimeMs } = planned
  return now.dev === dev && now.ino === ino && now.size === size && now.mtimeMs === mtimeMs && now.ctimeMs === ctimeMs
}

function withFile(system: System, path: string, look: (fd: number) => Stats): Stats {
  // Devices, FIFOs and sockets are not opened: that alone may set something to work.
  const there = system.stat(path)
  if (there !== undefined && !there.isFile()) throw notAFile(path, fileType(there))
  let fd: number | undefined
  try {
    fd = system.open(path)
    const stats = look(fd)
    if (!stats.isFile()) throw notAFile(path, fileType(stats))
    return stats
  } catch (cause) {
    throw cause instanceof KexecError ? cause : fileError(cause, path)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function notAFile(path: string, type: string): KexecError {
  return new KexecError(`this is a ${type}, which an overlay does not take: only files, folders and symbolic links`, {
    reason: 'invalid-argument',
    path,
    hint: 'Take it out of the folder, or name what is wanted one by one.',
    refused: true,
  })
}

function changed(path: string, cause?: unknown): KexecError {
  return new KexecError('a file of the overlay was changed after it was planned', {
    reason: 'file-changed',
    path,
    hint: 'Wait until whatever writes it has finished, and plan again.',
    refused: true,
    ...(cause === undefined ? {} : { cause }),
  })
}
