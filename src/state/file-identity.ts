import { createHash } from 'node:crypto'
import { closeSync, fstatSync, type Stats } from 'node:fs'
import type { ByteSource } from '../bytes/bytes.ts'
import { fileBytes } from '../bytes/bytes.ts'
import type { System } from '../system/system.ts'
import { localTime } from '../text.ts'

/** Bytes of the head and of the tail that are hashed. */
const SAMPLE = 64 * 1024

/**
 * Identifies a file's present content without reading all of it, since a load must not read it twice. Times are
 * milliseconds since 1970.
 */
export interface FileIdentity {
  /** Its name as given; for an input without a path, '(bytes)' or '(stream)'. */
  readonly path: string
  readonly size: number
  /** Null for an input that is not a file. */
  readonly device: number | null
  readonly inode: number | null
  readonly modifiedAt: number | null
  readonly changedAt: number | null
  /** SHA-256 of the first and the last 64 KiB, hexadecimal. */
  readonly sample: string
  /** SHA-256 of all of it, where it was computed later (`status --verify`); or null. */
  readonly sha256: string | null
}

/** Records a file's identity. @param stats of the open file, or null for bytes in memory */
export function identify(path: string, source: ByteSource, stats: Stats | null): FileIdentity {
  return {
    path,
    size: source.size,
    device: stats?.dev ?? null,
    inode: stats?.ino ?? null,
    modifiedAt: stats?.mtimeMs ?? null,
    changedAt: stats?.ctimeMs ?? null,
    sample: sampleOf(source),
    sha256: null,
  }
}

function sampleOf(source: ByteSource): string {
  const hash = createHash('sha256').update(source.read(0, SAMPLE))
  const tail = Math.max(SAMPLE, source.size - SAMPLE)
  if (tail < source.size) hash.update(source.read(tail, source.size - tail))
  return hash.digest('hex')
}

/**
 * The change of a file since: undefined when there is none, else a part of a sentence. Device, inode and time of change
 * may differ after a remount or a move; then the sample decides.
 */
export function whatChanged(system: System, identity: FileIdentity): string | undefined {
  if (identity.inode === null) return undefined
  const stats = system.stat(identity.path)
  if (stats === undefined) return 'is gone'
  if (!stats.isFile()) return 'is no longer a regular file'
  if (stats.size !== identity.size) return `has ${stats.size} bytes instead of ${identity.size}`
  if (stats.mtimeMs !== identity.modifiedAt) return `was written at ${localTime(new Date(stats.mtimeMs))}`
  if (isSameFile(identity, stats)) return undefined
  return hasSample(system, identity) ? undefined : 'was replaced by another file of the same size and time'
}

function isSameFile({ device, inode, changedAt }: FileIdentity, stats: Stats): boolean {
  return stats.dev === device && stats.ino === inode && stats.ctimeMs === changedAt
}

function hasSample(system: System, { path, sample, size }: FileIdentity): boolean {
  return withFile(system, path, (fd) => sampleOf(fileBytes(fd, size)) === sample) ?? false
}

/** SHA-256 of all of a file that has not changed, or null when it has, or cannot be read. */
export function hashWhole(system: System, identity: FileIdentity): string | null {
  const { path, size, inode } = identity
  if (inode === null || whatChanged(system, identity) !== undefined) return null
  const digest = withFile(system, path, (fd) => {
    const hash = createHash('sha256')
    const source = fileBytes(fd, size)
    for (let offset = 0; offset < size; ) {
      const piece = source.read(offset, 1024 * 1024)
      if (piece.length === 0) return null
      hash.update(piece)
      offset += piece.length
    }
    return fstatSync(fd).mtimeMs === identity.modifiedAt ? hash.digest('hex') : null
  })
  return digest ?? null
}

function withFile<Result>(system: System, path: string, read: (fd: number) => Result): Result | undefined {
  try {
    const fd = system.open(path)
    try {
      return read(fd)
    } finally {
      closeSync(fd)
    }
  } catch {
    return undefined
  }
}
