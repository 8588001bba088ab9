import { posix } from 'node:path'
import { KexecError } from '../errors.ts'
import { optionName } from '../option-name.ts'
import { fileTypes } from './cpio.ts'

/** Links followed before a path counts as a loop: MAXSYMLINKS, include/linux/namei.h. */
const MAX_LINKS = 40

/** The place of an item. */
export interface Place {
  /** With the links of the initrd followed. */
  readonly path: string
  /** Directories to make first, outermost first. */
  readonly missing: readonly string[]
  /** Whether it exists already as a directory. */
  readonly isThere: boolean
  /** Whether a file may exist there, which may have other names too. */
  readonly replacesFile: boolean
}

/**
 * The unpacked content of an initrd. It matters because the kernel's unpacker replaces files in the way (clean_path in
 * init/initramfs.c): a directory /lib in an archive would replace the link /lib -> usr/lib, and no program would run
 * any more.
 */
export class InitrdTree {
  readonly #entries = new Map<string, { readonly mode: number; readonly target: string | null }>()
  /** Whether all of the initrd is known. */
  isComplete = true

  add(path: string, mode: number, target: string | null): void {
    this.#entries.set(posix.join('/', path), { mode, target })
  }

  /** Whether it is certain that there is nothing at a path. A link among the directories on the way leaves that open. */
  lacks(path: string): boolean {
    if (!this.isComplete || this.#entries.has(path)) return false
    for (let parent = posix.dirname(path); parent !== '/'; parent = posix.dirname(parent)) {
      if (this.#entries.get(parent)?.target != null) return false
    }
    return true
  }

  /** Whether there is a file at a path, or a link to one. Where a part of the initrd is unknown, it is taken to be there. */
  hasFile(path: string): boolean {
    const pending = path.split('/').filter(Boolean).reverse()
    let [current, links, type]: [string, number, number] = ['/', 0, fileTypes.directory]
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      if (part === '.') continue
      const next = posix.join(current, part)
      if (part === '..') {
        current = next
        continue
      }
      const entry = this.#entries.get(next)
      if (entry === undefined) return !this.isComplete
      type = entry.mode & fileTypes.mask
      if (type !== fileTypes.link) {
        current = next
        continue
      }
      if (++links > MAX_LINKS) return false
      const target = entry.target ?? ''
      if (target.startsWith('/')) current = '/'
      pending.push(...target.split('/').filter(Boolean).reverse())
    }
    return type === fileTypes.regular
  }

  /** @throws KexecError 'invalid-argument' where a file is in the way, or links run in circles */
  place(path: string, isDirectory: boolean, from: string): Place {
    const pending = path.split('/').filter(Boolean).reverse()
    const missing: string[] = []
    let [current, links] = ['/', 0]
    while (pending.length > 0) {
      const part = pending.pop() as string
      if (part === '.') continue
      if (part === '..') {
        current = posix.dirname(current)
        continue
      }
      const next = posix.join(current, part)
      const isLast = pending.length === 0
      const entry = this.#entries.get(next)
      const type = entry === undefined ? 0 : entry.mode & fileTypes.mask
      if (type === fileTypes.link && (!isLast || isDirectory)) {
        if (++links > MAX_LINKS) throw inTheWay(next, 'links that run in circles', from)
        const target = entry?.target ?? ''
        if (target.startsWith('/')) current = '/'
        pending.push(...target.split('/').filter(Boolean).reverse())
        continue
      }
      if (isLast) return this.#last(next, type, isDirectory, missing, from)
      if (type === 0) {
        missing.push(next)
        this.add(next, fileTypes.directory | 0o755, null)
      } else if (type !== fileTypes.directory) throw inTheWay(next, 'a file', from)
      current = next
    }
    return { path: current, missing, isThere: true, replacesFile: false }
  }

  #last(path: string, type: number, isDirectory: boolean, missing: readonly string[], from: string): Place {
    if (type === fileTypes.directory && !isDirectory) throw inTheWay(path, 'a directory', from)
    if (type !== 0 && type !== fileTypes.directory && isDirectory) throw inTheWay(path, 'a file', from)
    const replacesFile = type === fileTypes.regular || (!isDirectory && type === 0 && !this.isComplete)
    return { path, missing, isThere: isDirectory && type === fileTypes.directory, replacesFile }
  }
}

function inTheWay(path: string, what: string, from: string): KexecError {
  return new KexecError(`${from} cannot be added: the initrd has ${what} at ${path}`, {
    reason: 'invalid-argument',
    path: from,
    hint: `Give it another destination: ${optionName('overlay', 'SOURCE:/path/in/the/initrd')}.`,
    refused: true,
  })
}
