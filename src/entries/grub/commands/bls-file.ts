import { posix } from 'node:path'
import type { Interpreter } from '../interpreter/interpreter.ts'
import type { BlsFile, MenuItem } from '../interpreter/menu.ts'

/**
 * The GRUB that reads type 1 files: Red Hat's patched one, or GRUB 2.14 and later, which read them a little
 * differently.
 */
export type Dialect = 'red-hat' | 'upstream'

/** Characters of one value that are kept: no kernel takes a command line that long. */
const LONGEST = 64 * 1024

/**
 * Reads a file. A line without a value, even an empty one, ends it for GRUB. The caller learns whether more lines
 * follow.
 */
export function readBlsFile(run: Interpreter, path: string, dialect: Dialect): BlsFile | undefined {
  const text = run.survey.readText(path)
  if (text === undefined) return undefined
  const keys: [string, string][] = []
  const lines = text.replaceAll('\r', '').split('\n')
  for (const [index, line] of lines.entries()) {
    const trimmed = line.replace(/^[ \t]+/, '')
    if (trimmed.startsWith('#')) continue
    const pair = keyAndValue(trimmed, dialect)
    if (pair === undefined) {
      const rest = lines.slice(index + 1).some((other) => /^[ \t]*[^#\s]/.test(other))
      if (rest)
        run.problem(
          'configuration-mistake',
          `${path}:${index + 1}: a line without a value, at which GRUB stops to read the file.`,
        )
      break
    }
    keys.push(pair)
  }
  return { path, id: posix.basename(path, '.conf'), keys, isShown: false }
}

/** Red Hat's GRUB ends a key at the first blank, at a tab only where there is no blank in the line. */
function keyAndValue(line: string, dialect: Dialect): [string, string] | undefined {
  const blank = dialect === 'red-hat' && line.includes(' ') ? line.indexOf(' ') : line.search(/[ \t]/)
  if (blank < 0) return undefined
  const value = line.slice(blank).replace(/^[ \t]+/, '')
  return value === '' ? undefined : [line.slice(0, blank), value]
}

export function firstValue({ keys }: BlsFile, wanted: string): string | undefined {
  return keys.find(([key]) => key === wanted)?.[1]
}

function allValues({ keys }: BlsFile, wanted: string): string[] {
  return keys.filter(([key]) => key === wanted).map(([, value]) => value)
}

/** The entry that GRUB makes from a file: a script of a few lines. Undefined for one that starts nothing. */
export function blsItem(run: Interpreter, file: BlsFile, dialect: Dialect): MenuItem | undefined {
  const linux = firstValue(file, 'linux')
  if (linux === undefined) return undefined
  const doubts = new Set<string>()
  const expanded = (text: string | undefined) => (text === undefined ? undefined : expandValue(run, text, doubts))
  const isRedHat = dialect === 'red-hat'
  const options =
    expanded(firstValue(file, 'options')) ?? (isRedHat ? expanded(setting(run, 'default_kernelopts')) : undefined)
  const initrds = [...(isRedHat ? earlyInitrds(run, file, linux) : []), ...allValues(file, 'initrd')]
  const deviceTree =
    expanded(firstValue(file, 'devicetree')) ??
    (isRedHat ? besideKernel(linux, expanded(setting(run, 'devicetree'))) : undefined)
  const title = firstValue(file, 'title') ?? linux
  const version = firstValue(file, 'version') ?? ''
  return {
    isSubmenu: false,
    title,
    id: file.id,
    arguments: [title, ...allValues(file, 'grub_arg')],
    body: [],
    script: [
      `linux ${linux}${options === undefined ? '' : ` ${options}`}`,
      ...(initrds.length === 0 ? [] : [`initrd ${initrds.join(' ')}`]),
      ...(deviceTree === undefined ? [] : [`devicetree ${deviceTree}`]),
    ].join('\n'),
    config: file.path,
    source: 'bls',
    machineId: firstValue(file, 'machine-id') ?? null,
    version: /^\d+\.\d\S*$/.test(version) ? version : null,
    uncertainties: [...doubts].map((why) => `Its command line depends on ${why}.`),
  }
}

function setting(run: Interpreter, name: string): string | undefined {
  return run.get(name) === undefined ? undefined : run.text(name)
}

/** `early_initrd` names files in the directory of the first initrd, or of the kernel. */
function earlyInitrds(run: Interpreter, file: BlsFile, linux: string): string[] {
  const early = setting(run, 'early_initrd')
  if (early === undefined) return []
  const first = firstValue(file, 'initrd') ?? linux
  return early.split(' ').map((name) => `${first.slice(0, first.lastIndexOf('/') + 1)}${name}`)
}

function besideKernel(linux: string, name: string | undefined): string | undefined {
  return name === undefined ? undefined : `${linux.slice(0, linux.lastIndexOf('/') + 1)}${name}`
}

/**
 * Puts variables into a value as GRUB does, before the value is run as a part of a script: a name is letters, digits
 * and `_`; a blank follows a variable's value, in place of the next one; a variable that is not set is empty. A last
 * character that stands alone is lost.
 * @returns undefined for an empty text.
 */
function expandValue(run: Interpreter, value: string, doubts: Set<string>): string | undefined {
  let text: string | undefined
  let [start, end] = [0, 0]
  let isName = false
  const append = (): boolean => {
    const piece = value.slice(start, end + 1)
    const found = isName ? run.get(piece) : piece
    if (typeof found === 'object') doubts.add(found.why)
    if (found !== undefined && (text?.length ?? 0) < LONGEST)
      text = `${text ?? ''}${isName ? `${run.text(piece)} ` : piece}`
    return text !== undefined
  }
  for (let at = 0; at < value.length; at++) {
    const character = value[at] as string
    if (character === '$') {
      if (start !== end && !append()) return undefined
      isName = true
      start = at + 1
    } else if (isName && !/[A-Za-z0-9_]/.test(character)) {
      append()
      isName = false
      start = character === ' ' ? at + 1 : at
    }
    end = at
  }
  if (start !== end && !append()) return undefined
  return text
}
