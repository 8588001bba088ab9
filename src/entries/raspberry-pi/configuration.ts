import { addSentence } from '../model/budget.ts'
import { type Board, isModel, isSerial, isType, type Truth } from './board.ts'

/** One setting of config.txt. */
export interface Setting {
  readonly key: string
  readonly value: string
  /** 'config.txt:12', for messages. */
  readonly place: string
}

/** The settings of config.txt for a board. */
export interface PiConfiguration {
  /** The last value of each key. */
  readonly values: ReadonlyMap<string, string>
  readonly overlays: readonly string[]
  /** Settings that apply only on a board, or under a condition, which is unknown here. */
  readonly undecided: readonly (Setting & { readonly filter: string })[]
  readonly problems: readonly string[]
}

/** A file that `include` names, beside config.txt. */
export type OpenInclude = (name: string) => string | undefined

const MAX_DEPTH = 8
const MAX_FILES = 64
/** Filters in force at a time, settings and overlays: a board has a handful. */
const MAX_FILTERS = 64
const MAX_SETTINGS = 1000

/** `[EDID=…]` and `[gpio4=1]` are the longest, characters. */
const LONGEST_FILTER = 80

/**
 * Reads config.txt with its includes (https://www.raspberrypi.com/documentation/computers/config_txt.html). A filter,
 * `[pi4]`, applies until the next of its kind; `[all]` lifts all of them.
 * @param board the firmware's board, as far as it is known.
 */
export function readPiConfiguration(name: string, text: string, board: Board, open: OpenInclude): PiConfiguration {
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
    if (unknown !== undefined) {
      if (undecided.length < MAX_SETTINGS) undecided.push({ ...setting, filter: unknown.text })
    } else if (setting.key !== 'dtoverlay') values.set(setting.key, setting.value)
    else if (setting.value !== '' && overlays.length < MAX_SETTINGS) overlays.push(setting.value)
  }

  const read = (file: string, content: string, depth: number) => {
    files++
    let line = 0
    for (const raw of content.split('\n')) {
      const place = `${file}:${++line}`
      const statement = raw.split('#', 1)[0]?.trim() ?? ''
      const filter = /^\[([^\]]*)\]/.exec(statement)?.[1]?.trim()
      const included = /^include\s+(\S+)/i.exec(statement)?.[1]
      if (filter !== undefined) applyFilter(filters, filter, board)
      else if (included !== undefined) {
        const inner = depth < MAX_DEPTH && files < MAX_FILES ? open(included) : undefined
        if (inner === undefined) addSentence(problems, `${place}: ${included} cannot be included.`)
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

/** `initramfs FILE [address]` is the only setting without an equals sign. */
function settingOf(statement: string, place: string): Setting | undefined {
  const [, initramfs] = /^initramfs\s+(\S.*)$/i.exec(statement) ?? []
  if (initramfs !== undefined) return { key: 'initramfs', value: initramfs, place }
  const equals = statement.indexOf('=')
  if (equals < 1) return undefined
  return { key: statement.slice(0, equals).trim().toLowerCase(), value: statement.slice(equals + 1).trim(), place }
}

function applyFilter(filters: Map<string, { text: string; holds: Truth }>, text: string, board: Board): void {
  const filter = text.slice(0, LONGEST_FILTER).toLowerCase()
  const set = (kind: string, holds: Truth) => filters.set(kind, { text: `[${text}]`, holds })
  const [name = '', value = ''] = filter.split('=', 2)
  if (filter === 'all') filters.clear()
  else if (filter === 'none') set('none', false)
  // Only the next boot, after `reboot '0 tryboot'`.
  else if (filter === 'tryboot') set('tryboot', false)
  else if (/^(?:pi|cm)\d/.test(filter)) set('model', isModel(filter, board))
  else if (name === 'board-type') set('model', isType(value, board))
  else if (/^0x[0-9a-f]+$/.test(filter)) set('serial', isSerial(filter, board))
  // The pins of `gpio4=1`, a display's `EDID=`, `HDMI:0`, `boot_partition=2`: only the firmware knows.
  else if (filters.size < MAX_FILTERS) set(name.split(':', 1)[0]?.replace(/\d+$/, '') ?? filter, undefined)
}
