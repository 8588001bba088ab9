import { posix } from 'node:path'
import type { System } from '../../system/system.ts'

/** Longer directories are not searched for a name in another letter case. */
const MAX_FOLDED = 20_000

interface Folder {
  /** Without links. */
  readonly path: string
  readonly names: ReadonlySet<string>
  folded?: ReadonlyMap<string, string>
}

/**
 * The existing names, each directory read once: ten thousand entries name the files of a handful of directories. Names
 * that are links count as existing; a broken link is reported when the file is read.
 */
export class FileIndex {
  private readonly system: System
  private readonly folders = new Map<string, Folder | undefined>()

  constructor(system: System) {
    this.system = system
  }

  has(path: string): boolean {
    const { dir, base } = posix.parse(path)
    return base === '' || (this.folder(dir)?.names.has(base) ?? false)
  }

  /**
   * A path as the file system spells it, when only letter case differs: FAT and the boot loaders that read it treat
   * Vmlinuz and vmlinuz alike. Undefined when there is no such name.
   */
  ignoringCase(path: string): string | undefined {
    let found = '/'
    for (const part of path.split('/')) {
      if (part === '') continue
      const folder = this.folder(found)
      if (folder === undefined) return undefined
      const name = folder.names.has(part) ? part : this.folded(folder).get(part.toLowerCase())
      if (name === undefined) return undefined
      found = posix.join(found, name)
    }
    return found
  }

  private folder(path: string): Folder | undefined {
    if (this.folders.has(path)) return this.folders.get(path)
    const folder = this.readFolder(path)
    this.folders.set(path, folder)
    return folder
  }

  private readFolder(path: string): Folder | undefined {
    try {
      return { path, names: new Set(this.system.list(this.system.resolve(path))) }
    } catch {
      return undefined
    }
  }

  private folded(folder: Folder): ReadonlyMap<string, string> {
    folder.folded ??= new Map(
      folder.names.size > MAX_FOLDED ? [] : [...folder.names].map((name) => [name.toLowerCase(), name]),
    )
    return folder.folded
  }
}
