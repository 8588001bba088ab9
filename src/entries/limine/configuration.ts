/** A line of the menu: an entry, or a folder of entries when others stand below it. */
export interface LimineEntry {
  readonly title: string
  readonly line: number
  /** From 1. */
  readonly depth: number
  /** A folder that is open when the menu is shown. */
  readonly isExpanded: boolean
  /** Titles of the folders around it. */
  readonly folders: readonly string[]
  /** Keys in lower case, each with all its values. */
  readonly values: ReadonlyMap<string, readonly string[]>
  hasChildren: boolean
}

export interface LimineConfiguration {
  readonly settings: ReadonlyMap<string, readonly string[]>
  readonly entries: readonly LimineEntry[]
}

const MAX_ENTRIES = 50_000
const MAX_DEPTH = 64
/** Longest line once macros stand for their text, characters. */
const MAX_LINE = 1_000_000

/**
 * Reads limine.conf (`/Title`, `key: value`), or limine.cfg of the versions before 8 (`:Title`, `KEY=VALUE`); see Limine's
 * CONFIG.md. A macro, `${NAME}=text`, holds in the whole file.
 */
export function parseLimine(text: string, isOld: boolean): LimineConfiguration {
  const [mark, separator] = isOld ? [':', '='] : ['/', ':']
  const lines = text.split('\n')
  const macros = macrosOf(lines)
  const settings = new Map<string, string[]>()
  const entries: (LimineEntry & { readonly values: Map<string, string[]> })[] = []
  const around: string[] = []
  for (const [index, raw] of lines.entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || isMacro(line)) continue
    const content = expand(line, macros)
    if (content.startsWith(mark)) {
      if (entries.length >= MAX_ENTRIES) break
      const depth = Math.min(leading(content, mark), MAX_DEPTH, around.length + 1)
      const rest = content.slice(leading(content, mark))
      const title = rest.replace(/^\+/, '').trim()
      const last = entries.at(-1)
      if (last !== undefined && depth > last.depth) last.hasChildren = true
      around.length = depth - 1
      const folders = [...around]
      around.push(title)
      const isExpanded = rest.startsWith('+')
      entries.push({ title, line: index + 1, depth, isExpanded, folders, values: new Map(), hasChildren: false })
      continue
    }
    const at = content.indexOf(separator)
    if (at < 1) continue
    const key = content.slice(0, at).trim().toLowerCase()
    const values = entries.at(-1)?.values ?? settings
    const value = content.slice(at + 1).trim()
    const known = values.get(key)
    if (known === undefined) values.set(key, [value])
    else known.push(value)
  }
  return { settings, entries }
}

function leading(text: string, mark: string): number {
  let count = 0
  while (text[count] === mark) count++
  return count
}

const isMacro = (line: string) => /^\$\{[^}]*\}\s*[=:]/.test(line)

function macrosOf(lines: readonly string[]): Map<string, string> {
  const macros = new Map<string, string>()
  for (const line of lines) {
    const [, name, value] = /^\s*\$\{([^}]*)\}\s*[=:]\s*(.*)$/.exec(line) ?? []
    if (name !== undefined && value !== undefined && macros.size < 1000) macros.set(name, value.trim())
  }
  return macros
}

/** Macros are not looked for in what stands for a macro. Unknown ones, ARCH and FW_TYPE among them, stay. */
function expand(line: string, macros: ReadonlyMap<string, string>): string {
  if (!line.includes('${')) return line
  let left = MAX_LINE
  return line.replace(/\$\{([^}$]*)\}/g, (whole, name: string) => {
    const value = macros.get(name) ?? whole
    left -= value.length
    return left < 0 ? '' : value
  })
}
