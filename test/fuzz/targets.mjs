import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { System } from '../../modules/system/system.js'
import { imageTargets } from './image-targets.mjs'
import { initrdTargets } from './initrd-targets.mjs'
import { menuTargets } from './menu-targets.mjs'
import { policyTargets } from './policy-targets.mjs'
import { segmentTargets } from './segment-targets.mjs'
import { signatureTargets } from './signature-targets.mjs'
import { textTargets } from './text-targets.mjs'

const fixtures = join(import.meta.dirname, '../fixtures')

/**
 * What is fuzzed. Of each:
 * - `read(bytes, { root, system })` tells what does not hold of what was read, one sentence each; what it throws is a finding
 * - `path`: where the bytes are put below `root` before
 * - `tree`: other files that are there, by path
 * - `seeds`: which files of test/fixtures are such inputs; `more()`: inputs that the fixtures lack
 * - `parser`: a file of src/ without its end, or a directory; words of the format are taken from there
 * - `reaches`: a function of it that the seeds run, and an empty input does not
 */
export const targets = [
  ...menuTargets,
  ...imageTargets,
  ...signatureTargets,
  ...initrdTargets,
  ...segmentTargets,
  ...policyTargets,
  ...textTargets,
]

/** Lays out what is around the target's file. */
export function prepare({ path, tree = {} }, root) {
  if (path !== undefined) mkdirSync(dirname(join(root, path)), { recursive: true })
  for (const [name, bytes] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), bytes)
  }
  return { root, system: new System(root) }
}

/** The inputs a target begins with, each once. */
export function seedsOf({ seeds, more }) {
  const found = filesBelow(fixtures).filter((path) => seeds?.test(path))
  const all = [...found.map((path) => readFileSync(path)), ...(more?.() ?? []).map((input) => Buffer.from(input))]
  return [...new Map(all.map((input) => [input.toString('latin1'), input])).values()]
}

/** Links are not followed: a boot partition's leads back to itself. */
function filesBelow(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}
