import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { Coverage } from './coverage.mjs'
import { dictionaryOf } from './dictionary.mjs'
import { MemoryWatch } from './memory.mjs'
import { mutate, randomFrom, wordsOf } from './mutate.mjs'
import { prepare, seedsOf, targets } from './targets.mjs'

/** Processor time beyond which an input, each time it is tried, is a finding, milliseconds: 64 KiB should take a few. */
const SLOW = 2000
const TRIES = 3

/**
 * Inputs between two looks at the coverage. A look costs as much as listing a tree, and more than most else; the number depends on
 * nothing that changes, so that a seed leads the same way again.
 */
const BATCH = { tree: 4, bytes: 16 }

const { name, milliseconds, seed, input: given, current } = workerData
const target = targets.find((candidate) => candidate.name === name)
const random = randomFrom(seed)
const root = mkdtempSync(join(tmpdir(), 'linux-kexec-fuzz-'))
const place = prepare(target, root)
const seeds = given === null ? seedsOf(target) : [readFileSync(given)]
const coverage = new Coverage('/modules/')
const memory = new MemoryWatch()
const done = given === null ? await fuzz() : await runAll(seeds)
rmSync(root, { recursive: true, force: true })
parentPort.postMessage({ done })

async function runAll(inputs) {
  for (const input of inputs) await run(input)
  return { runs: inputs.length, kept: 0, covered: 0 }
}

async function fuzz() {
  const corpus = [...seeds]
  await requireParser(corpus)
  const words = [...wordsOf(corpus), ...dictionaryOf(target)]
  const end = performance.now() + milliseconds
  let runs = corpus.length + 1
  while (performance.now() < end) {
    const batch = Array.from({ length: target.tree ? BATCH.tree : BATCH.bytes }, () => {
      const parent = corpus[Math.floor(Math.max(random(), random()) * corpus.length)]
      return mutate(parent, corpus, words, random)
    })
    for (const input of batch) await run(input)
    runs += batch.length
    if (coverage.take() > 0) corpus.push(...batch)
  }
  return { runs, kept: corpus.length, covered: coverage.covered }
}

/** The seeds run what the target is for, which an empty file does not: a target that reads nothing finds nothing. */
async function requireParser(corpus) {
  const { parser, reaches } = target
  if (corpus.length === 0) report('it has no seeds', Buffer.alloc(0))
  await run(Buffer.alloc(0))
  coverage.take()
  if (coverage.ran(parser, reaches)) report(`${reaches} of ${parser} runs for an empty input as well`, Buffer.alloc(0))
  for (const input of corpus) await run(input)
  coverage.take()
  if (!coverage.ran(parser, reaches))
    report(`its seeds do not reach ${reaches} of ${parser}`, corpus[0] ?? Buffer.alloc(0))
}

/** Reads the input as the target does. The main thread sees `current`, and tells when a run does not end. */
async function run(input) {
  current.bytes.set(input)
  Atomics.store(current.header, 1, input.length)
  Atomics.add(current.header, 0, 1)
  try {
    const wrong = await violated(input)
    if (memory.isHigh()) wrong.push(...(await memory.explain(() => read(input))))
    if (wrong.length > 0) report(wrong.join('; '), input)
  } catch (error) {
    report(error.stack ?? String(error), input)
  }
}

async function read(input) {
  if (target.path !== undefined) writeFileSync(join(root, target.path), input)
  return [...(await target.read(Buffer.from(input), place))]
}

/** The first time code has to be compiled: only what is slow each time is slow. */
async function violated(input) {
  for (let tries = 1; ; tries++) {
    const started = process.cpuUsage()
    const wrong = await read(input)
    const { user, system } = process.cpuUsage(started)
    const took = (user + system) / 1000
    if (took <= SLOW) return wrong
    if (tries === TRIES) return [...wrong, `it took ${Math.round(took)} ms of the processor`]
  }
}

function report(finding, input) {
  parentPort.postMessage({ finding, input: Buffer.from(input) })
}
