// A random and reproducible sample of the mutants that StrykerJS makes.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Instrumenter } from '@stryker-mutator/instrumenter'

/** Every mutant in a directory, as StrykerJS makes them. */
export async function allMutants(directory) {
  const files = sourceFiles(directory).map((name) => ({
    name,
    content: readFileSync(name, 'utf8'),
    mutate: true,
  }))
  const quiet = { debug() {}, info() {}, warn() {}, isDebugEnabled: () => false }
  const options = { plugins: null, excludedMutations: [], ignorers: [] }
  return (await new Instrumenter(quiet).instrument(files, options)).mutants
}

// What lays out segments has judges of its own: kexec-tools, and kernels that boot.
function sourceFiles(directory) {
  return readdirSync(directory, { recursive: true })
    .map((name) => join(directory, name))
    .filter((name) => name.endsWith('.ts') && !name.startsWith('src/engine/layout/'))
    .sort()
}

/** The same for a mutant wherever it was made: its place and what it puts there. Results count lines and columns from 1. */
export function idOf({ fileName, location: { start, end }, mutatorName, replacement }, first = 0) {
  const name = fileName.startsWith('/') ? relative(process.cwd(), fileName) : fileName
  const from = `${start.line - first}:${start.column - first}`
  return `${name}:${from}-${end.line - first}:${end.column - first} ${mutatorName} ${replacement}`
}

/** Those with the lowest hashes: adding a file does not draw all others anew. */
export function sampleOf(mutants, size, seed) {
  const rank = (mutant) =>
    createHash('sha256')
      .update(`${seed} ${idOf(mutant)}`)
      .digest('hex')
  const ranked = mutants.map((mutant) => [rank(mutant), mutant]).sort(([a], [b]) => (a < b ? -1 : 1))
  return ranked.slice(0, size).map(([, mutant]) => mutant)
}
