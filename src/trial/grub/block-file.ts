import { closeSync, constants, fsyncSync, openSync, writeSync } from 'node:fs'
import { KexecError } from '../../errors.ts'
import type { System } from '../../system/system.ts'
import type { FallbackChange } from '../model/fallback.ts'
import { setVariable, variableIn } from './environment-block.ts'

/** Larger than any environment block, bytes. */
const MAX_BLOCK = 64 * 1024

/** An environment block of GRUB. @throws Node's error */
export function readBlock(system: System, path: string): Buffer {
  return system.readHead(path, MAX_BLOCK)
}

/** Whether a change still stands: the variable has the value that it was given, and had another before. */
export function isFallbackSet(system: System, { path, variable, value, before }: FallbackChange): boolean {
  try {
    return value !== before && variableIn(readBlock(system, path), variable) === value
  } catch {
    return false
  }
}

/**
 * Takes a change back, unless another program, or GRUB itself, has changed the variable since.
 * @returns whether there was something to take back @throws KexecError 'io'
 */
export function undoFallback(system: System, change: FallbackChange): boolean {
  if (!isFallbackSet(system, change)) return false
  writeVariable(system, change.path, change.variable, change.before)
  return true
}

/**
 * Sets or takes back a variable of an environment block. The file is overwritten in place, as GRUB itself does it: GRUB does
 * not replay the journal of a file system, and would find a replaced file only after the next clean unmount. A file system
 * that writes to another place anyway (btrfs) shows GRUB the change after the unmount of the reboot.
 * @throws KexecError 'io'; the block is then as it was, as far as it can be written
 */
export function writeVariable(system: System, path: string, name: string, value: string | null): void {
  const host = system.pathForWriting(path)
  const block = readBlock(system, path)
  const content = setVariable(block, name, value)
  if (typeof content === 'string') throw notWritten(path, content)
  try {
    overwrite(host, content)
  } catch (error) {
    try {
      overwrite(host, block)
    } catch {
      // The error that follows is the one to report.
    }
    throw notWritten(path, error instanceof Error ? error.message : String(error), error)
  }
}

function overwrite(path: string, content: Buffer): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    for (let written = 0; written < content.length; )
      written += writeSync(fd, content, written, content.length - written, written)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function notWritten(path: string, why: string, cause?: unknown): KexecError {
  return new KexecError(`GRUB's environment block cannot be changed: ${why}`, {
    reason: 'io',
    path,
    hint: `grub-editenv ${path} list`,
    cause,
  })
}
