import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { takeStamp } from './stamp.ts'

/** When the running kernel started its init. */
export interface InitStart {
  /** On CLOCK_MONOTONIC_RAW, milliseconds; null where it is unknown. */
  readonly raw: number | null
  /** Milliseconds by which it may be wrong. */
  readonly uncertainty: number
  /** Why it is unknown, one clause; null when it is known. */
  readonly problem: string | null
}

const KMSG = '/dev/kmsg'

/** The longest record, in bytes (CONSOLE_EXT_LOG_MAX, kernel/printk/printk.c). */
const RECORD = 8192

/** More than a kernel log holds; a machine that logs without pause must not hold us. */
const MOST = 200_000

/** run_init_process() of init/main.c; where a first one cannot be run, the last is the one that was. */
const INIT = /^Run .+ as init process$/

/** Priorities below this are the kernel's own: nobody else can write such lines (devkmsg_write, kernel/printk/printk.c). */
const OF_USERS = 8

/** `<7>`, for debugging: a line for the console would be written to it before the call returns, which takes a while. */
const LINE = '<7>linux-kexec: '

interface Line {
  readonly isKernel: boolean
  /** Milliseconds on the log's own clock. */
  readonly at: number
  readonly text: string
}

/**
 * When the kernel started its init, from the kernel log. The log has a clock of its own, so a line is written to it, at a
 * moment that is known on both clocks. (The start of the kernel's clocks is no moment to go by: until a kernel has found a
 * good clock it counts ticks, and loses some.) Never throws.
 * @param text the line
 */
export function findInitStart(text: string): InitStart {
  let fd: number | undefined
  try {
    fd = openSync(KMSG, constants.O_RDWR | constants.O_NONBLOCK)
    const log = fd
    const init = last(linesOf(log), ({ isKernel, text: line }) => isKernel && INIT.test(line))
    if (init === undefined) return unknown('the kernel log no longer has the line about it')
    const before = takeStamp()
    writeSync(log, `${LINE}${text}\n`)
    const after = takeStamp()
    const own = last(linesOf(log), ({ isKernel, text: line }) => !isKernel && line === `linux-kexec: ${text}`)
    if (own === undefined) return unknown('the kernel log took no line')
    if (before.raw === null || after.raw === null) return unknown('the clock cannot be read')
    const offset = own.at - (before.raw + after.raw) / 2
    return { raw: init.at - offset, uncertainty: (after.raw - before.raw) / 2, problem: null }
  } catch (error) {
    return unknown(`the kernel log cannot be used (${(error as NodeJS.ErrnoException).code ?? String(error)})`)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function unknown(problem: string): InitStart {
  return { raw: null, uncertainty: 0, problem: `when the new kernel started its init is unknown: ${problem}` }
}

function last(lines: Iterable<Line>, isWanted: (line: Line) => boolean): Line | undefined {
  let found: Line | undefined
  for (const line of lines) if (isWanted(line)) found = line
  return found
}

/** The lines from here on, up to the newest: "priority,sequence,microseconds,flags;text" (Documentation/ABI/testing/dev-kmsg). */
function* linesOf(fd: number): Generator<Line> {
  const buffer = Buffer.alloc(RECORD)
  for (let count = 0; count < MOST; count++) {
    const record = nextRecord(fd, buffer)
    if (record === undefined) return
    const match = /^(\d+),\d+,(\d+),[^;]*;(.*)/.exec(record)
    if (match !== null)
      yield { isKernel: Number(match[1]) < OF_USERS, at: Number(match[2]) / 1000, text: match[3] ?? '' }
  }
}

function nextRecord(fd: number, buffer: Buffer): string | undefined {
  for (;;) {
    try {
      return buffer.toString('utf8', 0, readSync(fd, buffer))
    } catch (error) {
      // EPIPE: records were overwritten before they were read; the next read continues after the gap.
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return undefined
    }
  }
}
