import { rmdirSync } from 'node:fs'
import { posix } from 'node:path'
import { makeFolder, removeFile, replaceFile } from '../system/replace-file.ts'
import type { System } from '../system/system.ts'

/** Directories that we made for our files, to tell them from older ones; a line each. */
const RECORD = '/etc/linux-kexec/folders'

const HEADER = '# Directories that linux-kexec has made; it removes them when they are empty.\n'

/** Makes the directories that paths need, and notes which were missing. @throws Node's error */
export function makeFolders(system: System, paths: readonly string[]): void {
  const missing = new Set(paths.flatMap((path) => missingFolders(system, path)))
  if (missing.size === 0) return
  for (const folder of missingFolders(system, RECORD)) missing.add(folder)
  write(system, [...new Set([...recorded(system), ...missing])])
  for (const path of paths) makeFolder(posix.dirname(system.pathForWriting(path)))
}

/**
 * Removes the directories that we made and that are empty now. @throws Node's error where the record cannot be written
 */
export function removeFolders(system: System): void {
  const folders = recorded(system)
  if (folders.length === 0) return
  const own = posix.dirname(RECORD)
  const kept = byDepth(folders.filter((folder) => folder !== own)).filter((folder) => !removeEmpty(system, folder))
  const wasMade = folders.includes(own)
  if (kept.length > 0) {
    write(system, wasMade ? [...kept, own] : kept)
    return
  }
  const others = system.list(own).filter((name) => name !== posix.basename(RECORD))
  // The record goes last, with its directory.
  if (wasMade && others.length > 0) {
    write(system, [own])
    return
  }
  removeFile(system.pathForWriting(RECORD))
  if (wasMade) removeEmpty(system, own)
}

/** The deepest first. */
function byDepth(folders: readonly string[]): string[] {
  return [...folders].sort((one, other) => other.length - one.length)
}

function missingFolders(system: System, path: string): string[] {
  const missing: string[] = []
  for (let folder = posix.dirname(path); folder !== '/' && system.stat(folder) === undefined; ) {
    missing.push(folder)
    folder = posix.dirname(folder)
  }
  return missing
}

function recorded(system: System): string[] {
  const lines = (system.readText(RECORD) ?? '').split('\n')
  return lines.filter((line) => line.startsWith('/') && posix.normalize(line) === line && line !== '/')
}

function write(system: System, folders: readonly string[]): void {
  const text = `${HEADER}${folders.join('\n')}\n`
  replaceFile(system.pathForWriting(RECORD), Buffer.from(text), { mode: 0o644 })
}

/** @returns whether it is gone */
function removeEmpty(system: System, folder: string): boolean {
  try {
    rmdirSync(system.pathForWriting(folder))
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}
