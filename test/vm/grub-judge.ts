import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fixtureFile, layFixture } from '../unit/entries/fixtures.ts'
import { grubScript, grubScripts, type JudgedEntry, layGrubMachine } from '../unit/entries/grub/scripts.ts'
import { type DiskPlan, pathInTree, readDiskPlan } from './boot-disk.ts'
import { type RealGrub, type RunningGrub, serialConsole } from './real-grub.ts'

export interface Judgement {
  /** Index in `entries` of what GRUB boots when nobody touches a key; null when that is none of them. */
  readonly default: number | null
  readonly entries: readonly JudgedEntry[]
}

/** Functions of these names print what they are called with: GRUB takes a function where it has no command of that name. */
const loaders = [
  ...['linux', 'linux16', 'linuxefi', 'initrd', 'initrd16', 'initrdefi', 'devicetree', 'chainloader', 'ntldr', 'exit'],
  ...['multiboot', 'multiboot2', 'module', 'module2', 'xen_hypervisor', 'xen_module', 'fwsetup', 'halt', 'reboot'],
]

/** All that configurations use and that neither loads nor shows anything. */
const modules = [
  ...['part_gpt', 'part_msdos', 'ext2', 'btrfs', 'fat', 'normal', 'terminal'],
  ...['configfile', 'echo', 'test', 'true', 'read', 'search', 'search_fs_uuid', 'search_fs_file', 'search_label'],
  ...['loadenv', 'regexp', 'probe', 'eval', 'tr', 'cat', 'ls', 'gzio', 'xzio', 'lzopio', 'lvm', 'cpuid', 'keystatus'],
]

/** What GRUB is to load from its own directory, by the name of a module or of a command, as on a machine. */
const onDisk = ['regexp', 'loopback', 'smbios', 'blsuki']

const MAX_ENTRIES = 200

/** What runs before the configuration that is judged. Each probe begins with a line from us: the default to take. */
const preamble = `${serialConsole}function judge {
  terminal_output serial_com0
  echo "@call $1"
  echo "@root $root"
  echo "@chosen $chosen"
  shift
  for judge_argument in "$@"; do echo "@argument $judge_argument"; done
  echo "@done"
}
${loaders.map((name) => `function ${name} { judge ${name} "$@"; }`).join('\n')}
export judge_default
export judge_config
`

const probe = `
source $judge_config
terminal_output serial_com0
if [ "$judge_default" != as-configured ]; then set default="$judge_default"; fi
set timeout=0
unset timeout_style
unset fallback
unset superusers
`

/** Boots GRUB with the tree of a fixture, and lets it carry out every entry. */
export async function judge(name: string, grub: RealGrub): Promise<Judgement> {
  const plan = readDiskPlan(fixtureFile(name, 'disk.txt'))
  const files = { 'grub.cfg': startOf(plan), 'probe.cfg': probe }
  const running = await grub.start({ plan, modules, files, layTree: (directory) => layFixture(name, directory) })
  try {
    return await new Probing(running, plan, config(plan)).all()
  } finally {
    await running.stop()
  }
}

/**
 * Boots GRUB with the tree of a fixture, as changed, and lets it start its default.
 * @returns the titles of the submenus on the way, and of the entry
 */
export async function startedByDefault(
  name: string,
  grub: RealGrub,
  change: (tree: string) => void,
): Promise<readonly string[]> {
  const plan = readDiskPlan(fixtureFile(name, 'disk.txt'))
  const layTree = (directory: string) => {
    layFixture(name, directory)
    change(directory)
  }
  const running = await grub.start({ plan, modules, files: { 'grub.cfg': startOf(plan), 'probe.cfg': probe }, layTree })
  try {
    const { submenus, title } = await new Probing(running, plan, config(plan)).byDefault()
    return [...submenus, title]
  } finally {
    await running.stop()
  }
}

/** Boots GRUB once, and lets it carry out the scripts of test/fixtures/grub-scripts one after the other. */
export async function judgeScripts(grub: RealGrub, names: readonly string[]): Promise<Map<string, Judgement>> {
  const plan = readDiskPlan(grubScripts.disk)
  const files = { 'grub.cfg': startOf(plan), 'probe.cfg': probe }
  const builtIn = modules.filter((module) => !onDisk.includes(module))
  const layTree = (tree: string) => {
    layGrubMachine(tree)
    const directory = join(tree, 'boot/grub')
    mkdirSync(join(directory, 'scripts'))
    for (const name of names) writeFileSync(join(directory, 'scripts', `${name}.cfg`), grubScript(name))
    grub.layModules(join(directory, 'i386-pc'), onDisk)
  }
  const running = await grub.start({ plan, modules: builtIn, files, layTree })
  const judged = new Map<string, Judgement>()
  try {
    for (const name of names) {
      const script = new Probing(running, plan, `${plan.prefix}/scripts/${name}.cfg`)
      // One that the judge cannot tell shows as missing beside the others.
      const judgement = await script.all().catch((error) => void console.error(`  ${name}: ${error.message}`))
      if (judgement !== undefined) judged.set(name, judgement)
    }
  } finally {
    await running.stop()
  }
  return judged
}

function config({ prefix, config: name }: DiskPlan): string {
  return `${prefix}/${name}`
}

function startOf({ prefix, firmware }: DiskPlan): string {
  const platform = firmware === 'efi' ? ['set grub_platform=efi', 'set grub_cpu=x86_64'] : []
  const start = [
    `set root="${prefix.replace(/^\((.*)\).*$/, '$1')}"`,
    `set prefix="${prefix}"`,
    'echo @ready',
    'read judge_config',
    'read judge_default',
    'configfile (memdisk)/start/probe.cfg',
  ]
  return `${preamble}${[...platform, ...start].join('\n')}\n`
}

interface Call {
  readonly command: string
  readonly root: string
  readonly chosen: string
  readonly arguments: readonly string[]
}

/** One entry that GRUB carried out. */
interface Probe {
  readonly calls: readonly Call[]
  /** Of the submenus on the way, and of the entry. */
  readonly titles: readonly string[]
}

class Probing {
  readonly #grub: RunningGrub
  readonly #plan: DiskPlan
  readonly #config: string
  readonly #entries: JudgedEntry[] = []

  constructor(grub: RunningGrub, plan: DiskPlan, file: string) {
    this.#grub = grub
    this.#plan = plan
    this.#config = file
  }

  async byDefault(): Promise<JudgedEntry> {
    return this.#judged(await this.#probe('as-configured'))
  }

  async all(): Promise<Judgement> {
    const configured = JSON.stringify(await this.byDefault())
    await this.#menu('', 0)
    const index = this.#entries.findIndex((entry) => JSON.stringify(entry) === configured)
    return { default: index === -1 ? null : index, entries: this.#entries }
  }

  /**
   * GRUB takes the first entry when there is none of a number: so a menu ends where its first entry comes again. Without
   * any it opens its command line.
   */
  async #menu(path: string, depth: number): Promise<void> {
    let first: string | undefined
    for (let index = 0; index < MAX_ENTRIES; index++) {
      const found = await this.#probe(`${path}${index}`)
      const text = JSON.stringify(found)
      if (text === first || found.titles.length <= depth) return
      first ??= text
      if (found.titles.length > depth + 1) await this.#menu(`${path}${index}>`, depth + 1)
      else this.#entries.push(this.#judged(found))
    }
    throw new Error(`more than ${MAX_ENTRIES} entries`)
  }

  async #probe(which: string): Promise<Probe> {
    const end = /Booting `[\s\S]*(?:Press any key to continue|Failed to boot both default)|grub> /
    const text = await this.#grub.answer(`${this.#config}\r${which}`, end)
    const titles = [...text.matchAll(/ {2}Booting `(.*)'$/gm)].map(([, title = '']) => title)
    // What the configuration itself, or a submenu on the way, calls is not the entry's.
    return { calls: callsIn(text.slice(text.lastIndexOf('  Booting `'))), titles }
  }

  #judged({ calls, titles }: Probe): JudgedEntry {
    const start = calls.findLastIndex(({ command }) => /^linux/.test(command))
    const kernel = calls[start]
    const after = start === -1 ? [] : calls.slice(start)
    const initrd = after.findLast(({ command }) => command.startsWith('initrd'))
    const deviceTree = calls.findLast(({ command }) => command === 'devicetree')
    const others = calls.filter(({ command }) => !/^(linux|initrd|devicetree)/.test(command))
    const chosen = calls.at(-1)?.chosen
    return {
      submenus: titles.slice(0, -1),
      title: titles.at(-1) ?? '',
      id: chosen === undefined ? null : idOf(chosen),
      kernel: kernel === undefined ? null : this.#path(kernel, kernel.arguments[0] ?? ''),
      initrds: initrd?.arguments.map((path) => this.#path(initrd, path)) ?? [],
      commandLine: kernel === undefined ? null : kernel.arguments.slice(1).map(quoted).join(' '),
      ...(deviceTree === undefined ? {} : { deviceTree: this.#path(deviceTree, deviceTree.arguments[0] ?? '') }),
      ...(others.length === 0 ? {} : { others: others.map((call) => [call.command, ...call.arguments].join(' ')) }),
    }
  }

  /** GRUB's path, `/vmlinuz` on $root or `(hd0,gpt2)/vmlinuz`, in the tree. */
  #path({ root }: Call, name: string): string {
    const [, device = root, path = name] = /^\(([^)]*)\)(.*)$/.exec(name) ?? []
    const number = Number(/^hd0,(?:gpt|msdos)?(\d+)$/.exec(device)?.[1] ?? Number.NaN)
    return pathInTree(this.#plan, number, path) ?? `(${device})${path}`
  }
}

function callsIn(text: string): Call[] {
  const calls: Call[] = []
  for (const block of text.split(/^@call /m).slice(1)) {
    const fields = (block.split(/^@done$/m)[0] ?? '').split(/^@/m)
    const values = (name: string) =>
      fields.filter((field) => field.startsWith(`${name} `)).map((field) => field.slice(name.length + 1, -1))
    calls.push({
      command: (fields[0] ?? '').trim(),
      root: values('root')[0] ?? '',
      chosen: values('chosen')[0] ?? '',
      arguments: values('argument'),
    })
  }
  return calls
}

/** GRUB writes the way to an entry as ids with `>` between them, and a `>` in an id as `>>`. */
function idOf(chosen: string): string {
  return (/(?:[^>]|>>)*$/.exec(chosen)?.[0] ?? chosen).replaceAll('>>', '>')
}

/**
 * As GRUB's linux command joins its arguments: one with a space stands in double quotes, and backslashes and quotes get a
 * backslash. grub-command-line.test.ts sees it arrive in a kernel.
 */
export function quoted(argument: string): string {
  const escaped = argument.replace(/[\\'"]/g, '\\$&')
  return argument.includes(' ') ? `"${escaped}"` : escaped
}
