import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { readBootMenu } from '../../dist/entries/index.js'
import { System } from '../../dist/system/system.js'
import { Coverage } from './coverage.mjs'
import { imageTargets } from './image-targets.mjs'
import { mutate, randomFrom, wordsOf } from './mutate.mjs'
import { prepareTree, seedsOf, targets, violations } from './targets.mjs'

/** An input that takes longer, each time it is tried, is a finding, milliseconds: 64 KiB should take a few. */
const SLOW = 2000
const TRIES = 3

/** Inputs between two looks at the coverage: a look costs as much as reading a small file. */
const BATCH = 4

const { name, milliseconds, seed, fixtures, current } = workerData
const target = [...targets, ...imageTargets].find((candidate) => candidate.name === name)
const random = randomFrom(seed)
const coverage = new Coverage('/dist/')
const root = mkdtempSync(join(tmpdir(), 'linux-kexec-fuzz-'))
prepareTree(root, fixtures)
const done = await fuzz()
// Before the message: it makes the main thread end this one.
rmSync(root, { recursive: true })
parentPort.postMessage({ done })

async function fuzz() {
  const corpus = seedsOf(target, fixtures)
  const words = wordsOf(corpus)
  for (const input of [...corpus]) await run(input)
  coverage.take()
  const end = performance.now() + milliseconds
  let runs = corpus.length
  while (performance.now() < end) {
    const batch = Array.from({ length: BATCH }, () => {
      const parent = corpus[Math.floor(Math.max(random(), random()) * corpus.length)]
      return mutate(parent, corpus, words, random)
    })
    for (const input of batch) await run(input)
    runs += batch.length
    if (coverage.take() > 0) corpus.push(...batch)
  }
  return { runs, inputs: corpus.length, covered: coverage.covered }
}

/**
 * Lists the tree with this input in it, or reads the input as the target does. The main thread sees `current`, and tells
 * when a run does not end.
 */
async function run(input) {
  current.bytes.set(input)
  Atomics.store(current.header, 1, input.length)
  Atomics.add(current.header, 0, 1)
  if (target.path !== undefined) writeFileSync(join(root, target.path), input)
  try {
    const wrong = await violated(input)
    if (wrong.length > 0) report(wrong.join('; '), input)
  } catch (error) {
    report(error.stack ?? String(error), input)
  }
}

/** Another program may have had the processor: only what is slow each time is slow. */
async function violated(input) {
  for (let tries = 1; ; tries++) {
    const started = performance.now()
    const wrong = target.read ? await target.read(input) : violations(await readBootMenu({ system: new System(root) }))
    const took = performance.now() - started
    if (took <= SLOW) return wrong
    if (tries === TRIES) return [...wrong, `it took ${Math.round(took)} ms`]
  }
}

function report(finding, input) {
  parentPort.postMessage({ finding, input: Buffer.from(input) })
}
