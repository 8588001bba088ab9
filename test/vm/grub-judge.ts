import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DebianMirror } from '../../src/vm/debian.ts'
import { execute } from '../../src/vm/process.ts'
import { startQemu } from '../../src/vm/qemu.ts'
import { fixtureFile, layFixture } from '../unit/entries/fixtures.ts'
import { type DiskPlan, pathInTree, readDiskPlan, writeBootDisk } from './boot-disk.ts'
import { Conversation, Monitor } from './conversation.ts'

/** An entry of GRUB's menu, as GRUB itself carried it out. */
export interface JudgedEntry {
  readonly submenus: readonly string[]
  readonly title: string
  /** GRUB's id of it, the title when it has none; null when nothing that it calls told. */
  readonly id: string | null
  /** Paths in the tree. */
  readonly kernel: string | null
  readonly initrds: readonly string[]
  /** As GRUB's linux command would hand it to the kernel, without BOOT_IMAGE. */
  readonly cmdline: string | null
  readonly devicetree?: string
  /** Commands that load something else, with their arguments: `chainloader +1`. */
  readonly others?: readonly string[]
}

export interface Judgement {
  /** Index in `entries` of what GRUB boots when nobody touches a key; null when that is none of them. */
  readonly default: number | null
  readonly entries: readonly JudgedEntry[]
}

/** What GRUB's own commands do these functions print instead: GRUB takes a function where it has no command of that name. */
const loaders = [
  ...['linux', 'linux16', 'linuxefi', 'initrd', 'initrd16', 'initrdefi', 'devicetree', 'chainloader', 'ntldr', 'exit'],
  ...['multiboot', 'multiboot2', 'module', 'module2', 'xen_hypervisor', 'xen_module', 'fwsetup', 'halt', 'reboot'],
]

/** All that configurations use and that neither loads nor shows anything. */
const modules = [
  ...['biosdisk', 'memdisk', 'tar', 'part_gpt', 'part_msdos', 'ext2', 'btrfs', 'fat', 'normal', 'serial', 'terminal'],
  ...['configfile', 'echo', 'test', 'true', 'read', 'search', 'search_fs_uuid', 'search_fs_file', 'search_label'],
  ...['loadenv', 'regexp', 'probe', 'eval', 'tr', 'cat', 'ls', 'gzio', 'xzio', 'lzopio', 'lvm', 'cpuid', 'keystatus'],
]

const MAX_ENTRIES = 200

/** What runs before the configuration that is judged. Each probe begins with a line from us: the default to take. */
const preamble = `
serial --unit=0 --speed=115200
terminal_input serial_com0
terminal_output serial_com0
terminfo -g 16000x64 -u serial_com0 dumb
function judge {
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
unset fallback
unset superusers
`

/** GRUB of this machine's Debian, ready to judge. */
export class GrubJudge {
  readonly #folder = mkdtempSync(join(tmpdir(), 'linux-kexec-judge-'))
  #sector = Buffer.alloc(0)
  #grub = { modules: '', program: '', libraries: '' }

  static async open(): Promise<GrubJudge> {
    const judge = new GrubJudge()
    const mirror = await DebianMirror.open({ progress: (message) => console.error(`  ${message}`) })
    const packages = await mirror.fetch(['grub-common', 'grub-pc-bin'], { dependencies: true })
    const folderOf = (name: string) => packages.find((entry) => entry.name === name)?.folder ?? ''
    const libraries = packages
      .filter(({ name }) => name !== 'libc6')
      .flatMap(({ folder }) => ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map((path) => join(folder, path)))
    judge.#grub = {
      modules: join(folderOf('grub-pc-bin'), 'usr/lib/grub/i386-pc'),
      program: join(folderOf('grub-common'), 'usr/bin/grub-mkimage'),
      libraries: libraries.join(':'),
    }
    judge.#sector = readFileSync(join(judge.#grub.modules, 'boot.img'))
    return judge
  }

  close(): void {
    rmSync(this.#folder, { recursive: true })
  }

  /** Boots GRUB with the tree of a fixture, and lets it carry out every entry. */
  async judge(name: string): Promise<Judgement> {
    const plan = readDiskPlan(fixtureFile(name, 'disk.txt'))
    const tree = join(this.#folder, 'tree')
    const disk = join(this.#folder, 'disk')
    mkdirSync(tree)
    layFixture(name, tree)
    writeBootDisk(disk, plan, tree, { sector: this.#sector, core: await this.#core(plan) })
    rmSync(tree, { recursive: true })
    const qemu = startQemu({
      ...{ accelerator: 'tcg', memory: 32, cpus: 1, survivesReset: false, direct: undefined },
      disks: [{ path: disk, readOnly: false }],
      extra: ['-snapshot'],
    })
    try {
      const console = new Conversation(qemu.console)
      const monitor = new Monitor(qemu.monitor)
      await console.expect('@ready')
      await monitor.human('savevm ready')
      return await new Probing(console, monitor, plan).all()
    } finally {
      qemu.kill('SIGKILL')
      await qemu.exit
    }
  }

  async #core(plan: DiskPlan): Promise<Buffer> {
    const { prefix, firmware } = plan
    const folder = join(this.#folder, 'judge')
    mkdirSync(folder, { recursive: true })
    const platform = firmware === 'efi' ? 'set grub_platform=efi\nset grub_cpu=x86_64\n' : ''
    const start = [
      `set judge_config="${prefix}/${plan.config}"`,
      `set root="${prefix.replace(/^\((.*)\).*$/, '$1')}"`,
      `set prefix="${prefix}"`,
      'set judge_wrapper=(memdisk)/judge/probe.cfg',
      'echo @ready',
      'read judge_default',
      'configfile $judge_wrapper',
    ]
    writeFileSync(join(folder, 'grub.cfg'), `${preamble}${platform}${start.join('\n')}\n`)
    writeFileSync(join(folder, 'probe.cfg'), probe)
    const memdisk = join(this.#folder, 'memdisk.tar')
    const core = join(this.#folder, 'core.img')
    await execute('tar', ['-C', this.#folder, '-cf', memdisk, 'judge'])
    const { modules: path, program, libraries } = this.#grub
    const options = ['-O', 'i386-pc', '-d', path, '-m', memdisk, '-p', '(memdisk)/judge', '-o', core]
    await execute(program, [...options, ...modules], { env: { ...process.env, LD_LIBRARY_PATH: libraries } })
    return readFileSync(core)
  }
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
  readonly #console: Conversation
  readonly #monitor: Monitor
  readonly #plan: DiskPlan
  readonly #entries: JudgedEntry[] = []

  constructor(console: Conversation, monitor: Monitor, plan: DiskPlan) {
    this.#console = console
    this.#monitor = monitor
    this.#plan = plan
  }

  async all(): Promise<Judgement> {
    const configured = JSON.stringify(this.#judged(await this.#probe('as-configured')))
    await this.#menu('', 0)
    const index = this.#entries.findIndex((entry) => JSON.stringify(entry) === configured)
    return { default: index === -1 ? null : index, entries: this.#entries }
  }

  /** GRUB takes the first entry when there is none of a number: so a menu ends where its first entry comes again. */
  async #menu(path: string, depth: number): Promise<void> {
    let first: string | undefined
    for (let index = 0; index < MAX_ENTRIES; index++) {
      const found = await this.#probe(`${path}${index}`)
      const text = JSON.stringify(found)
      if (text === first) return
      first ??= text
      if (found.titles.length > depth + 1) await this.#menu(`${path}${index}>`, depth + 1)
      else this.#entries.push(this.#judged(found))
    }
    throw new Error(`more than ${MAX_ENTRIES} entries`)
  }

  async #probe(which: string): Promise<Probe> {
    await this.#monitor.human('loadvm ready')
    this.#console.forget()
    this.#console.say(`${which}\r`)
    const text = await this.#console.expect(/Booting `[\s\S]*(?:Press any key to continue|Failed to boot both default)/)
    const titles = [...text.matchAll(/^ {2}Booting `(.*)'$/gm)].map(([, title = '']) => title)
    return { calls: callsIn(text), titles }
  }

  #judged({ calls, titles }: Probe): JudgedEntry {
    const start = calls.findLastIndex(({ command }) => /^linux/.test(command))
    const kernel = calls[start]
    const after = start === -1 ? [] : calls.slice(start)
    const initrd = after.findLast(({ command }) => command.startsWith('initrd'))
    const devicetree = calls.findLast(({ command }) => command === 'devicetree')
    const others = calls.filter(({ command }) => !/^(linux|initrd|devicetree)/.test(command))
    const chosen = calls.at(-1)?.chosen
    return {
      submenus: titles.slice(0, -1),
      title: titles.at(-1) ?? '',
      id: chosen === undefined ? null : idOf(chosen),
      kernel: kernel === undefined ? null : this.#path(kernel, kernel.arguments[0] ?? ''),
      initrds: initrd?.arguments.map((path) => this.#path(initrd, path)) ?? [],
      cmdline: kernel === undefined ? null : kernel.arguments.slice(1).map(quoted).join(' '),
      ...(devicetree === undefined ? {} : { devicetree: this.#path(devicetree, devicetree.arguments[0] ?? '') }),
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
 * backslash. Seen in /proc/cmdline of kernels that Debian's GRUB started.
 */
function quoted(argument: string): string {
  const escaped = argument.replace(/[\\'"]/g, '\\$&')
  return argument.includes(' ') ? `"${escaped}"` : escaped
}
