import { posix } from 'node:path'
import type { System } from '../system/system.ts'

/** Where the kernel shows what it kept over a crash (Documentation/ABI/testing/pstore), and where systemd-pstore moves it. */
const PLACES = ['/sys/fs/pstore', '/var/lib/systemd/pstore']

/** Lines shown; more where the kernel says why it panics, which stands before the registers and the stack. */
const LINES = 20
const MOST_LINES = 60
const PANIC = 'Kernel panic - not syncing'

/** Directories below a place: systemd-pstore makes one for each crash, and one in it for each part. */
const DEPTH = 3

/** More files than a crash leaves. */
const MOST_FILES = 500

/** Bytes read of one file; a ring buffer of messages is smaller. */
const MOST_BYTES = 4 * 1024 * 1024

/** The last lines of a kernel that died. */
export interface LastLines {
  readonly path: string
  readonly lines: readonly string[]
}

/** All messages that were kept of it. */
export type KeptMessages = LastLines

interface Part {
  readonly path: string
  readonly modifiedAt: number
  readonly text: string
  /** 'Panic#1': what the kernel wrote down together. */
  readonly dump: string
  /** The kernel numbers the parts from the end: the highest has the oldest lines (pstore_dump of fs/pstore/platform.c). */
  readonly number: number
}

/** The lines to show: the last ones, from the reason of a panic on where that is near. */
export function lastOf({ path, lines }: KeptMessages): LastLines {
  const panic = lines.findLastIndex((line) => line.includes(PANIC))
  const wanted = panic < 0 ? LINES : Math.max(LINES, Math.min(MOST_LINES, lines.length - panic))
  return { path, lines: lines.slice(-wanted) }
}

/**
 * The messages of the newest crash that the kernel kept, or null without one. The time of a file is that of the crash,
 * or that of the boot in which it was found, so an older file tells of an older crash.
 * @param since only of a crash after this moment
 */
export function keptMessages(system: System, since: Date): KeptMessages | null {
  const parts = PLACES.flatMap((place) => [...partsIn(system, place, DEPTH)])
    .slice(0, MOST_FILES)
    .filter(({ modifiedAt }) => modifiedAt >= since.getTime())
  const dumps = parts.filter(({ path }) => isDump(path))
  const [newest] = (dumps.length > 0 ? dumps : parts).sort((one, other) => other.modifiedAt - one.modifiedAt)
  if (newest === undefined) return null
  const directory = posix.dirname(newest.path)
  const together = parts
    .filter(
      (part) =>
        part.dump === newest.dump &&
        posix.dirname(part.path) === directory &&
        isDump(part.path) === isDump(newest.path),
    )
    .sort((one, other) => other.number - one.number)
  const text = (newest.number === 0 ? [newest] : together).map((part) => part.text).join('\n')
  return { path: newest.path, lines: text.split('\n').filter((line) => line.trim() !== '') }
}

function isDump(path: string): boolean {
  return posix.basename(path).startsWith('dmesg')
}

function* partsIn(system: System, directory: string, depth: number): Generator<Part> {
  for (const name of system.list(directory).slice(0, MOST_FILES)) {
    const path = posix.join(directory, name)
    const stats = system.stat(path)
    if (stats?.isDirectory() && depth > 1) yield* partsIn(system, path, depth - 1)
    // A name that ends in .enc.z is of text that the kernel could not unpack.
    if (!stats?.isFile() || !/^(?:dmesg|console)/.test(name) || name.endsWith('.z')) continue
    const part = partOf(system, path, stats.mtimeMs)
    if (part !== undefined) yield part
  }
}

function partOf(system: System, path: string, modifiedAt: number): Part | undefined {
  try {
    const text = system.readHead(path, MOST_BYTES).toString('utf8')
    const [head, dump, number] = /^(\w+#\d+) Part(\d+)\n/.exec(text) ?? ['']
    return { path, modifiedAt, text: text.slice(head.length), dump: dump ?? '', number: Number(number ?? 0) }
  } catch {
    return undefined
  }
}
