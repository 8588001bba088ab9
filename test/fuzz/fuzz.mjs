/**
 * Coverage-guided fuzzing of everything that reads files and words from outside: `npm run fuzz -- [--seconds N | --each N]
 * [--target NAME] [--seed N] [--jobs N]`. Inputs are made from the fixtures; those that lead to code not run before are kept and
 * changed further. What is read has to be well formed, in little time and memory, and each target's seeds have to reach its parser:
 * `--check` runs nothing but them. `--input FILE` runs one input again. Findings are written to test/fuzz/findings.
 * Ends with 1 when there are any.
 */
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { targets } from './targets.mjs'

/** Longest input that is shown beside its path, bytes. */
const LARGEST_SHOWN = 6000

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    each: { type: 'string' },
    check: { type: 'boolean', default: false },
    input: { type: 'string' },
    target: { type: 'string', multiple: true },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    jobs: { type: 'string', default: String(Math.min(4, availableParallelism())) },
  },
})
const chosen = targets.filter(({ name }) => values.target?.includes(name) ?? true)
if (chosen.length === 0 || values.target?.some((name) => !targets.some((target) => target.name === name))) {
  console.error(`There is no such target. There are: ${targets.map(({ name }) => name).join(', ')}.`)
  process.exit(2)
}
const jobs = Math.max(1, Math.min(Number(values.jobs), chosen.length))
/** Milliseconds of a target of weight 1. */
const each = values.check || values.input ? 0 : 1000 * Number(values.each ?? shareOf(Number(values.seconds ?? 60)))
console.log(
  `Fuzzing ${chosen.length} targets for ${(each / 1000).toFixed(1)} s each, ${jobs} at once, seed ${values.seed}.`,
)

/** What was found, told again at the end: the middle of a long log is soon lost. */
const findings = []
let runs = 0
// The longest first, so that the last to end is a short one.
const waiting = [...chosen].sort((one, other) => weight(other) - weight(one))
await Promise.all(Array.from({ length: jobs }, work))
for (const finding of findings) console.log(finding)
const count = `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}`
console.log(`${runs} inputs, ${count}, seed ${values.seed}.`)
process.exit(findings.length === 0 ? 0 : 1)

/** GRUB's language is larger than all other formats together. */
function weight({ name }) {
  return name === 'grub' ? 8 : 1
}

function shareOf(seconds) {
  return (seconds * jobs) / chosen.reduce((sum, target) => sum + weight(target), 0)
}

async function work() {
  for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) await fuzz(target)
}

/** In a process of its own, whose memory is that of this target alone. */
async function fuzz(target) {
  const settings = {
    name: target.name,
    milliseconds: each * weight(target),
    seed: Number(values.seed),
    input: values.input ?? null,
  }
  const child = fork(join(import.meta.dirname, 'supervise.mjs'), [JSON.stringify(settings)])
  const told = new Set()
  let result
  child.on('message', ({ finding, input, done }) => {
    if (done !== undefined) result = done
    else note(target, finding, Buffer.from(input, 'base64'), told)
  })
  const ending = await new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)))
  if (result === undefined) note(target, `its process ended with ${ending}`, Buffer.alloc(0), told)
  runs += result?.runs ?? 0
  const { runs: inputs = 0, kept = 0, covered = 0, megabytes = 0 } = result ?? {}
  console.log(
    `${target.name.padEnd(16)} ${inputs} inputs, ${kept} kept, ${covered} characters of code ran, ${megabytes} MB at most`,
  )
}

/** One of each kind. */
function note(target, finding, input, told) {
  const kind = finding.replace(/\d+/g, 'N').slice(0, 400)
  if (told.has(kind)) return
  told.add(kind)
  const text = `${target.name}: ${finding}\n  the input is ${keep(target.name, input)}${shown(input)}`
  findings.push(text)
  console.log(text)
}

/** The input itself, where it is small: the file does not outlive a machine that is thrown away. */
function shown(input) {
  return input.length > LARGEST_SHOWN ? '' : `, in base64:\n  ${input.toString('base64')}`
}

/** @returns path of the file the input was written to */
function keep(name, input) {
  const directory = join(import.meta.dirname, 'findings')
  mkdirSync(directory, { recursive: true })
  const path = join(directory, `${name}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`)
  writeFileSync(path, input)
  return path
}
