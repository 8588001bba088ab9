/** One command of a menu.lst with the rest of its line. */
export interface Command {
  readonly name: string
  /** As written, without blanks at both ends. */
  readonly argument: string
  readonly line: number
}

/** The commands below one `title`. */
export interface TitledCommands {
  readonly title: string
  readonly line: number
  readonly commands: readonly Command[]
}

/** A menu.lst: the commands before the first `title` are for the menu as a whole (info grub, "Configuration"). */
export interface MenuList {
  readonly settings: readonly Command[]
  readonly entries: readonly TitledCommands[]
  readonly problems: readonly string[]
}

/** Far more than any menu; it keeps a hostile file from filling memory. */
const MAX_COMMANDS = 500_000

/**
 * Reads a menu.lst or grub.conf. A line is a command, then blanks or one `=`, then its argument; `#` at the start of a
 * line makes it a comment, even for Debian's "automagic" settings; a `\` at the end continues on the next line.
 */
export function parseMenuList(text: string): MenuList {
  const settings: Command[] = []
  const entries: { title: string; line: number; commands: Command[] }[] = []
  const problems: string[] = []
  let count = 0
  for (const { text: content, line } of logicalLines(text)) {
    const [, name, argument] = /^([^\s=]+)(?:\s*=\s*|\s+|$)(.*)$/s.exec(content) ?? []
    if (name === undefined || argument === undefined) continue
    if (++count > MAX_COMMANDS) {
      problems.push(`line ${line}: more than ${MAX_COMMANDS} commands; what follows is left out.`)
      break
    }
    if (name === 'title') entries.push({ title: argument, line, commands: [] })
    else (entries.at(-1)?.commands ?? settings).push({ name, argument, line })
  }
  return { settings, entries, problems }
}

function* logicalLines(text: string): Generator<{ text: string; line: number }> {
  let parts: string[] = []
  let start = 0
  let line = 0
  for (const raw of text.split('\n')) {
    line++
    if (parts.length === 0) start = line
    const isContinued = raw.endsWith('\\')
    parts.push(isContinued ? raw.slice(0, -1) : raw)
    if (isContinued) continue
    const whole = parts.join(' ').trim()
    parts = []
    if (whole !== '' && !whole.startsWith('#')) yield { text: whole, line: start }
  }
  const rest = parts.join(' ').trim()
  if (rest !== '' && !rest.startsWith('#')) yield { text: rest, line: start }
}

/** The last value of a setting, or undefined. */
export function setting({ settings }: MenuList, name: string): string | undefined {
  return settings.findLast((command) => command.name === name)?.argument
}
