import { closeSync, fsyncSync, openSync, readdirSync, renameSync } from 'node:fs'
import type { StateDirectory } from '../../state/state-directory.ts'
import type { System } from '../../system/system.ts'
import { trialDirectory } from '../record/place.ts'
import { type KexecRecord, parseKexecs, printKexecs } from './record.ts'

const FILE = 'kexecs.json'

/** What a power cut leaves of an unfinished write: `putInPlace` of src/system/replace-file.ts. */
const UNFINISHED = /^\.kexecs\.json\.[\da-f]{12}$/

/** The kexecs, the oldest first, and why they cannot be read; then the list is empty. */
export interface FoundKexecs {
  readonly kexecs: readonly KexecRecord[]
  readonly problem: string | null
}

/**
 * The record of a machine's kexecs: one file beside the records of trials, replaced in one step. A power cut leaves the
 * state before a step or after it.
 */
export class KexecRecords {
  readonly #directory: StateDirectory | string

  constructor(system: System) {
    this.#directory = trialDirectory(system)
  }

  /** The path of the file, for messages. */
  get path(): string {
    return typeof this.#directory === 'string' ? FILE : this.#directory.pathOf(FILE)
  }

  /** Never throws. */
  read(): FoundKexecs {
    if (typeof this.#directory === 'string') return { kexecs: [], problem: this.#directory }
    const found = this.#directory.read(FILE)
    if ('absent' in found) return { kexecs: [], problem: null }
    if ('problem' in found) return { kexecs: [], problem: found.problem }
    const kexecs = parseKexecs(found.text)
    return typeof kexecs === 'string'
      ? { kexecs: [], problem: `${this.path} cannot be trusted: ${kexecs}` }
      : { kexecs, problem: null }
  }

  /** Writes all of them. A file that cannot be trusted is kept beside it, as NAME.damaged. @throws Error with the reason */
  write(kexecs: readonly KexecRecord[]): void {
    if (typeof this.#directory === 'string') throw new Error(this.#directory)
    const isDamaged = this.read().problem !== null
    this.#directory.make()
    removeUnfinished(this.#directory)
    if (isDamaged) putAside(this.#directory)
    this.#directory.write(FILE, printKexecs(kexecs))
  }
}

function putAside(directory: StateDirectory): void {
  renameSync(directory.pathOf(FILE), directory.pathOf(`${FILE}.damaged`))
  const fd = openSync(directory.path, 'r')
  fsyncSync(fd)
  closeSync(fd)
}

function removeUnfinished(directory: StateDirectory): void {
  for (const name of readdirSync(directory.path)) if (UNFINISHED.test(name)) directory.remove(name)
}
