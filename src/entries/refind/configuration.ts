/** A `menuentry` or `submenuentry` of refind.conf. Null: not given. */
export interface Stanza {
  readonly title: string
  readonly line: string
  volume: string | null
  loader: string | null
  initrd: string | null
  options: string | null
  addedOptions: string | null
  isDisabled: boolean
  readonly submenus: Stanza[]
}

/** What refind.conf says that tells what is booted. */
export interface RefindConfiguration {
  readonly stanzas: readonly Stanza[]
  /** Of `default_selection`; null: not given. */
  readonly selection: string | null
  /** Whether kernels are looked for, and whether stanzas are shown: `scanfor`. */
  readonly scans: boolean
  readonly showsStanzas: boolean
  readonly problems: readonly string[]
}

const MAX_STANZAS = 20_000
const MAX_WORDS = 10_000

/**
 * Reads refind.conf (rEFInd's docs/refind/configfile.html).
 * @param open the file that `include` names; rEFInd follows it from the main file only.
 */
export function readRefind(
  path: string,
  text: string,
  open: (name: string) => string | undefined,
): RefindConfiguration {
  const reader = new Reader(open)
  reader.read(path, text, true)
  return reader
}

class Reader implements RefindConfiguration {
  readonly stanzas: Stanza[] = []
  readonly problems: string[] = []
  selection: string | null = null
  scans = true
  showsStanzas = true
  private readonly open: (name: string) => string | undefined
  private stanza: Stanza | null = null
  private submenu: Stanza | null = null
  private count = 0

  constructor(open: (name: string) => string | undefined) {
    this.open = open
  }

  read(path: string, text: string, mayInclude: boolean): void {
    let line = 0
    for (const raw of text.split('\n')) {
      const words = wordsOf(raw)
      const place = `${path}:${++line}`
      if (words[0] === undefined) continue
      if (this.stanza !== null) this.stanzaLine(words, place)
      else if (words[0].toLowerCase() === 'include' && mayInclude) this.include(words[1] ?? '', place)
      else this.globalLine(words, place)
    }
    this.stanza = null
    this.submenu = null
  }

  private include(name: string, place: string): void {
    const text = this.open(name)
    if (text === undefined) this.problems.push(`${place}: the included file ${name} is not there, or cannot be read.`)
    else this.read(name, text, false)
  }

  private globalLine([keyword = '', ...values]: string[], place: string): void {
    switch (keyword.toLowerCase()) {
      case 'menuentry':
        this.stanza = this.begin(values, place, this.stanzas)
        break
      case 'default_selection':
        this.selection = values[0] ?? null
        break
      case 'scanfor': {
        const names = values.flatMap((value) => value.split(',')).map((name) => name.toLowerCase())
        this.scans = names.some((name) => /^(?:internal|external|optical|netboot)$/.test(name))
        this.showsStanzas = names.includes('manual')
      }
    }
  }

  private begin(values: readonly string[], line: string, list: Stanza[]): Stanza {
    const title = values.filter((value) => value !== '{').join(' ')
    const stanza: Stanza = {
      title,
      line,
      volume: null,
      loader: null,
      initrd: null,
      options: null,
      addedOptions: null,
      isDisabled: false,
      submenus: [],
    }
    if (++this.count <= MAX_STANZAS) list.push(stanza)
    return stanza
  }

  private stanzaLine([keyword = '', ...values]: string[], place: string): void {
    const stanza = this.submenu ?? this.stanza
    if (stanza === null) return
    const value = values[0] ?? ''
    switch (keyword.toLowerCase()) {
      case '}':
        if (this.submenu === null) this.stanza = null
        else this.submenu = null
        break
      case 'submenuentry':
        this.submenu = this.begin(values, place, stanza.submenus)
        break
      case 'volume':
        stanza.volume = value
        break
      case 'loader':
        stanza.loader = value
        break
      case 'initrd':
        stanza.initrd = value
        break
      case 'options':
        stanza.options = value
        break
      case 'add_options':
        stanza.addedOptions = value
        break
      case 'disabled':
        stanza.isDisabled = true
    }
  }
}

/**
 * Words of a line: blanks, commas and equals signs between them, double quotes around those that have such, `""` for a
 * quote; `#` begins a comment.
 */
export function wordsOf(line: string): string[] {
  const words: string[] = []
  const plain = /[^\s",=]+/y
  let at = 0
  while (at < line.length && line[at] !== '#' && words.length < MAX_WORDS) {
    plain.lastIndex = at
    const word = plain.exec(line)?.[0]
    if (word !== undefined) {
      words.push(word)
      at += word.length
    } else if (line[at] === '"') {
      const { text, end } = quoted(line, at + 1)
      words.push(text)
      at = end
    } else at++
  }
  return words
}

function quoted(line: string, start: number): { text: string; end: number } {
  const parts: string[] = []
  for (let from = start; ; ) {
    const end = line.indexOf('"', from)
    if (end < 0) return { text: parts.join('') + line.slice(from), end: line.length }
    if (line[end + 1] !== '"') return { text: parts.join('') + line.slice(from, end), end: end + 1 }
    parts.push(line.slice(from, end + 1))
    from = end + 2
  }
}
