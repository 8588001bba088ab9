import { posix } from 'node:path'
import { KexecError } from '../errors.ts'
import type { System } from '../system/system.ts'
import { bytesContent, type CpioEntry, cpioChunks, cpioSize, MAX_FILE } from './cpio.ts'
import { readable } from './overlay-file.ts'
import { OverlayTree } from './overlay-tree.ts'
import type { SyncInitrdPart } from './part.ts'

/** Files to add to the initrd, behind all others. */
export interface Overlay {
  /** A file, a folder with all that is in it, or the bytes of a file. */
  readonly source: string | Uint8Array
  /**
   * Where it goes, absolute: a file's own path, or ending in a slash the folder it goes into; of a folder, the folder that its
   * files go into. Default: the absolute path of the source. Bytes need one.
   */
  readonly destination?: string
  /** Permission bits of a file, default those of the source; of bytes, default 0o644. */
  readonly mode?: number
}

/** What is planned to be added. */
export interface PlannedOverlay {
  /** What each was given as, and where it goes. */
  readonly overlays: readonly { readonly source: string; readonly destination: string }[]
  /** How many files, links and folders, without those that are only made to hold them. */
  readonly entries: number
  /** Bytes of the archive. */
  readonly size: number
  readonly part: SyncInitrdPart
}

/** More than any modules folder or root file system of an installer has. */
const MAX_ENTRIES = 200_000

/** PATH_MAX of include/uapi/linux/limits.h, with the NUL: the kernel passes over longer names. */
const MAX_PATH = 4095

/**
 * Looks at what is to be added, and reads nothing of it yet. Files are checked when they are read: one that was written since
 * is 'file-changed'. Paths are those of the system.
 * @param refuse called for everything that cannot be added
 */
export function planOverlay(
  system: System,
  overlays: readonly Overlay[],
  refuse: (error: KexecError) => void,
): PlannedOverlay {
  const tree = new OverlayTree()
  const planned = overlays.flatMap((overlay) => {
    try {
      return [new Addition(system, tree, refuse).add(overlay)]
    } catch (error) {
      if (!(error instanceof KexecError)) throw error
      refuse(error)
      return []
    }
  })
  const entries = tree.archived()
  const size = cpioSize(entries)
  return {
    overlays: planned,
    entries: tree.size,
    size,
    part: { name: '(overlay)', size, fd: null, chunks: () => cpioChunks(entries) },
  }
}

/** One overlay on its way into the tree. */
class Addition {
  readonly #system: System
  readonly #tree: OverlayTree
  readonly #refuse: (error: KexecError) => void

  constructor(system: System, tree: OverlayTree, refuse: (error: KexecError) => void) {
    this.#system = system
    this.#tree = tree
    this.#refuse = refuse
  }

  /** @throws KexecError when nothing of it can be added */
  add({ source, destination, mode }: Overlay): PlannedOverlay['overlays'][number] {
    if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o7777)) {
      throw invalid('an overlay has a mode that is none: permission bits, such as 0o755, are', '')
    }
    if (typeof source !== 'string') return this.#addBytes(source, destination, mode ?? 0o644)
    const wanted = checkedDestination(destination ?? source, source)
    const stats = this.#system.stat(source)
    if (stats?.isDirectory()) {
      if (mode !== undefined) throw invalid('a mode is for a file, and this overlay is a folder', source)
      const folder = wanted.replace(/(.)\/$/, '$1')
      this.#addFolder(source, folder, stats.mode)
      return { source, destination: folder }
    }
    const path = wanted.endsWith('/') ? `${wanted}${posix.basename(source)}` : wanted
    this.#addFile(source, path, mode)
    return { source, destination: path }
  }

  #addBytes(source: Uint8Array, destination: string | undefined, mode: number) {
    if (destination === undefined || destination.endsWith('/')) {
      throw invalid('an overlay of bytes needs the path of the file they are for as its destination', '')
    }
    const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    this.#put({ path: checkedDestination(destination, ''), mode, content: bytesContent(bytes) }, '(bytes)')
    return { source: '(bytes)', destination }
  }

  #addFile(source: string, path: string, mode: number | undefined): void {
    const { content, mode: own } = readable(this.#system, source)
    this.#put({ path, mode: mode ?? own, content }, source)
  }

  /** Everything that can be added is, so that all that cannot is told together. */
  #addFolder(source: string, path: string, mode: number): void {
    // The initrd's own root stays as it is.
    if (path !== '/') this.#put({ path, mode: mode & 0o7777, directory: true }, source)
    const names = this.#system.list(source)
    if (this.#system.denied.has(source)) {
      throw new KexecError('the folder may not be read by this user', {
        reason: 'not-readable',
        path: source,
        hint: 'Run it as root, or make the folder readable.',
        refused: true,
      })
    }
    for (const name of names) {
      try {
        this.#addMember(posix.join(source, name), posix.join(path, name))
      } catch (error) {
        if (!(error instanceof KexecError)) throw error
        this.#refuse(error)
      }
    }
  }

  #addMember(source: string, path: string): void {
    const link = this.#system.readLink(source)
    const stats = link === undefined ? this.#system.stat(source) : undefined
    if (link !== undefined) this.#put({ path, mode: 0o777, link }, source)
    else if (stats?.isDirectory()) this.#addFolder(source, path, stats.mode)
    else this.#addFile(source, path, undefined)
  }

  #put(entry: CpioEntry, source: string): void {
    const refusal = obstacle(entry, this.#tree)
    if (refusal !== null) throw invalid(refusal, source)
    this.#tree.put(entry)
  }
}

function obstacle(entry: CpioEntry, tree: OverlayTree): string | null {
  if ('content' in entry && entry.content.size > MAX_FILE) {
    return 'the file has 4 GiB or more, which no initrd can hold'
  }
  if (Buffer.byteLength(entry.path) > MAX_PATH) return 'the path in the initrd would be longer than the kernel takes'
  if (tree.size >= MAX_ENTRIES) return `the overlay has more than ${MAX_ENTRIES} files`
  const other = tree.conflict(entry)
  return other === null ? null : `the overlay puts both a folder and something else at ${other}`
}

/** @throws KexecError */
function checkedDestination(destination: string, source: string): string {
  if (!destination.startsWith('/')) {
    throw invalid(`the destination '${destination}' of an overlay is not absolute`, source)
  }
  if (destination.includes('\0')) throw invalid('the destination of an overlay has a NUL in it', source)
  if (destination.split('/').includes('..')) {
    throw invalid(`the destination '${destination}' of an overlay has '..' in it`, source)
  }
  return posix.normalize(destination)
}

function invalid(summary: string, path: string): KexecError {
  return new KexecError(summary, {
    reason: 'invalid-argument',
    refused: true,
    hint: 'An overlay is a file or a folder, and an absolute path in the initrd: --overlay SRC:/DEST.',
    ...(path === '' ? {} : { path }),
  })
}
