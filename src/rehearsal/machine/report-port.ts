import type { GuestReport } from '../model/rehearsal.ts'

/** Bytes of one line, and of one command's output, that are kept: a guest may write for ever. */
const MOST = 4 * 1024 * 1024

/** The same between commands: facts are short, and on the console other programs print. */
const MOST_OF_OTHERS = 64 * 1024

/** What a kernel's first process says, in order. */
export type ReportEvent =
  | { readonly kind: 'up'; readonly report: GuestReport }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end'; readonly status: number; readonly output: string }
  /** The initrd's own init started this program of the root file system. */
  | { readonly kind: 'root'; readonly program: string }
  /** The initrd's own init could not be started: an errno. */
  | { readonly kind: 'no-init'; readonly errno: number }
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
    const partial = lines.pop() as string
    const most = this.#output === undefined ? MOST_OF_OTHERS : MOST
    // The rest of a line that is too long is another line, which begins with no word.
    this.#partial = partial.length <= most ? partial : ' '
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
    } else if (key === 'root') this.#onEvent(word, { kind: 'root', program: value })
    else if (key === 'no-init') this.#onEvent(word, { kind: 'no-init', errno: Number(value) })
    else if (key === 'done') this.#onEvent(word, { kind: 'done' })
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
    lockdown: lockdownOf(facts['lockdown']),
    root: null,
    initrd: size === undefined || crc32 === undefined ? null : { size, crc32 },
  }
}

/** security/lockdown/lockdown.c: all levels, the present one in brackets. */
function lockdownOf(levels: string | undefined): GuestReport['lockdown'] {
  const level = /\[(\w+)\]/.exec(levels ?? '')?.[1]
  return level === 'none' || level === 'integrity' || level === 'confidentiality' ? level : null
}
