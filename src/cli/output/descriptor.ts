import { fstatSync, writeSync } from 'node:fs'
import { exit } from '../arguments/command.ts'

/** Standard output and standard error, written to directly: setting up Node's streams takes a tenth of the start-up. */
export type Descriptor = typeof stdout | typeof stderr
export const stdout = 1
export const stderr = 2

/** Milliseconds to wait for a reader whose pipe is full and does not block us. */
const PAUSE = 5

const SERIAL_COLUMNS = 80

/**
 * Major number of /dev/null and similar devices: Documentation/admin-guide/devices.txt. They are character devices, but
 * not terminals.
 */
const MEMORY_DEVICES = 1

/**
 * Writes all of a text. A reader that closed the pipe (`| head`) has seen enough: the program ends successfully. Output
 * lost to a full disk is a failure. When standard error can no longer be read, the work continues.
 */
export function write(descriptor: Descriptor, text: string): void {
  const bytes = Buffer.from(text)
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(descriptor, bytes, written)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE)
        continue
      }
      if (descriptor === stderr) return
      if (code !== 'EPIPE') write(stderr, `error: the output could not be written: ${message}\n`)
      process.exit(code === 'EPIPE' ? exit.done : exit.failed)
    }
  }
}

/**
 * Columns of the terminal that a descriptor leads to; undefined when it leads to none. A serial console does not know
 * its own.
 */
export function terminalColumns(descriptor: Descriptor): number | undefined {
  if (!mayBeTerminal(descriptor)) return undefined
  const stream = descriptor === stdout ? process.stdout : process.stderr
  return stream.isTTY ? stream.columns || SERIAL_COLUMNS : undefined
}

function mayBeTerminal(descriptor: Descriptor): boolean {
  try {
    const { rdev, mode } = fstatSync(descriptor)
    const S_IFCHR = 0o020000
    return (mode & 0o170000) === S_IFCHR && rdev >> 8 !== MEMORY_DEVICES
  } catch {
    return false
  }
}
