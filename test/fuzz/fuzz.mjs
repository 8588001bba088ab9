/**
 * Coverage-guided fuzzing of everything that reads boot loader files and kernel images: `npm run fuzz -- [--seconds N]
 * [--target NAME] [--seed N]`. Inputs are made from the fixtures; those that lead to code not run before are kept and changed further.
 * Each is listed as part of a tree, and the list has to be well formed, or read as an image. What fails is written to test/fuzz/findings.
 * Ends with 1 when anything was found.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { imageTargets } from './image-targets.mjs'
import { targets as treeTargets } from './targets.mjs'

/** A run that gives no sign of life for this long hangs, milliseconds. */
const HANG = 20_000

const LARGEST = 256 * 1024
const LARGEST_SHOWN = 6000

const targets = [...treeTargets, ...imageTargets]
const fixtures = join(import.meta.dirname, '../fixtures')
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string', multiple: true },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const chosen = targets.filter(({ name }) => values.target?.includes(name) ?? true)
if (chosen.length === 0) {
  console.error(`There is no such target. There are: ${targets.map(({ name }) => name).join(', ')}.`)
  process.exit(2)
}
console.log(`Fuzzing ${chosen.length} targets for ${values.seconds} s, seed ${values.seed}.`)
/** What was found, told again at the end: the middle of a long log is soon lost. */
const findings = []
let runs = 0
const share = weights(chosen)
for (const target of chosen) runs += await fuzz(target, Number(values.seconds) * 1000 * share(target))
for (const finding of findings) console.log(finding)
console.log(
  `${runs} inputs, ${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}, seed ${values.seed}.`,
)
process.exit(findings.length === 0 ? 0 : 1)

/** GRUB's language is larger than all other formats together. */
function weights(all) {
  const weight = ({ name }) => (name === 'grub' ? 8 : 1)
  const sum = all.reduce((total, target) => total + weight(target), 0)
  return (target) => weight(target) / sum
}

async function fuzz(target, milliseconds) {
  const header = new Int32Array(new SharedArrayBuffer(8))
  const bytes = new Uint8Array(new SharedArrayBuffer(LARGEST))
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), {
    workerData: { name: target.name, milliseconds, seed: Number(values.seed), fixtures, current: { header, bytes } },
  })
  const told = new Set()
  const note = (finding, input) => {
    const kind = finding.replace(/\d+/g, 'N').slice(0, 400)
    if (told.has(kind)) return
    told.add(kind)
    const text = `${target.name}: ${finding}\n  the input is ${keep(target.name, input)}${shown(input)}`
    findings.push(text)
    console.log(text)
  }
  let last = -1
  const watch = setInterval(() => {
    const count = Atomics.load(header, 0)
    if (count === last) {
      note('it hangs', Buffer.from(bytes.slice(0, Atomics.load(header, 1))))
      worker.terminate()
    }
    last = count
  }, HANG)
  const result = await new Promise((resolve, reject) => {
    worker.on('message', ({ done, finding, input }) => (done ? resolve(done) : note(finding, Buffer.from(input))))
    worker.on('error', reject)
    worker.on('exit', () => resolve({ runs: Math.max(last, 0), inputs: 0, covered: 0 }))
  })
  clearInterval(watch)
  await worker.terminate()
  const { runs: count, inputs, covered } = result
  console.log(`${target.name.padEnd(14)} ${count} inputs, ${inputs} kept, ${covered} characters of code ran`)
  return count
}

/** The input itself, where it is small: the file does not outlive a machine that is thrown away. */
function shown(input) {
  return input.length > LARGEST_SHOWN ? '' : `, in base64:\n  ${input.toString('base64')}`
}

/** @returns path of the file the input was written to */
function keep(name, input) {
  const folder = join(import.meta.dirname, 'findings')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${name}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`)
  writeFileSync(path, input)
  return path
}
