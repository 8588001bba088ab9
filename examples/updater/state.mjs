import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { UpdateError } from './errors.mjs'

/** Reports that wait for the server; older ones are given up. */
const MOST_REPORTS = 20

/**
 * What the updater remembers, in one file that is replaced in one step: a power cut leaves the state before or after it.
 *
 * - `installed`: the version that was confirmed last
 * - `attempt`: the version on trial and the id of its trial; null when there is none
 * - `failures`: how often each version was taken back
 * - `reports`: what the server does not know yet
 */
const initial = { schemaVersion: 1, installed: 0, attempt: null, failures: {}, reports: [] }

/** Throws for a file that is damaged: which versions failed is not guessed. */
export async function readState(directory) {
  const path = join(directory, 'state.json')
  const text = await readFile(path, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return initial
  try {
    const state = JSON.parse(text)
    if (state.schemaVersion === 1) return state
  } catch {
    // Told below.
  }
  throw new UpdateError(`${path} is damaged, or of another updater. Remove it to begin anew.`)
}

export async function writeState(directory, state) {
  const kept = { ...state, reports: state.reports.slice(-MOST_REPORTS) }
  await writeInOneStep(join(directory, 'state.json'), `${JSON.stringify(kept, null, 2)}\n`)
}

/** Replaces a file: a power cut leaves the old one or the new one. */
export async function writeInOneStep(path, text) {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const unfinished = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(unfinished, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(unfinished, path)
  await syncDirectoryOf(path)
}

/** A new name is on the disk only when its directory is. */
export async function syncDirectoryOf(path) {
  const directory = await open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
