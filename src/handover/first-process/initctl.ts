import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'

/** sysvinit's FIFO; the second until 2.88, and by a link after that. */
const FIFOS = ['/run/initctl', '/dev/initctl']

/** struct init_request of sysvinit's initreq.h: four ints (magic, command, runlevel, seconds between TERM and KILL), 368 bytes. */
const SIZE = 384
const MAGIC = 0x03091969
const RUNLEVEL = 1
/** init(8)'s own default. */
const SECONDS = 5

/** The request to enter a runlevel, as init reads it from its FIFO; integers in the machine's byte order. */
export function runlevelRequest(runlevel: string): Buffer {
  const request = Buffer.alloc(SIZE)
  const words = [MAGIC, RUNLEVEL, runlevel.charCodeAt(0), SECONDS]
  Buffer.from(Int32Array.from(words).buffer).copy(request)
  return request
}

/** Asks sysvinit to enter a runlevel, as telinit(8) does. @throws Error when nobody listens */
export function enterRunlevel(runlevel: string): void {
  const refusals: string[] = []
  for (const path of FIFOS) {
    const refusal = write(path, runlevelRequest(runlevel))
    if (refusal === undefined) return
    refusals.push(refusal)
  }
  throw new Error(refusals.join(', '))
}

/** Writes to a FIFO with a reader. Opened so that it never waits for one. @returns the obstacle */
export function write(path: string, bytes: Buffer): string | undefined {
  try {
    const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    try {
      if (!fstatSync(fd).isFIFO()) return `${path} is not a FIFO`
      writeSync(fd, bytes)
      return undefined
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENXIO' ? `nobody listens on ${path}` : `${path}: ${code}`
  }
}
