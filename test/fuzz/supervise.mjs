/** The process of one target: watches the thread that runs its inputs for hangs, its end and its memory. */
import { Worker } from 'node:worker_threads'

/** A run that gives no sign of life for this long hangs, milliseconds: the machine may do other things. */
const HANG = 60_000

/** Making the seeds starts programs and takes this long at most, milliseconds. */
const START = 600_000

/** More than this no input may take, at any moment, bytes. */
const HIGHEST = 1024 ** 3

/** Between two looks at the memory, milliseconds. */
const LOOK = 50

/** Longest input, bytes. */
const LARGEST = 256 * 1024

const settings = JSON.parse(process.argv[2])
const header = new Int32Array(new SharedArrayBuffer(8))
const bytes = new Uint8Array(new SharedArrayBuffer(LARGEST))
const worker = new Worker(new URL('./worker.mjs', import.meta.url), {
  workerData: { ...settings, current: { header, bytes } },
  resourceLimits: { maxOldGenerationSizeMb: 768 },
})
let highest = 0
let last = { count: -1, since: performance.now() }
const watch = setInterval(() => {
  const memory = process.memoryUsage.rss()
  highest = Math.max(highest, memory)
  if (memory > HIGHEST) stop(`it takes more than ${HIGHEST / 1024 ** 2} MB`)
  const count = Atomics.load(header, 0)
  if (count !== last.count) last = { count, since: performance.now() }
  else if (performance.now() - last.since > (count === 0 ? START : HANG)) stop('it hangs')
}, LOOK)

let done
worker.on('message', (message) => {
  if (message.done === undefined) report(message.finding, message.input)
  else done = message.done
})
worker.on('error', (error) => stop(`the thread failed: ${error.stack ?? error}`))
worker.on('exit', () => {
  clearInterval(watch)
  if (done === undefined) report('it ended early: a promise was never kept', currentInput())
  const megabytes = Math.round(Math.max(highest, process.resourceUsage().maxRSS * 1024) / 1024 ** 2)
  done ??= { runs: Math.max(0, Atomics.load(header, 0)), kept: 0, covered: 0 }
  process.send({ done: { ...done, megabytes } })
  process.disconnect()
})

function stop(finding) {
  if (done !== undefined) return
  done = { runs: Math.max(0, Atomics.load(header, 0)), kept: 0, covered: 0 }
  report(finding, currentInput())
  worker.terminate()
}

function currentInput() {
  return Buffer.from(bytes.slice(0, Atomics.load(header, 1)))
}

function report(finding, input) {
  process.send({ finding, input: Buffer.from(input).toString('base64') })
}
