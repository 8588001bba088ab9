import { type ChildProcess, spawn } from 'node:child_process'

/** Bytes kept of a check's output, from its end. */
const OUTPUT = 16 * 1024

/** How long a killed program may take to be gone, milliseconds. One that waits for hardware is never gone. */
const GRACE = 1000

/** How long the output of a program that has ended may take to arrive, milliseconds. */
const DRAIN = 200

/** What a program ended with. */
export interface CheckResult {
  readonly name: string
  readonly passed: boolean
  /** Its exit status; null when it did not end by itself. */
  readonly exitStatus: number | null
  /** The signal that ended it; null without one. */
  readonly signal: string | null
  /** Whether its time was over. */
  readonly timedOut: boolean
  readonly milliseconds: number
  /** The end of what it wrote, standard output and standard error together. */
  readonly output: string
  /** Why it could not be started; null when it could. */
  readonly problem: string | null
}

/** Lines of a failed program's output that come with the error. */
const LINES = 10

export function lastLinesOf({ output }: CheckResult): string[] {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  return lines.slice(-LINES)
}

/** How a program failed, to complete a sentence about it. */
export function wayOf({ problem, timedOut, signal, exitStatus, milliseconds }: CheckResult): string {
  if (problem !== null) return `could not be started (${problem})`
  if (timedOut) return `took longer than ${Math.round(milliseconds / 100) / 10} s`
  return signal === null ? `failed with status ${exitStatus}` : `was ended by ${signal}`
}

/** Where a service has no PATH. */
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Our own environment, and more. */
export function environmentFor(more: Readonly<Record<string, string>>): Record<string, string> {
  const given = Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return { PATH: SEARCH_PATH, ...Object.fromEntries(given), ...more }
}

export interface CheckCall {
  readonly name: string
  readonly path: string
  /** Milliseconds; then it is killed, with all programs of its group. */
  readonly limit: number
  readonly environment: Readonly<Record<string, string>>
}

/**
 * Runs a program without a shell, without arguments and input, in / and in a process group of its own. It has passed when
 * it ends with status 0. Programs that it leaves in the background are neither waited for nor ended. Never throws.
 */
export async function runCheck({ name, path, limit, environment }: CheckCall): Promise<CheckResult> {
  const begin = performance.now()
  const output = new Tail()
  const ended = { name, exitStatus: null, signal: null, timedOut: false, problem: null, passed: false }
  const milliseconds = () => Math.round(performance.now() - begin)
  let child: ChildProcess
  try {
    child = spawn(path, [], { cwd: '/', detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: environment })
  } catch (error) {
    return { ...ended, milliseconds: milliseconds(), output: '', problem: messageOf(error) }
  }
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.add(chunk))
  const end = await endOf(child, limit)
  for (const stream of [child.stdout, child.stderr]) stream?.destroy()
  child.unref()
  const passed = end.exitStatus === 0 && !end.timedOut
  return { ...ended, ...end, passed, milliseconds: milliseconds(), output: output.text() }
}

type End = Pick<CheckResult, 'exitStatus' | 'signal' | 'timedOut' | 'problem'>

function endOf(child: ChildProcess, limit: number): Promise<End> {
  return new Promise((resolve) => {
    let timedOut = false
    let grace: NodeJS.Timeout | undefined
    let drain: NodeJS.Timeout | undefined
    const timer = setTimeout(() => {
      timedOut = true
      killGroup(child)
      grace = setTimeout(() => finish({ exitStatus: null, signal: null, problem: null }), GRACE)
    }, limit)
    const finish = (end: Omit<End, 'timedOut'>) => {
      clearTimeout(timer)
      clearTimeout(grace)
      clearTimeout(drain)
      resolve({ ...end, timedOut })
    }
    child.once('error', (error) => finish({ exitStatus: null, signal: null, problem: messageOf(error) }))
    child.once('exit', (exitStatus, signal) => {
      // What it wrote last may still be in the pipe, which a program in the background may keep open.
      const end = () => finish({ exitStatus, signal, problem: null })
      child.once('close', end)
      drain = setTimeout(end, DRAIN)
    })
  })
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

function messageOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}

/** The last bytes of a stream. */
class Tail {
  #chunks: Buffer[] = []
  #length = 0

  add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length > 4 * OUTPUT) this.#shorten()
  }

  text(): string {
    this.#shorten()
    return this.#chunks.join('')
  }

  #shorten(): void {
    const kept = Buffer.concat(this.#chunks).subarray(-OUTPUT)
    this.#chunks = [kept]
    this.#length = kept.length
  }
}
