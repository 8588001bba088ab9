import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { execute } from '../../src/vm/host/process.ts'
import { type QemuProcess, startQemu } from '../../src/vm/machine/qemu.ts'
import { DebianMirror, packageFile } from '../../src/vm/provision/debian.ts'
import { type DiskPlan, writeBootDisk } from './boot-disk.ts'
import { Conversation, Monitor } from './conversation.ts'

/** What a GRUB is to start with. */
export interface GrubSetup {
  readonly modules: readonly string[]
  /** Files of its memory disk, `grub.cfg` among them, which it begins with: (memdisk)/start/NAME. For `start` it is to say @ready. */
  readonly files: Readonly<Record<string, string | Buffer>>
  readonly plan: DiskPlan
  /** Fills a directory with the tree that the disk's partitions are to hold. */
  readonly layTree?: (directory: string) => void
}

/** Sets up the serial port, which takes what is typed and shows all that is printed, without breaking lines. */
export const serialConsole = `
serial --unit=0 --speed=115200
terminal_input serial_com0
terminal_output serial_com0
terminfo -g 16000x64 -u serial_com0 dumb
`

/** Debian's GRUB for BIOS machines, as a mirror has it. */
export class RealGrub {
  readonly #directory = mkdtempSync(join(tmpdir(), 'linux-kexec-grub-'))
  readonly #modules: string
  /** grub-mkimage, started by the loader of its own suite, whose C library may be newer than this machine's. */
  readonly #program: readonly [string, ...string[]]
  /** As GRUB counts: '2.12'. */
  readonly version: string

  private constructor(modules: string, program: readonly [string, ...string[]], version: string) {
    this.#modules = modules
    this.#program = program
    this.version = version
  }

  /** @param suite of Debian; by default the machine's own. */
  static async open(suite?: string): Promise<RealGrub> {
    const suites = suite === undefined ? {} : { suites: [suite] }
    const mirror = await DebianMirror.open({ ...suites, progress: (message) => console.error(`  ${message}`) })
    const packages = await mirror.fetch(['grub-common', 'grub-pc-bin'], { dependencies: true })
    const packageOf = (name: string) => packages.find((entry) => entry.name === name)
    const directoryOf = (name: string) => packageOf(name)?.directory ?? ''
    const libraries = packages.flatMap(({ directory }) =>
      ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map((path) => join(directory, path)),
    )
    const loader = await packageFile(directoryOf('libc6'), 'lib64/ld-linux-x86-64.so.2')
    // Since 2.14 it is in a package of its own.
    const programs = ['grub2-common', 'grub-common'].map((name) => join(directoryOf(name), 'usr/bin/grub-mkimage'))
    const program = programs.find((path) => existsSync(path)) ?? ''
    return new RealGrub(
      join(directoryOf('grub-pc-bin'), 'usr/lib/grub/i386-pc'),
      [loader, '--library-path', libraries.join(':'), program],
      /^[\d.]+/.exec(packageOf('grub-pc-bin')?.version ?? '')?.[0] ?? '',
    )
  }

  /** Puts modules in a directory, those that this GRUB has, with the list that tells GRUB in which of them a command is. */
  layModules(directory: string, names: readonly string[]): void {
    mkdirSync(directory, { recursive: true })
    const there = names.filter((name) => existsSync(join(this.#modules, `${name}.mod`)))
    for (const name of there) cpSync(join(this.#modules, `${name}.mod`), join(directory, `${name}.mod`))
    const commands = readFileSync(join(this.#modules, 'command.lst'), 'utf8').split('\n')
    const kept = commands.filter((line) => there.includes(line.replace(/^.*: /, '')))
    writeFileSync(join(directory, 'command.lst'), `${kept.join('\n')}\n`)
  }

  close(): void {
    rmSync(this.#directory, { recursive: true })
  }

  /** Starts a machine with it. @returns when it said @ready; the caller stops it. */
  async start(setup: GrubSetup): Promise<RunningGrub> {
    const directory = mkdtempSync(join(this.#directory, 'machine-'))
    const disk = join(directory, 'disk')
    await this.writeDisk(disk, setup)
    const qemu = startQemu({
      ...{ accelerator: 'tcg', memory: 32, cpus: 1, survivesReset: false, direct: undefined },
      disks: [{ path: disk, readOnly: false }],
      // What GRUB writes, as save_env does, goes to a file that QEMU deletes; snapshots do too.
      extra: ['-snapshot'],
    })
    const grub = new RunningGrub(qemu, directory)
    try {
      await grub.ready()
    } catch (error) {
      await grub.stop()
      throw error
    }
    return grub
  }

  /** Writes a disk that the firmware boots it from. @param disk its path, in a directory that has nothing else */
  async writeDisk(disk: string, setup: GrubSetup): Promise<void> {
    const directory = dirname(disk)
    const tree = join(directory, 'tree')
    mkdirSync(tree)
    setup.layTree?.(tree)
    const boot = { sector: readFileSync(join(this.#modules, 'boot.img')), core: await this.#core(setup, directory) }
    writeBootDisk(disk, setup.plan, tree, boot)
  }

  async #core({ files, modules }: GrubSetup, directory: string): Promise<Buffer> {
    mkdirSync(join(directory, 'start'))
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, 'start', name), content)
    const memdisk = join(directory, 'memdisk.tar')
    const core = join(directory, 'core.img')
    await execute('tar', ['-C', directory, '-cf', memdisk, 'start'])
    const options = ['-O', 'i386-pc', '-d', this.#modules, '-m', memdisk, '-p', '(memdisk)/start', '-o', core]
    const [loader, ...program] = this.#program
    await execute(loader, [...program, ...options, 'biosdisk', 'memdisk', 'tar', 'serial', ...modules])
    return readFileSync(core)
  }
}

/** A machine whose GRUB waits for a line, and can be brought back to that moment. */
export class RunningGrub {
  readonly #qemu: QemuProcess
  readonly #directory: string
  readonly #console: Conversation
  readonly #monitor: Monitor

  constructor(qemu: QemuProcess, directory: string) {
    this.#qemu = qemu
    this.#directory = directory
    this.#console = new Conversation(qemu.console)
    this.#monitor = new Monitor(qemu.monitor)
  }

  async ready(): Promise<void> {
    await this.#console.expect('@ready')
    await this.#monitor.human('savevm ready')
  }

  /** Types a line at the moment when it said @ready. @returns what it says until `end`. */
  async answer(line: string, end: string | RegExp): Promise<string> {
    // It stands still until all that it said before has arrived here and is forgotten.
    await this.#monitor.human('stop')
    await this.#monitor.human('loadvm ready')
    await this.#console.delivered()
    this.#console.forget()
    this.#console.say(`${line}\r`)
    await this.#monitor.human('cont')
    return await this.#console.expect(end)
  }

  async stop(): Promise<void> {
    this.#qemu.kill('SIGKILL')
    await this.#qemu.exit
    rmSync(this.#directory, { recursive: true })
  }
}
