/** One setting of config.txt. */
export interface Setting {
  readonly key: string
  readonly value: string
  /** 'config.txt:12', for messages. */
  readonly place: string
}

/** What config.txt says for a board. */
export interface PiConfiguration {
  /** The last value of each key. */
  readonly values: ReadonlyMap<string, string>
  readonly overlays: readonly string[]
  /** Settings that hold only on a board, or under a condition, of which nothing here tells. */
  readonly undecided: readonly (Setting & { readonly filter: string })[]
  readonly problems: readonly string[]
}

/** A file that `include` names, beside config.txt. */
export type OpenInclude = (name: string) => string | undefined

const MAX_DEPTH = 8
const MAX_FILES = 64

type Truth = boolean | undefined

/**
 * Reads config.txt with what it includes
 * (https://www.raspberrypi.com/documentation/computers/config_txt.html). A filter, `[pi4]`, holds until the next of its
 * kind; `[all]` lifts all of them.
 * @param model of the board as /proc/device-tree/model has it, if that is known.
 */
export function readPiConfiguration(
  name: string,
  text: string,
  model: string | null,
  open: OpenInclude,
): PiConfiguration {
  const values = new Map<string, string>()
  const overlays: string[] = []
  const undecided: (Setting & { filter: string })[] = []
  const problems: string[] = []
  const filters = new Map<string, { text: string; holds: Truth }>()
  let files = 0

  const set = (setting: Setting) => {
    const states = [...filters.values()]
    if (states.some(({ holds }) => holds === false)) return
    const unknown = states.find(({ holds }) => holds === undefined)
    if (unknown !== undefined) undecided.push({ ...setting, filter: unknown.text })
    else if (setting.key !== 'dtoverlay') values.set(setting.key, setting.value)
    else if (setting.value !== '') overlays.push(setting.value)
  }

  const read = (file: string, content: string, depth: number) => {
    files++
    let line = 0
    for (const raw of content.split('\n')) {
      const place = `${file}:${++line}`
      const statement = raw.split('#', 1)[0]?.trim() ?? ''
      const filter = /^\[([^\]]*)\]/.exec(statement)?.[1]?.trim()
      const included = /^include\s+(\S+)/i.exec(statement)?.[1]
      if (filter !== undefined) applyFilter(filters, filter, model)
      else if (included !== undefined) {
        const inner = depth < MAX_DEPTH && files < MAX_FILES ? open(included) : undefined
        if (inner === undefined) problems.push(`${place}: ${included} cannot be included.`)
        else read(included, inner, depth + 1)
      } else {
        const setting = settingOf(statement, place)
        if (setting !== undefined) set(setting)
      }
    }
  }

  read(name, text, 1)
  return { values, overlays, undecided, problems }
}

/** `initramfs FILE [address]` is the one setting without an equals sign. */
function settingOf(statement: string, place: string): Setting | undefined {
  const [, initramfs] = /^initramfs\s+(\S.*)$/i.exec(statement) ?? []
  if (initramfs !== undefined) return { key: 'initramfs', value: initramfs, place }
  const equals = statement.indexOf('=')
  if (equals < 1) return undefined
  return { key: statement.slice(0, equals).trim().toLowerCase(), value: statement.slice(equals + 1).trim(), place }
}

function applyFilter(filters: Map<string, { text: string; holds: Truth }>, text: string, model: string | null): void {
  const filter = text.toLowerCase()
  const entry = (holds: Truth) => ({ text: `[${text}]`, holds })
  if (filter === 'all') filters.clear()
  else if (filter === 'none') filters.set('none', entry(false))
  // The next boot only, after `reboot '0 tryboot'`.
  else if (filter === 'tryboot') filters.set('tryboot', entry(false))
  else if (/^(?:pi|cm)\d/.test(filter)) filters.set('model', entry(modelMatches(filter, model)))
  else filters.set(filter.split(/[=:]/, 1)[0]?.replace(/\d+$/, '') ?? filter, entry(undefined))
}

/** Boards by filter, in the words of /proc/device-tree/model after 'Raspberry Pi '. */
const boards: Readonly<Record<string, RegExp>> = {
  pi0: /^Zero/,
  pi0w: /^Zero W/,
  pi02: /^Zero 2/,
  pi1: /^(?:Model|Compute Module (?:Rev|1))/,
  pi2: /^2 /,
  pi3: /^(?:3 |Compute Module 3)/,
  'pi3+': /^(?:3 Model [AB] Plus|Compute Module 3 Plus)/,
  pi4: /^(?:4 |400|Compute Module 4)/,
  pi400: /^400/,
  pi5: /^(?:5 |500|Compute Module 5)/,
  pi500: /^500/,
  cm0: /^Compute Module 0/,
  cm1: /^Compute Module (?:Rev|1)/,
  cm3: /^Compute Module 3 Rev/,
  'cm3+': /^Compute Module 3 Plus/,
  cm4: /^Compute Module 4 /,
  cm4s: /^Compute Module 4S/,
  cm5: /^Compute Module 5/,
}

/** Whether a board is the one of a filter; undefined when nothing tells. */
export function modelMatches(filter: string, model: string | null): Truth {
  if (model === null || boards[filter] === undefined) return undefined
  return boards[filter].test(model.replace(/^Raspberry Pi /, ''))
}
