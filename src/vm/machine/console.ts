import { StringDecoder } from 'node:string_decoder'

/** The console output of one kernel, or of the firmware before the first. */
export interface ConsoleSection {
  /** The kernel's own release; null for output before any kernel. */
  readonly release: string | null
  readonly text: string
  /** When its first line came, milliseconds on the clock of `performance.now()`. */
  readonly startedAt: number
}

/** The line every kernel begins its log with (init/main.c, printed at level notice). Firmware may stand before it. */
const kernelBegins = /(?:^|\] )Linux version (\S+) \(/

const kernelPanics = /Kernel panic - not syncing: ?(.*)/

/** The beginning of a kernel's report of its own crash, in the words of each architecture. */
const kernelCrashes = /\bOops\b|\bBUG: |kernel BUG at|[Uu]nable to handle|Internal error: |general protection fault/

/**
 * How many of the last lines are searched for a crash's first words: registers and stacks of several processors follow
 * them.
 */
const CRASH_REACH = 200

/**
 * Lines of each end of the log that are kept in one section, and characters of a line, which is cut into several then: a guest
 * that prints for ever must not fill our memory.
 */
const MAX_LINES = 20_000
const MAX_LINE = 4096

interface Section {
  release: string | null
  lines: string[]
  startedAt: number
  panic: string | undefined
  crash: string | undefined
}

/** The console of a machine over its whole life, divided by the kernels that wrote it. */
export class ConsoleLog {
  readonly #decoder = new StringDecoder('utf8')
  readonly #sections: Section[] = []
  readonly #listeners = new Set<(text: string) => void>()
  #partial = ''

  /** Takes output of the serial port. @param at milliseconds on the clock of `performance.now()` */
  push(chunk: Buffer, at: number): void {
    const text = this.#decoder.write(chunk).replaceAll('\r', '')
    if (text === '') return
    for (const listener of this.#listeners) listener(text)
    const lines = (this.#partial + text).split('\n')
    this.#partial = lines.pop() as string
    for (const line of lines) for (const part of partsOf(line)) this.#addLine(part, at)
    if (this.#partial.length > MAX_LINE) {
      const parts = partsOf(this.#partial)
      this.#partial = parts.pop() as string
      for (const part of parts) this.#addLine(part, at)
    }
  }

  /** Calls `listener` with all further output. @returns a function that ends it */
  listen(listener: (text: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  sections(): ConsoleSection[] {
    const last = this.#sections.length - 1
    return this.#sections.map(({ release, lines, startedAt }, index) => ({
      release,
      text: [...lines, ...(index === last ? [this.#partial] : [''])].join('\n'),
      startedAt,
    }))
  }

  /** The last lines, of any kernels. */
  tail(count: number): string[] {
    const lines: string[] = this.#partial === '' ? [] : [this.#partial]
    for (const section of [...this.#sections].reverse()) {
      if (lines.length >= count) break
      lines.unshift(...section.lines.slice(-(count - lines.length)))
    }
    return lines.slice(-count)
  }

  /** The last lines; where the latest kernel crashed in the last 200, all from its first word of that on. */
  ending(count: number): string[] {
    const latest = this.#sections.at(-1)?.lines.slice(-CRASH_REACH) ?? []
    const crash = latest.findIndex((line) => kernelCrashes.test(line))
    // The line that is not yet complete counts, too.
    return this.tail(crash === -1 ? count : Math.max(count, latest.length - crash + (this.#partial === '' ? 0 : 1)))
  }

  /** The latest kernel's panic message, or undefined without one. */
  get panic(): string | undefined {
    return this.#sections.at(-1)?.panic ?? kernelPanics.exec(this.#partial)?.[1]
  }

  /** The first line of the latest kernel's report of its own crash, or undefined without one. */
  get crash(): string | undefined {
    return this.#sections.at(-1)?.crash
  }

  #addLine(line: string, at: number): void {
    const release = kernelBegins.exec(line)?.[1]
    if (release !== undefined || this.#sections.length === 0) {
      this.#sections.push({ release: release ?? null, lines: [], startedAt: at, panic: undefined, crash: undefined })
    }
    const section = this.#sections.at(-1) as Section
    section.panic ??= kernelPanics.exec(line)?.[1]
    if (section.crash === undefined && kernelCrashes.test(line)) section.crash = line
    section.lines.push(line)
    // Not for each line: those behind have to be moved.
    if (section.lines.length > 3 * MAX_LINES) {
      section.lines.splice(MAX_LINES, section.lines.length - 2 * MAX_LINES, '[lines left out]')
    }
  }
}

function partsOf(line: string): string[] {
  if (line.length <= MAX_LINE) return [line]
  return Array.from({ length: Math.ceil(line.length / MAX_LINE) }, (_, index) =>
    line.slice(index * MAX_LINE, (index + 1) * MAX_LINE),
  )
}
