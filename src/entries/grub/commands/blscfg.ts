import { posix } from 'node:path'
import type { CommandCall, CommandFunction } from '../interpreter/command.ts'
import type { Interpreter } from '../interpreter/interpreter.ts'
import type { BlsFile } from '../interpreter/menu.ts'
import { errors, type Truth } from '../script/values.ts'
import { blsItem, type Dialect, firstValue, readBlsFile } from './bls-file.ts'
import { compareFileVersions } from './file-version.ts'
import { compareReleaseKeys, releaseKey } from './package-version.ts'

/**
 * Where type 1 files lie, on the file system of `root`; Red Hat's GRUB looks in the second where the first does not
 * exist.
 */
const STANDARD = '/loader/entries'
const RED_HATS_OTHER = '/boot/loader/entries'

/** The entries that a call makes. */
interface Wanted {
  readonly isDefault: boolean
  readonly others: boolean
  /** The one of this file's name. */
  readonly file: string | null
}

const all: Wanted = { isDefault: true, others: true, file: null }

/**
 * Makes menu entries of the Boot Loader Specification's type 1 files. Red Hat's GRUB has long had the command, GRUB
 * 2.14 has one of its own; only the latter has options, and the module blsuki.
 */
export const blscfg: CommandFunction = (run, call) => {
  if (isUpstream(run, call)) return upstream(run, call)
  run.isRedHat = true
  return redHat(run, call)
}

function isUpstream(run: Interpreter, { words }: CommandCall): boolean {
  if (words.some((word) => word.startsWith('-')) || run.modules.has('blsuki')) return true
  if (run.modules.has('blscfg')) return false
  return ['x86_64-efi', 'i386-pc', 'arm64-efi', 'powerpc-ieee1275'].some(
    (platform) => run.locate(`${run.text('prefix')}/${platform}/blsuki.mod`).exists,
  )
}

/**
 * `blscfg [default | non-default | FILE | (DEVICE)DIRECTORY | (DEVICE)FILE.conf]`. It remembers the entries that it has
 * read and shown.
 */
function redHat(run: Interpreter, { words }: CommandCall): Truth {
  const [word, more] = words
  const argument = more === undefined ? word : undefined
  const path = argument?.startsWith('(') ? argument : undefined
  const wanted =
    argument === undefined || path !== undefined
      ? all
      : argument === 'default'
        ? { ...all, others: false }
        : argument === 'non-default'
          ? { ...all, isDefault: false }
          : { isDefault: false, others: false, file: argument }
  const files = [...run.blsFiles, ...redHatsFiles(run, path)]
  const keys = new Map(files.map((file) => [file, releaseKey(file.id)]))
  const keyOf = (file: BlsFile) => keys.get(file) ?? []
  run.blsFiles = newestFirst(files, (one, other) => compareReleaseKeys(keyOf(one), keyOf(other)))
  show(run, run.blsFiles, wanted, 'red-hat')
  return true
}

function redHatsFiles(run: Interpreter, path: string | undefined): BlsFile[] {
  if (path !== undefined) return path.endsWith('.conf') ? fileAt(run, path, 'red-hat') : filesIn(run, path, 'red-hat')
  const named = run.text('blsdir') || STANDARD
  return filesIn(run, run.locate(named).exists ? named : RED_HATS_OTHER, 'red-hat')
}

/** Options of GRUB 2.14's command, by their letters. */
const options: Record<string, string> = {
  '--path': 'p',
  '--enable-fallback': 'f',
  '--show-default': 'd',
  '--show-non-default': 'n',
  '--entry': 'e',
}

/** `[-p DIR] [-f] [-d] [-n] [-e FILE]`, and no other words: undefined where GRUB would complain. */
export function upstreamOptions(words: readonly string[]): ReadonlyMap<string, string> | undefined {
  const found = new Map<string, string>()
  for (let at = 0; at < words.length; at++) {
    const [, name = '', value] = /^(--[^=]*)(?:=(.*))?$/s.exec(words[at] as string) ?? []
    const letters = name === '' ? /^-(\w+)$/.exec(words[at] as string)?.[1] : options[name]
    if (letters === undefined) return undefined
    for (const letter of letters) {
      if (!'pfdne'.includes(letter)) return undefined
      found.set(letter, 'pe'.includes(letter) ? (value ?? words[++at] ?? '') : '')
    }
  }
  return found
}

/** The entries that the options of GRUB 2.14 ask for; by default all. */
export function wantedBy(given: ReadonlyMap<string, string>): Wanted {
  const file = given.get('e') ?? null
  if (file === null && !given.has('d') && !given.has('n')) return all
  return { isDefault: given.has('d'), others: given.has('n'), file }
}

function upstream(run: Interpreter, { words }: CommandCall): Truth {
  const given = upstreamOptions(words)
  if (given === undefined) return run.fails(errors.badArgument)
  const path = given.get('p')
  const directory = path?.startsWith('/') || path?.startsWith('(') ? path : STANDARD
  let found = path?.endsWith('.conf') ? fileAt(run, path, 'upstream') : filesIn(run, directory, 'upstream')
  if (found.length === 0 && given.has('f') && !path?.endsWith('.conf')) found = filesIn(run, STANDARD, 'upstream')
  const sorted = newestFirst(found, (one, other) => compareFileVersions(`${one.id}.conf`, `${other.id}.conf`))
  show(run, sorted, wantedBy(given), 'upstream')
  return true
}

/** The type 1 files of a directory; unreachable ones get a remark. */
function filesIn(run: Interpreter, directory: string, dialect: Dialect): BlsFile[] {
  const { path, unknown, problem } = run.locate(directory)
  if (unknown !== null || problem !== null)
    run.problem(
      'out-of-reach',
      `${run.config}: the entries in ${directory} are missing here: ${problem ?? `it depends on ${unknown}.`}`,
    )
  return run.survey.system
    .list(path)
    .filter((name) => name.endsWith('.conf') && !(dialect === 'red-hat' && name.startsWith('.')))
    .sort()
    .flatMap((name) => readBlsFile(run, posix.join(path, name), dialect) ?? [])
}

function fileAt(run: Interpreter, path: string, dialect: Dialect): BlsFile[] {
  const file = readBlsFile(run, run.locate(path).path, dialect)
  return file === undefined ? [] : [file]
}

/** Puts the newest first; of two equal ones, GRUB keeps the first it read. */
function newestFirst(files: readonly BlsFile[], compare: (one: BlsFile, other: BlsFile) => number): BlsFile[] {
  const sorted = [...files].sort((one, other) => compare(other, one))
  return sorted.filter((file, index) => index === 0 || compare(sorted[index - 1] as BlsFile, file) !== 0)
}

function show(run: Interpreter, files: readonly BlsFile[], wanted: Wanted, dialect: Dialect): void {
  const preset = run.get('default') === undefined ? '' : run.text('default')
  for (const [index, file] of files.entries()) {
    if (file.isShown) continue
    const isNamed = wanted.file === `${file.id}.conf` || (dialect === 'red-hat' && wanted.file === file.id)
    if (!isNamed && !(isDefault(file, index, preset, dialect) ? wanted.isDefault : wanted.others)) continue
    const item = blsItem(run, file, dialect)
    if (item !== undefined) run.add(item)
    file.isShown = true
  }
}

/** GRUB 2.14 knows a file by its whole name at this moment. */
function isDefault(file: BlsFile, index: number, preset: string, dialect: Dialect): boolean {
  if (preset === '') return false
  if (preset === `${file.id}.conf` || preset === firstValue(file, 'title')) return true
  if (dialect === 'red-hat') return preset === file.id || Number.parseInt(preset, 10) === index
  return /^\s*\d+$/.test(preset) && Number(preset) === index
}
