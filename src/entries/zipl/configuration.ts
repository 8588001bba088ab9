/** `[name]` and the settings below it. Keys are in lower case. */
export interface ZiplSection {
  readonly name: string
  readonly line: number
  readonly values: Map<string, string>
}

/** `:name`, a menu: the section at each position, and the default position. */
export interface ZiplMenu {
  readonly positions: Map<number, string>
  preset: number | null
}

/** The contents of a zipl.conf (zipl.conf(5) of s390-tools). */
export interface ZiplConfiguration {
  /** Of [defaultboot]: default, defaultmenu, defaultauto, target, … */
  readonly settings: ReadonlyMap<string, string>
  /** All but [defaultboot], in the order of the file. */
  readonly sections: ReadonlyMap<string, ZiplSection>
  readonly menus: ReadonlyMap<string, ZiplMenu>
  /** Including [defaultboot]: an empty file has none. */
  readonly sectionCount: number
  /** Each begins with its line. */
  readonly problems: readonly string[]
}

const MAX_PROBLEMS = 50

export function parseZipl(text: string): ZiplConfiguration {
  const settings = new Map<string, string>()
  const sections = new Map<string, ZiplSection>()
  const menus = new Map<string, ZiplMenu>()
  const problems: string[] = []
  const complain = (problem: string) => {
    if (problems.length < MAX_PROBLEMS) problems.push(problem)
  }
  let sectionCount = 0
  let values: Map<string, string> | undefined
  let menu: ZiplMenu | undefined
  let line = 0
  for (const raw of text.split('\n')) {
    line++
    const content = raw.trim()
    if (content === '' || content.startsWith('#')) continue
    const section = /^\[([^\]]+)\]$/.exec(content)?.[1]?.trim()
    const menuName = content.startsWith(':') ? content.slice(1).trim() : undefined
    if (section !== undefined) {
      sectionCount++
      menu = undefined
      values = section === 'defaultboot' ? settings : new Map()
      if (sections.has(section)) complain(`${line}: a second section ${section}; the first one counts.`)
      else if (section !== 'defaultboot') sections.set(section, { name: section, line, values })
    } else if (menuName !== undefined) {
      values = undefined
      menu = { positions: new Map(), preset: null }
      menus.set(menuName, menu)
    } else {
      const [key, value] = keyValue(content)
      if (menu !== undefined) setInMenu(menu, key, value)
      else if (values !== undefined) values.set(key, value)
      else complain(`${line}: '${content.slice(0, 80)}' stands outside of a section.`)
    }
  }
  return { settings, sections, menus, sectionCount, problems }
}

function setInMenu(menu: ZiplMenu, key: string, value: string): void {
  if (/^\d{1,4}$/.test(key)) menu.positions.set(Number(key), value)
  else if (key === 'default' && /^\d{1,4}$/.test(value)) menu.preset = Number(value)
}

/** `key = value`; quotes keep blanks at the ends. `defaultauto` stands alone. */
function keyValue(content: string): [string, string] {
  const equals = content.indexOf('=')
  if (equals < 0) return [content.toLowerCase(), '']
  const value = content.slice(equals + 1).trim()
  const quote = value[0]
  const isQuoted = value.length > 1 && (quote === '"' || quote === "'") && value.endsWith(quote)
  return [content.slice(0, equals).trimEnd().toLowerCase(), isQuoted ? value.slice(1, -1) : value]
}
