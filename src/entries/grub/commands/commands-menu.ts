import { posix } from 'node:path'
import type { CommandCall, CommandFunction } from '../interpreter/command.ts'
import type { GrubFile } from '../interpreter/devices.ts'
import type { Interpreter } from '../interpreter/interpreter.ts'
import type { MenuContext } from '../interpreter/menu.ts'

/** Commands that read the menus of GRUB legacy and SYSLINUX. */
const foreignMenus = ['legacy', 'syslinux'].flatMap((kind) => [
  ...[`${kind}_configfile`, `${kind}_source`],
  ...[`extract_${kind}_entries_configfile`, `extract_${kind}_entries_source`],
])

/** Commands that make menus and read further files. */
export const menuCommands: readonly (readonly [string, CommandFunction])[] = [
  ['menuentry', (run, call) => menuItem(run, call, false)],
  ['submenu', (run, call) => menuItem(run, call, true)],
  ['source', (run, { words: [path] }) => path !== undefined && source(run, path)],
  ['.', (run, { words: [path] }) => path !== undefined && source(run, path)],
  ['extract_entries_source', (run, { words: [path] }) => path !== undefined && source(run, path)],
  ['extract_entries_configfile', (run, { words: [path] }) => path !== undefined && extract(run, path)],
  ['configfile', (run, { words: [path] }) => path !== undefined && configfile(run, path)],
  ['normal', (run, { words: [path] }) => configfile(run, path ?? `${run.text('prefix')}/grub.cfg`)],
  ...foreignMenus.map((name): [string, CommandFunction] => [name, foreignConfig]),
]

/** Options of menuentry and submenu that take a value. */
const valued = new Set(['--class', '--users', '--hotkey', '--source', '--id'])

function menuItem(run: Interpreter, { words, why, body }: CommandCall, isSubmenu: boolean): boolean {
  const options = new Map<string, string>()
  const rest: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    const equals = word.indexOf('=')
    const name = word.startsWith('--') && equals > 0 ? word.slice(0, equals) : word
    if (word === '--unrestricted') continue
    if (!valued.has(name)) rest.push(word)
    else options.set(name, equals > 0 ? word.slice(equals + 1) : (words[++at] ?? ''))
  }
  const [title] = rest
  const text = options.get('--source')
  if (title === undefined || (body === null && text === undefined)) return false
  run.add({
    isSubmenu,
    title,
    id: options.get('--id') ?? title,
    arguments: rest,
    body: body ?? [],
    ...(body === null && text !== undefined ? { script: text } : {}),
    config: run.config,
    uncertainties: why === null ? [] : [`Its title depends on ${why}.`],
  })
  return true
}

/** Reads a file as if its text stood here. */
function source(run: Interpreter, path: string): boolean {
  const file = run.locate(path)
  tellMissing(run, file, `what it reads from ${path}`)
  return file.exists && run.runFile(file.path)
}

/** A file that GRUB finds, or may find, and this system does not. */
function tellMissing(run: Interpreter, { problem, unknown }: GrubFile, what: string): void {
  if (problem !== null) run.problem('out-of-reach', `${run.config}: ${what} is missing here: ${problem}`)
  else if (unknown !== null)
    run.problem('out-of-reach', `${run.config}: ${what} is missing here: it depends on ${unknown}.`)
}

/** Takes the entries of another configuration into this menu. */
function extract(run: Interpreter, path: string): boolean {
  const opened = open(run, path)
  for (const item of opened?.items ?? []) run.add(item)
  return opened !== undefined
}

/**
 * Opens the menu of another configuration. GRUB shows it and returns only when someone presses a key, so the following
 * commands are not run.
 */
function configfile(run: Interpreter, path: string): boolean {
  const opened = open(run, path)
  if (opened === undefined || opened.items.length === 0) return opened !== undefined
  run.opened = opened
  run.jump = { kind: 'exit', levels: 1 }
  return true
}

function open(run: Interpreter, path: string): MenuContext | undefined {
  const file = run.locate(path)
  tellMissing(run, file, `the menu in ${path}`)
  if (!file.exists) return undefined
  const { environment, functions } = run.context
  let context: MenuContext = { environment: environment.exportedOnly(), functions, items: [] }
  run.inContext(context, [], () => {
    run.set('config_file', path)
    run.set('config_directory', posix.dirname(path))
    run.runFile(file.path)
    run.finish()
  })
  if (run.opened !== null) context = run.opened
  run.opened = null
  return context
}

function foreignConfig(run: Interpreter, { words }: CommandCall): boolean {
  const path = words.at(-1) ?? ''
  run.boot.other(`It opens the menu in ${path}, which is written for another boot loader.`)
  return true
}
