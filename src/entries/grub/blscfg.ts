import { posix } from 'node:path'
import { parseType1, type Type1Keys } from '../bls/type1.ts'
import type { FoundEntry } from '../source.ts'
import type { CommandFunction } from './commands.ts'
import type { Interpreter } from './interpreter.ts'
import { compareReleaseParts } from './package-version.ts'

/** Where Red Hat's GRUB looks when neither an argument nor `blsdir` says otherwise, on the file system of `root`. */
const standardFolders = ['/loader/entries', '/boot/loader/entries']

/**
 * Red Hat's command that makes menu entries of the Boot Loader Specification's type 1 files: newest first by the version in
 * the file's name, with the variables of this script in `options` and `initrd`.
 */
export const blscfg: CommandFunction = (run, { words: [argument] }) => {
  run.isRedHat = true
  const named = argument ?? run.text('blsdir')
  const folder = named.endsWith('.conf') ? undefined : folderOf(run, named)
  const paths = folder === undefined ? [run.locate(named).path] : filesOf(run, folder)
  let made = 0
  for (const path of paths) {
    const text = run.survey.readText(path)
    if (text === undefined) continue
    const entry = entryOf(run, path, parseType1(text))
    if (entry === undefined) continue
    run.add({
      isSubmenu: false,
      title: entry.title,
      id: entry.id,
      arguments: [entry.title],
      body: [],
      config: path,
      uncertainties: [],
      ready: entry,
    })
    made++
  }
  return made > 0
}

function folderOf(run: Interpreter, named: string): string {
  const candidates = [...(named === '' ? [] : [named]), ...standardFolders].map((path) => run.locate(path))
  return (candidates.find(({ exists }) => exists) ?? candidates[0])?.path ?? '/boot/loader/entries'
}

function filesOf({ survey }: Interpreter, folder: string): string[] {
  return survey.system
    .list(folder)
    .filter((name) => name.endsWith('.conf'))
    .sort((one, other) => compareReleaseParts(idOf(other), idOf(one)))
    .map((name) => posix.join(folder, name))
}

function idOf(path: string): string {
  return posix.basename(path, '.conf')
}

function entryOf(run: Interpreter, path: string, keys: Type1Keys): FoundEntry | undefined {
  const value = (key: string) => keys.get(key)?.[0]
  const linux = value('linux')
  if (linux === undefined) return undefined
  const doubts = new Set<string>()
  const expanded = (text: string) => expandVariables(run, text, doubts)
  const options = (keys.get('options') ?? []).map(expanded).join(' ')
  const early = run.text('early_initrd').split(/\s+/).filter(Boolean)
  const initrds = (keys.get('initrd') ?? []).flatMap((text) => expanded(text).split(/\s+/).filter(Boolean))
  const located = [linux, ...early.map((name) => posix.join(posix.dirname(linux), name)), ...initrds].map((name) =>
    run.locate(name),
  )
  const [kernel, ...files] = located
  const devicetree = value('devicetree')
  return {
    id: idOf(path),
    title: value('title') ?? posix.basename(linux),
    version: value('version') ?? null,
    source: 'bls',
    config: path,
    kernel: kernel?.path ?? linux,
    initrds: files.map((file) => file.path),
    cmdline: (keys.has('options') ? options : expanded(run.text('default_kernelopts'))).trim(),
    devicetree: devicetree === undefined ? null : run.locate(devicetree).path,
    problems: located.flatMap(({ problem }) => problem ?? []),
    uncertainties: [...doubts].map((why) => `Its command line depends on ${why}.`),
  }
}

/** Puts values in place of `$name` and `${name}`; of kernelopts, when it is unset, those of default_kernelopts. */
function expandVariables(run: Interpreter, text: string, doubts: Set<string>): string {
  return text
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced: string | undefined, plain: string | undefined) => {
      const name = (braced ?? plain) as string
      const value = run.get(name)
      if (typeof value === 'object') doubts.add(value.why)
      return run.text(name)
    })
    .trim()
}
