import { posix } from 'node:path'
import type { System } from '../../system/system.ts'

/** Longer directories are not searched for a name in another letter case. */
const MAX_FOLDED = 20_000

interface Directory {
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
  private readonly directories = new Map<string, Directory | undefined>()

  constructor(system: System) {
    this.system = system
  }

  has(path: string): boolean {
    const { dir, base } = posix.parse(path)
    return base === '' || (this.directory(dir)?.names.has(base) ?? false)
  }

  /**
   * A path as the file system spells it, when only letter case differs: FAT and the boot loaders that read it treat
   * Vmlinuz and vmlinuz alike. Undefined when there is no such name.
   */
  ignoringCase(path: string): string | undefined {
    let found = '/'
    for (const part of path.split('/')) {
      if (part === '') continue
      const directory = this.directory(found)
      if (directory === undefined) return undefined
      const name = directory.names.has(part) ? part : this.folded(directory).get(part.toLowerCase())
      if (name === undefined) return undefined
      found = posix.join(found, name)
    }
    return found
  }

  private directory(path: string): Directory | undefined {
    if (this.directories.has(path)) return this.directories.get(path)
    const directory = this.readDirectory(path)
    this.directories.set(path, directory)
    return directory
  }

  private readDirectory(path: string): Directory | undefined {
    try {
      return { path, names: new Set(this.system.list(this.system.resolve(path))) }
    } catch {
      return undefined
    }
  }

  private folded(directory: Directory): ReadonlyMap<string, string> {
    directory.folded ??= new Map(
      directory.names.size > MAX_FOLDED ? [] : [...directory.names].map((name) => [name.toLowerCase(), name]),
    )
    return directory.folded
  }
}
