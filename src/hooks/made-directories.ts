import { rmdirSync } from 'node:fs'
import { posix } from 'node:path'
import { makeDirectory, removeFile, replaceFile } from '../system/replace-file.ts'
import type { System } from '../system/system.ts'

/** Directories that we made for our files, one on each line. Others are never removed. */
const RECORD = '/etc/linux-kexec/folders'

const HEADER = '# Directories that linux-kexec has made; it removes them when they are empty.\n'

/** Makes the directories that paths need, and notes which were missing. @throws Node's error */
export function makeDirectories(system: System, paths: readonly string[]): void {
  const missing = new Set(paths.flatMap((path) => missingDirectories(system, path)))
  if (missing.size === 0) return
  for (const directory of missingDirectories(system, RECORD)) missing.add(directory)
  write(system, [...new Set([...recorded(system), ...missing])])
  for (const path of paths) makeDirectory(posix.dirname(system.pathForWriting(path)))
}

/**
 * Removes the directories that we made and that are empty now. @throws Node's error where the record cannot be written
 */
export function removeDirectories(system: System): void {
  const directories = recorded(system)
  if (directories.length === 0) return
  const own = posix.dirname(RECORD)
  const kept = byDepth(directories.filter((directory) => directory !== own)).filter(
    (directory) => !removeEmpty(system, directory),
  )
  const wasMade = directories.includes(own)
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
function byDepth(directories: readonly string[]): string[] {
  return [...directories].sort((one, other) => other.length - one.length)
}

function missingDirectories(system: System, path: string): string[] {
  const missing: string[] = []
  for (let directory = posix.dirname(path); directory !== '/' && system.stat(directory) === undefined; ) {
    missing.push(directory)
    directory = posix.dirname(directory)
  }
  return missing
}

function recorded(system: System): string[] {
  const lines = (system.readText(RECORD) ?? '').split('\n')
  return lines.filter((line) => line.startsWith('/') && posix.normalize(line) === line && line !== '/')
}

function write(system: System, directories: readonly string[]): void {
  const text = `${HEADER}${directories.join('\n')}\n`
  replaceFile(system.pathForWriting(RECORD), Buffer.from(text), { mode: 0o644 })
}

/** @returns whether it is gone */
function removeEmpty(system: System, directory: string): boolean {
  try {
    rmdirSync(system.pathForWriting(directory))
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}
