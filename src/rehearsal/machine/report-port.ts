import type { GuestReport } from '../model/rehearsal.ts'

/** Bytes of one line, and of one command's output, that are kept: a guest may write for ever. */
const MOST = 4 * 1024 * 1024

/** What a kernel's first process says, in order. */
export type ReportEvent =
  | { readonly kind: 'up'; readonly report: GuestReport }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end'; readonly status: number; readonly output: string }
  | { readonly kind: 'done' }

/** Reads the reports of first processes, each of its own word: native/rehearsal/rehearsal.c. */
export class ReportReader {
  readonly #words: ReadonlySet<string>
  readonly #onEvent: (word: string, event: ReportEvent) => void
  #partial = ''
  #facts: Record<string, string> = {}
  /** Lines of a command's own; undefined between commands. */
  #output: string[] | undefined
  #size = 0

  constructor(words: readonly string[], onEvent: (word: string, event: ReportEvent) => void) {
    this.#words = new Set(words)
    this.#onEvent = onEvent
  }

  push(text: string): void {
    const lines = (this.#partial + text.replaceAll('\r', '')).split('\n')
    this.#partial = (lines.pop() as string).slice(-MOST)
    for (const line of lines) this.#take(line)
  }

  #take(line: string): void {
    const [word = '', key = '', ...rest] = line.split(' ')
    if (!this.#words.has(word)) {
      this.#size += line.length
      if (this.#size <= MOST) this.#output?.push(line)
      return
    }
    const value = rest.join(' ')
    if (key === 'up') {
      this.#onEvent(word, { kind: 'up', report: reportOf(value, this.#facts) })
      this.#facts = {}
    } else if (key === 'begin') {
      this.#output = []
      this.#size = 0
      this.#onEvent(word, { kind: 'begin' })
    } else if (key === 'end') {
      const output = (this.#output ?? []).join('\n')
      this.#output = undefined
      this.#onEvent(word, { kind: 'end', status: Number(value), output })
    } else if (key === 'done') this.#onEvent(word, { kind: 'done' })
    else this.#facts[key] = value
  }
}

function reportOf(release: string, facts: Readonly<Record<string, string>>): GuestReport {
  const kilobytes = /(\d+) kB/.exec(facts['memory'] ?? '')?.[1]
  const [size, crc32] = (facts['initrd'] ?? '').split(' ').map(Number)
  return {
    release,
    commandLine: facts['command-line'] ?? '',
    memory: kilobytes === undefined ? null : Number(kilobytes) * 1024,
    initrd: size === undefined || crc32 === undefined ? null : { size, crc32 },
  }
}
