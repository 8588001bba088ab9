import { stderr, terminalColumns, write } from './descriptor.ts'

/** Milliseconds between two updates: nobody sees more, and a serial console is slow. */
const INTERVAL = 100

/** Shorter work shows nothing, in milliseconds. */
const PATIENCE = 300

const WIDTH = 30

/** A progress line on standard error, where that is a terminal; nothing elsewhere. */
export class ProgressBar {
  readonly #columns = terminalColumns(stderr)
  readonly #started = Date.now()
  #drawn = 0

  /** @param done of `total` */
  show(step: string, done: number, total: number): void {
    const now = Date.now()
    if (this.#columns === undefined || now - this.#started < PATIENCE || now - this.#drawn < INTERVAL) return
    this.#drawn = now
    write(stderr, `\r${progressLine(step, done, total, this.#columns)}\x1b[K`)
  }

  /** Removes the line. */
  clear(): void {
    if (this.#drawn === 0) return
    this.#drawn = 0
    write(stderr, '\r\x1b[K')
  }
}

/** As 'unpacking the initrd  [##################............]  60 %', shorter than the terminal is wide. */
export function progressLine(step: string, done: number, total: number, columns: number): string {
  const part = total > 0 ? Math.min(1, done / total) : 1
  const filled = Math.round(part * WIDTH)
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}]`
  const percent = `${Math.floor(part * 100)} %`.padStart(5)
  return [`${step}  ${bar}${percent}`, `${step}${percent}`, percent].find((each) => each.length < columns) ?? ''
}
