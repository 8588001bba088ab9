import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join, posix } from 'node:path'
import type { ImageEntry } from './cpio.ts'

/** Debian's merged /usr: these names are links, and packages' files below them belong below /usr. */
const mergedIntoUsr = ['bin', 'sbin', 'lib', 'lib64']

/**
 * A guest's file system before it is an image: entries by path, with their parents; a later entry replaces an earlier
 * one.
 */
export class FileTree {
  readonly #entries = new Map<string, ImageEntry>()

  /** @param options.mergedUsr /bin, /sbin, /lib and /lib64 are links into /usr, and paths below them follow. */
  constructor(options: { mergedUsr?: boolean } = {}) {
    if (!options.mergedUsr) return
    for (const name of mergedIntoUsr) {
      this.add({ path: `/usr/${name}`, directory: true })
      this.#entries.set(`/${name}`, { path: `/${name}`, link: `usr/${name}` })
    }
  }

  /** Adds an entry and the directories it needs. A directory never replaces an existing entry. */
  add(entry: ImageEntry): void {
    const path = this.#canonical(entry.path)
    if (path === '/') return
    if ('directory' in entry) {
      const present = this.#entries.get(path)
      if (present && !('directory' in present)) return
    }
    this.#addParents(path)
    this.#entries.set(path, { ...entry, path })
  }

  has(path: string): boolean {
    return this.#entries.has(this.#canonical(path))
  }

  #isDirectory(path: string): boolean {
    const entry = this.#entries.get(this.#canonical(path))
    return entry !== undefined && 'directory' in entry
  }

  /** Adds a directory of the host with all its contents, owned by root, below `target` in the guest. */
  async addDirectory(directory: string, target: string, skip: (path: string) => boolean = () => false): Promise<void> {
    for (const name of (await readdir(directory)).sort()) {
      const source = join(directory, name)
      const path = posix.join(target, name)
      if (skip(path)) continue
      const stats = await lstat(source)
      const mode = stats.mode & 0o7777
      if (stats.isDirectory()) {
        this.add({ path, directory: true, mode })
        await this.addDirectory(source, path, skip)
      } else if (stats.isSymbolicLink()) {
        // As in dpkg, a link never replaces a directory: from base-files 13 on /bin is in the package, and is /usr/bin
        // here.
        if (!this.#isDirectory(path)) this.add({ path, link: await readlink(source) })
      } else if (stats.isFile()) {
        this.add({ path, source, mode })
      }
    }
  }

  /** The entries, parents before children, in an order that depends only on the paths. */
  entries(): ImageEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  /** SHA-256, in hexadecimal, over the whole content of the image. */
  async hash(): Promise<string> {
    const hash = createHash('sha256')
    for (const entry of this.entries()) {
      const { path, mode, uid, gid } = entry
      hash.update(JSON.stringify([path, mode, uid, gid]))
      if ('source' in entry) await hashFile(hash, entry.source)
      else if ('data' in entry) hash.update('data').update(entry.data)
      else hash.update(JSON.stringify(entry))
      hash.update('\0')
    }
    return hash.digest('hex')
  }

  #addParents(path: string): void {
    const parent = posix.dirname(path)
    if (parent === '/' || this.#entries.has(parent)) return
    this.#addParents(parent)
    this.#entries.set(parent, { path: parent, directory: true })
  }

  #canonical(path: string): string {
    const normal = posix.normalize(`/${path}`).replace(/(.)\/+$/, '$1')
    const top = normal.split('/', 2)[1] ?? ''
    const target = this.#entries.get(`/${top}`)
    return target && 'link' in target && mergedIntoUsr.includes(top) ? `/usr${normal}` : normal
  }
}

async function hashFile(hash: Hash, file: string): Promise<void> {
  hash.update('data')
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer)
}
