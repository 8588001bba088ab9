import { addSentence } from '../model/budget.ts'

/** A line of the menu: an entry, or a directory of entries when others stand below it. */
export interface LimineEntry {
  readonly title: string
  readonly line: number
  /** From 1. */
  readonly depth: number
  /** A directory that is open when the menu appears. */
  readonly isExpanded: boolean
  /** Titles of the directories around it. */
  readonly directories: readonly string[]
  /** Keys in lower case, each with all its values; where one is needed, Limine takes the first. */
  readonly values: ReadonlyMap<string, readonly string[]>
  hasChildren: boolean
}

export interface LimineConfiguration {
  readonly settings: ReadonlyMap<string, readonly string[]>
  readonly entries: readonly LimineEntry[]
  /** Faults that make Limine stop with an error, one sentence each, without the file's name. */
  readonly problems: readonly string[]
}

const MAX_ENTRIES = 50_000
/** Nesting beyond which Limine stops (MAX_MENU_NESTING). */
const MAX_DEPTH = 64
/** Sizes of a macro's name and text in Limine, characters without the NUL; it stops at longer ones. */
const MAX_MACRO_NAME = 1023
const MAX_MACRO_TEXT = 2047
/**
 * Limine's buffer for the file after macros are expanded, as a multiple of the file's size. It stops when that is too
 * small.
 */
const GROWTH = 4

/** Limine's own macros: `${ARCH}`, `${FW_TYPE}`, `${LOADER_ARCH}`. They depend on the machine. */
const builtIn = /^(?:ARCH|FW_TYPE|LOADER_ARCH)$/

/**
 * Reads limine.conf (`/Title`, `key: value`), or limine.cfg of the versions before 8 (`:Title`, `KEY=VALUE`); see
 * Limine's CONFIG.md and common/lib/config.c. A macro, `${NAME}=text`, applies to the whole file.
 */
export function parseLimine(text: string, isOld: boolean): LimineConfiguration {
  const [mark, separator] = isOld ? [':', '='] : ['/', ':']
  const problems: string[] = []
  const lines = linesOf(text, isOld)
  const macros = macrosOf(lines, problems)
  const expander = new Expander(macros, text.length * GROWTH)
  const settings = new Map<string, string[]>()
  const entries: (LimineEntry & { readonly values: Map<string, string[]> })[] = []
  const around: string[] = []
  for (const { content: raw, number } of lines) {
    if (raw === '' || definition.test(raw)) continue
    const content = expander.expand(raw)
    if (content.startsWith(mark)) {
      if (entries.length >= MAX_ENTRIES) break
      const marks = leading(content, mark)
      const depth = Math.min(marks, MAX_DEPTH, around.length + 1)
      const rest = content.slice(marks)
      const title = rest.replace(/^\+/, '').trim()
      if (marks !== depth)
        addSentence(
          problems,
          `line ${number}: '${title.slice(0, 80)}' stands below no entry: Limine stops with an error.`,
        )
      const last = entries.at(-1)
      if (last !== undefined && depth > last.depth) last.hasChildren = true
      around.length = depth - 1
      const directories = [...around]
      around.push(title)
      const isExpanded = rest.startsWith('+')
      entries.push({ title, line: number, depth, isExpanded, directories, values: new Map(), hasChildren: false })
      continue
    }
    const at = content.indexOf(separator)
    if (at < 1) continue
    const key = content.slice(0, at).toLowerCase()
    const values = entries.at(-1)?.values ?? settings
    const value = content.slice(at + 1).trim()
    const known = values.get(key)
    if (known === undefined) values.set(key, [value])
    else known.push(value)
  }
  if (expander.isFull) problems.push('macros make the file more than four times as long: Limine stops with an error.')
  return { settings, entries, problems: problems.slice(0, 100) }
}

interface Line {
  readonly content: string
  readonly number: number
}

/** Without the blanks around them. In limine.conf a backslash at a line's end joins the next line to it. */
function linesOf(text: string, isOld: boolean): Line[] {
  const lines: Line[] = []
  let joined: string[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    if (!isOld && line.endsWith('\\')) joined.push(line.slice(0, -1))
    else {
      lines.push({ content: [...joined, line].join('').trim(), number: index + 1 - joined.length })
      joined = []
    }
  }
  if (joined.length > 0) lines.push({ content: joined.join('').trim(), number: lines.length + 1 })
  return lines
}

function leading(text: string, mark: string): number {
  let count = 0
  while (text[count] === mark) count++
  return count
}

const definition = /^\$\{([^}]*)\}=(.*)$/

/** Of several definitions of one name the last counts. */
function macrosOf(lines: readonly Line[], problems: string[]): Map<string, string> {
  const macros = new Map<string, string>()
  for (const { content, number } of lines) {
    if (!content.startsWith('${')) continue
    const [, name, value] = definition.exec(content) ?? []
    if (name === undefined || value === undefined) continue
    if (name.length > MAX_MACRO_NAME || value.length > MAX_MACRO_TEXT)
      addSentence(
        problems,
        `line ${number}: a macro longer than ${MAX_MACRO_TEXT} characters: Limine stops with an error.`,
      )
    else macros.set(name, value)
  }
  return macros
}

/** Expands macros, as long as Limine has room. Macros in the text of a macro stay. */
class Expander {
  isFull = false
  private readonly macros: ReadonlyMap<string, string>
  private left: number

  constructor(macros: ReadonlyMap<string, string>, room: number) {
    this.macros = macros
    this.left = room
  }

  /** Unknown macros are empty; Limine's own stay. */
  expand(line: string): string {
    if (!line.includes('${')) return line
    return line.replace(/\$\{([^}$]*)\}/g, (whole, name: string) => {
      const value = this.macros.get(name) ?? (builtIn.test(name) ? whole : '')
      this.left -= value.length
      if (this.left < 0) this.isFull = true
      return this.isFull ? '' : value
    })
  }
}
