import { posix } from 'node:path'
import type { CpioEntry } from './cpio.ts'

/**
 * Folders that are made to hold something and that have other permissions than 0755 wherever they are: the kernel gives a folder
 * that is there already the permissions of its entry. File-hierarchy(7), and what dracut and initramfs-tools make.
 */
const folderModes: Readonly<Record<string, number>> = {
  '/tmp': 0o1777,
  '/var/tmp': 0o1777,
  '/dev/shm': 0o1777,
  '/run/lock': 0o1777,
  '/root': 0o700,
  '/proc': 0o555,
  '/sys': 0o555,
}

const COMMON_MODE = 0o755

/** What an overlay adds, by absolute path; what is put later takes the place of what was put before. */
export class OverlayTree {
  readonly #entries = new Map<string, CpioEntry>()
  /** Paths that have something below them. */
  readonly #parents = new Set<string>()

  get size(): number {
    return this.#entries.size
  }

  put(entry: CpioEntry): void {
    this.#entries.set(entry.path, entry)
    for (const parent of parentsOf(entry.path)) this.#parents.add(parent)
  }

  /** Where an entry cannot be because of what is there already, or null. Below a link it can: that may lead to a folder. */
  conflict(entry: CpioEntry): string | null {
    const there = this.#entries.get(entry.path)
    const isFolder = 'directory' in entry
    if (there !== undefined && 'directory' in there !== isFolder) return entry.path
    if (!isFolder && this.#parents.has(entry.path)) return entry.path
    return parentsOf(entry.path).find((parent) => 'content' in (this.#entries.get(parent) ?? {})) ?? null
  }

  /**
   * As they go into the archive: in an order that depends on the paths alone, parents before what is in them. What the kernel
   * does with what is there already (do_name() and do_symlink() of init/initramfs.c, seen in QEMU on 5.10, 6.1 and 6.17) makes
   * the form:
   * - A folder in place of a link, such as /lib, would take the link away. With a slash at its end the name is followed to the
   *   folder, which stays.
   * - A file in place of one that has several names would change what is behind all of them. A link that comes first takes the
   *   name away, and the file then gets it.
   */
  archived(): CpioEntry[] {
    const all = new Map(this.#entries)
    for (const path of this.#parents) {
      if (!all.has(path)) all.set(path, { path, mode: folderModes[path] ?? COMMON_MODE, directory: true })
    }
    const sorted = [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
    return sorted.flatMap((entry): CpioEntry[] => {
      if ('directory' in entry) return [{ ...entry, path: `${entry.path}/` }]
      return 'content' in entry ? [{ path: entry.path, mode: 0o777, link: '.' }, entry] : [entry]
    })
  }
}

function parentsOf(path: string): string[] {
  const parents: string[] = []
  for (let parent = posix.dirname(path); parent !== '/'; parent = posix.dirname(parent)) parents.push(parent)
  return parents
}
