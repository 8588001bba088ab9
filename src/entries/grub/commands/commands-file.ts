import type { CommandCall, CommandFunction } from '../interpreter/command.ts'
import type { Wanted } from '../interpreter/device-names.ts'
import type { GrubFile } from '../interpreter/devices.ts'
import type { Interpreter } from '../interpreter/interpreter.ts'
import { matchPattern } from '../script/pattern.ts'
import { errors, type Truth } from '../script/values.ts'

/** Commands that look at file systems and environment blocks. */
export const fileCommands: readonly (readonly [string, CommandFunction])[] = [
  ['search', (run, { words }) => search(run, words, 'file')],
  ['search.file', (run, { words }) => searchShort(run, words, 'file')],
  ['search.fs_uuid', (run, { words }) => searchShort(run, words, 'uuid')],
  ['search.fs_label', (run, { words }) => searchShort(run, words, 'label')],
  ['search.part_label', (run, { words }) => searchShort(run, words, 'partlabel')],
  ['search.part_uuid', (run, { words }) => searchShort(run, words, 'partuuid')],
  ['load_env', loadEnv],
  ['save_env', saveEnv],
  ['loopback', loopback],
  ['probe', probe],
  ['regexp', regexp],
  ['tr', translate],
]

type SearchKind = Wanted['kind'] | 'file'

/** Home Assistant's GRUB and others also search by a partition's own name. */
const searchKinds: Record<string, SearchKind> = {
  '--part-label': 'partlabel',
  '--partlabel': 'partlabel',
  '--part-uuid': 'partuuid',
  '--partuuid': 'partuuid',
  '-u': 'uuid',
  '--fs-uuid': 'uuid',
  '-l': 'label',
  '--label': 'label',
  '-f': 'file',
  '--file': 'file',
}

/** `search [--file|--label|--fs-uuid] [--set[=VAR]] [hints] NAME` */
function search(run: Interpreter, words: readonly string[], standard: SearchKind): Truth {
  let by = standard
  let variable: string | undefined
  const names: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    const set = /^(?:--set|-s)(?:=(.*))?$/.exec(word)
    if (set !== null) {
      // `--set VAR`, with a blank: the following word is the variable, unless it is an option.
      const next = words[at + 1]
      const isNamed = set[1] === undefined && next !== undefined && !next.startsWith('-')
      variable = isNamed ? next : set[1] || 'root'
      if (isNamed) at++
    } else if (/^--hint(?:-\w+)?$|^-h$/.test(word)) at++
    else if (searchKinds[word] !== undefined) by = searchKinds[word]
    else if (!word.startsWith('-')) names.push(word)
  }
  // GRUB 1.98 had no variable there: `--set NAME`.
  const name = names.at(-1) ?? variable
  if (names.length === 0) variable = 'root'
  return name === undefined ? false : find(run, by, name, variable)
}

/** The commands of GRUB's early configuration: `search.fs_uuid UUID VAR HINT…`. */
function searchShort(run: Interpreter, [name, variable]: readonly string[], by: SearchKind): Truth {
  return name === undefined ? false : find(run, by, name, variable ?? 'root')
}

function find(run: Interpreter, by: SearchKind, name: string, variable: string | undefined): Truth {
  const found = run.devices.search(by, name)
  if (found === undefined) return run.fails(errors.fileNotFound)
  if (variable !== undefined) run.set(variable, found)
  return true
}

interface BlockCall {
  readonly name: string
  readonly file: GrubFile
  readonly names: readonly string[]
}

/** `[-f FILE] [--skip-sig] [NAME…]`; without a file the block beside the configuration. */
function blockCall(run: Interpreter, words: readonly string[]): BlockCall {
  let name = `${run.text('prefix')}/grubenv`
  const names: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (word === '-f' || word === '--file') name = words[++at] ?? name
    else if (word.startsWith('--file=')) name = word.slice('--file='.length)
    else if (!word.startsWith('-')) names.push(word)
  }
  return { name, file: run.locate(name), names }
}

function loadEnv(run: Interpreter, { words }: CommandCall): Truth {
  const { name: block, file, names } = blockCall(run, words)
  const variables = run.environmentBlock(file.path)
  if (variables === undefined) return withoutBlock(run, block, file, names)
  run.survey.budget.spend('steps', variables.size)
  const wanted = new Set(names)
  for (const [name, value] of variables) {
    if (wanted.size > 0 && !wanted.has(name)) continue
    run.set(name, value)
    if (!run.loaded.has(name)) run.loaded.set(name, { value, path: file.path })
  }
  return true
}

/** The block's values are unknown where GRUB may find it but this system does not. */
function withoutBlock(run: Interpreter, block: string, file: GrubFile, names: readonly string[]): Truth {
  const path = file.path.startsWith('(') ? file.path : block
  const fate = file.exists
    ? 'is not an environment block'
    : file.unknown === null
      ? 'does not exist'
      : 'is out of reach'
  run.problem(
    file.unknown === null ? 'configuration-unreadable' : 'out-of-reach',
    `${run.config}: the environment block ${path} ${fate}${file.unknown === null ? '' : `: it depends on ${file.unknown}`}. ` +
      'The values saved in it are missing here.',
  )
  if (file.unknown === null) return run.fails(errors.fileNotFound)
  const why = `the environment block ${path}, which is out of reach`
  for (const name of names.length > 0 ? names : run.settings()) run.doubtValue(name, why)
  run.asked = { why, split: null }
  return 'unknown'
}

/** Changes the copy that later load_env commands of this run see; the file stays unchanged. */
function saveEnv(run: Interpreter, { words }: CommandCall): Truth {
  const { file, names } = blockCall(run, words)
  const variables = run.environmentBlock(file.path)
  if (variables === undefined) return false
  for (const name of names) variables.set(name, run.text(name))
  return true
}

/** `loopback NAME FILE`: the name stands for the contents of the file. */
function loopback(run: Interpreter, { words }: CommandCall): Truth {
  const [name, file] = words.filter((word) => !word.startsWith('-'))
  if (name === undefined) return run.fails(errors.badArgument)
  if (file !== undefined) run.devices.images.set(name, file)
  return true
}

const probed: Record<string, 'uuid' | 'label' | 'type'> = {
  '-u': 'uuid',
  '--fs-uuid': 'uuid',
  '-l': 'label',
  '--label': 'label',
  '-f': 'type',
  '--fs': 'type',
}

/** `probe --set=VAR -u DEVICE`: one property of a device, as far as this system shows it. */
function probe(run: Interpreter, { words }: CommandCall): Truth {
  let variable: string | undefined
  let kind: 'uuid' | 'label' | 'type' | undefined
  let device = ''
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (word === '-s' || word === '--set') variable = words[++at]
    else if (word.startsWith('--set=')) variable = word.slice('--set='.length)
    else if (word.startsWith('-')) kind = probed[word] ?? kind
    else device = word
  }
  const value = kind === undefined ? undefined : run.devices.property(kind, device)
  if (variable !== undefined) run.set(variable, value ?? { candidates: [''], why: `what ${device} is` })
  return true
}

/** Places of a text, each at one instruction of a pattern, that take as long as one step of a script. */
const WORK_OF_A_STEP = 8

/** `regexp [--set [N:]VAR]… PATTERN TEXT`. GRUB loads its module when it is first called, and with it wildcards. */
function regexp(run: Interpreter, { words, why }: CommandCall): Truth {
  run.hasWildcards = true
  const targets: { group: number; name: string }[] = []
  const rest: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    const value = word === '--set' || word === '-s' ? (words[++at] ?? '') : /^--set=(.*)$/.exec(word)?.[1]
    if (value === undefined) rest.push(word)
    else {
      const [, group, name] = /^(?:(\d+):)?(.*)$/s.exec(value) ?? []
      targets.push({ group: Number(group ?? 1), name: name ?? '' })
    }
  }
  const [pattern = '', text = ''] = rest
  const afford = (work: number) => run.survey.budget.take('steps', Math.ceil(work / WORK_OF_A_STEP))
  const groups = why === null ? matchPattern(pattern, text, afford) : undefined
  if (groups === undefined) {
    const doubt = { why: why ?? `whether '${text.slice(0, 60)}' matches '${pattern.slice(0, 60)}'`, split: null }
    // Of all possible firmware names, few match.
    run.asked = why === null ? doubt : { ...doubt, likely: false }
    for (const { name } of targets) run.set(name, { candidates: [''], why: run.asked.why })
    return 'unknown'
  }
  if (groups === null) return false
  for (const { group, name } of targets) run.set(name, groups[group])
  return true
}

/** `tr [--set=VAR] [--upcase | --downcase] TEXT [FROM TO]`: characters of FROM become those at their places in TO. */
function translate(run: Interpreter, { words, why }: CommandCall): Truth {
  const rest: string[] = []
  let variable: string | undefined
  let change = (text: string, from = '', to = '') => {
    const others = [...to]
    const pairs = new Map([...from].map((character, index) => [character, others[index] ?? character]))
    return [...text].map((character) => pairs.get(character) ?? character).join('')
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (word === '--set' || word === '-s') variable = words[++at]
    else if (word.startsWith('--set=')) variable = word.slice('--set='.length)
    else if (word === '--upcase' || word === '-U') change = (text) => text.toUpperCase()
    else if (word === '--downcase' || word === '-D') change = (text) => text.toLowerCase()
    else rest.push(word)
  }
  const [text, from, to] = rest
  if (text === undefined) return run.fails(errors.badArgument)
  const value = change(text, from, to)
  if (variable !== undefined) run.set(variable, why === null ? value : { candidates: [value], why })
  return true
}
