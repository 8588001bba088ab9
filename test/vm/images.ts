import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Disk, type GuestKernel, type ImageEntry, writeCpio } from '../../src/vm/index.ts'
import { DebianMirror, packageFile } from '../../src/vm/provision/debian.ts'

const progress = (message: string) => console.error(`  ${message}`)

/** What a case loads, and what the machine must then be running. */
export interface MadeImage {
  /** The image, a file of the host. */
  readonly file: string
  /** The kernel that was put in. */
  readonly kernel: GuestKernel
  /** The initrd that belongs to it: in the image, or beside it. */
  readonly initrd: string
  readonly commandLine: string
  /** Files below /told of the initrds, by name. */
  readonly told: Readonly<Record<string, string>>
}

/** How an image is made, and how much of what it needs to boot is in it. */
export interface Recipe {
  readonly name: string
  readonly holds: 'kernel' | 'kernel and initrd' | 'all'
  /** The formats from the outside in. */
  readonly chain: readonly string[]
  /** Whether `second` and `microcode` are in it, too. */
  readonly extras?: true
  /** Given to the library from memory: whole, or as it comes from an HTTP server. Default: a file, to our command. */
  readonly given?: 'bytes' | 'stream'
  /** Number of the profile that is loaded. */
  readonly profile?: number
  /** Writes the image; `ingredients` says what goes into it. */
  make(shop: Workshop, ingredients: Ingredients): void
}

export interface Ingredients {
  /** Where the image is to be written. */
  readonly image: string
  /** The bzImage. */
  readonly kernel: string
  readonly release: string
  readonly initrd: string
  readonly commandLine: string
  /** A second initrd, and microcode: cpio archives that say so in /told. */
  readonly second: string
  readonly microcode: string
}

/**
 * First program of the initrds: keeps what the archives told in devtmpfs, which outlives the move to the root file system,
 * and goes on with the guest's own.
 */
const mark = `#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
mkdir /dev/told
for file in /told/*; do cat "$file" > "/dev/told/\${file##*/}"; done
busybox umount /dev
exec /init
`

/** Files of packages that are not installed. */
interface Programs {
  readonly stub: string
  readonly ukify: string
  readonly ukifyStub: string
  /** What profiles and addons are made of. */
  readonly addonStub: string
  readonly pythonPath: string
  /** One that knows version 4. */
  readonly mkbootimg: string
}

/** A directory where real programs make images. */
export class Workshop {
  readonly directory = mkdtempSync(join(tmpdir(), 'linux-kexec-images-'))
  readonly #programs: Programs

  private constructor(programs: Programs) {
    this.#programs = programs
  }

  /** Fetches what is not installed: systemd's stub of this suite; of stable, ukify with its stub, and mkbootimg. */
  static async open(): Promise<Workshop> {
    const [stub] = await (await DebianMirror.open({ progress })).fetch(['systemd-boot-efi'], { dependencies: false })
    const stable = await DebianMirror.open({ progress, suites: ['stable'] })
    const names = ['systemd-boot-efi', 'systemd-ukify', 'python3-pefile', 'mkbootimg']
    const packages = await stable.fetch(names, { dependencies: false })
    const directoryOf = (name: string) => packages.find((each) => each.name === name)?.directory ?? ''
    const stubOf = (directory: string) => packageFile(directory, 'lib/systemd/boot/efi/linuxx64.efi.stub')
    return new Workshop({
      stub: await stubOf(stub?.directory ?? ''),
      ukify: await packageFile(directoryOf('systemd-ukify'), 'bin/ukify'),
      ukifyStub: await stubOf(directoryOf('systemd-boot-efi')),
      addonStub: await packageFile(directoryOf('systemd-boot-efi'), 'lib/systemd/boot/efi/addonx64.efi.stub'),
      pythonPath: join(directoryOf('python3-pefile'), 'usr/lib/python3/dist-packages'),
      mkbootimg: await packageFile(directoryOf('mkbootimg'), 'bin/mkbootimg'),
    })
  }

  close(): void {
    rmSync(this.directory, { recursive: true })
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  write(name: string, content: string): string {
    writeFileSync(this.path(name), content)
    return this.path(name)
  }

  /** Runs a program in the directory. */
  run(program: string, ...args: readonly string[]): string {
    const env = { ...process.env, PYTHONPATH: this.#programs.pythonPath, PYTHONDONTWRITEBYTECODE: '1' }
    return execFileSync(program, args, {
      cwd: this.directory,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** Stubs for `ukify`: of an image, and of a part of one (a profile, an addon). */
  get stubs(): { readonly image: string; readonly part: string } {
    return { image: this.#programs.ukifyStub, part: this.#programs.addonStub }
  }

  ukify(stub: string, ...args: readonly string[]): void {
    this.run('python3', this.#programs.ukify, 'build', `--stub=${stub}`, ...args)
  }

  mkbootimg(...args: readonly string[]): void {
    this.run('python3', this.#programs.mkbootimg, ...args)
  }

  /** Compresses a file as a shell would, `program -c <from >to`. */
  compress(from: string, to: string, program: string, ...args: readonly string[]): string {
    const [input, output] = [openSync(from, 'r'), openSync(to, 'w')]
    try {
      execFileSync(program, [...args, '-c'], { stdio: [input, output, 'pipe'] })
    } finally {
      closeSync(input)
      closeSync(output)
    }
    return to
  }

  /** A PE file of systemd's stub with these sections behind its own, as the manual of systemd-stub shows. */
  addSections(image: string, sections: readonly (readonly [name: string, file: string])[]): void {
    const page = 4096
    const { stub } = this.#programs
    const rows = [...this.run('objdump', '-h', stub).matchAll(/^ +\d+ \S+ +([0-9a-f]+) +([0-9a-f]+)/gm)]
    let address = Math.max(...rows.map(([, size = '', at = '']) => Number.parseInt(at, 16) + Number.parseInt(size, 16)))
    const args = sections.flatMap(([name, file]) => {
      const at = Math.ceil(address / page) * page
      address = at + statSync(file).size
      const added = ['--add-section', `${name}=${file}`, '--set-section-flags', `${name}=data,readonly`]
      return [...added, '--change-section-vma', `${name}=0x${at.toString(16)}`]
    })
    this.run('objcopy', ...args, stub, image)
  }

  /** Makes a recipe's image of this kernel. */
  async make(recipe: Recipe, kernel: GuestKernel, number: number): Promise<MadeImage> {
    const { name } = recipe
    const profile = recipe.profile === undefined ? '' : ` profile=${recipe.profile}`
    const text = `${name} of ${kernel.release}`
    const files = {
      image: this.path(`image-${number}`),
      kernel: kernel.kernel,
      release: kernel.release,
      initrd: await this.#initrd(`initrd-${number}`, kernel.initrd, { image: text, order: 'first' }),
      second: await this.#initrd(`second-${number}`, null, { second: `second ${text}`, order: 'second' }),
      microcode: await this.#initrd(`microcode-${number}`, null, {
        microcode: `microcode ${text}`,
        order: 'microcode',
      }),
      commandLine: `console=ttyS0 panic=-1 loglevel=6 nokaslr no_timer_check rdinit=/mark image="${name}" number=${number}`,
    }
    recipe.make(this, files)
    const told = recipe.extras
      ? { image: text, second: `second ${text}`, microcode: `microcode ${text}`, order: 'second' }
      : { image: text, order: 'first' }
    return { file: files.image, kernel, initrd: files.initrd, commandLine: files.commandLine + profile, told }
  }

  /** An archive that tells; behind the guest's own initrd, where there is one to boot with. */
  async #initrd(name: string, base: string | null, told: Record<string, string>): Promise<string> {
    const path = this.path(name)
    const entries: ImageEntry[] = Object.entries(told).map(([file, data]) => ({ path: `/told/${file}`, data }))
    const directory: ImageEntry = { path: '/told', directory: true }
    const program: ImageEntry = { path: '/mark', data: mark, mode: 0o755 }
    await writeCpio(path, [directory, ...(base === null ? [] : [program]), ...entries])
    if (base !== null) writeFileSync(path, Buffer.concat([readFileSync(base), readFileSync(path)]))
    return path
  }
}

/** Bytes of a raw disk's block, for `dd`. */
const BLOCK = 1024 * 1024

/** A raw disk with files one after another, each at a multiple of a mebibyte, and how the guest gets at them. */
export class FileDisk {
  readonly disk: Disk
  readonly #places = new Map<string, { readonly block: number; readonly size: number }>()

  constructor(path: string, files: Iterable<string>) {
    this.disk = { path, serial: 'images' }
    const output = openSync(path, 'w')
    let block = 0
    for (const file of files) {
      const bytes = readFileSync(file)
      this.#places.set(file, { block, size: bytes.length })
      const padded = Buffer.alloc(Math.ceil(bytes.length / BLOCK) * BLOCK)
      bytes.copy(padded)
      writeFileSync(output, padded)
      block += padded.length / BLOCK
    }
    closeSync(output)
  }

  /** Shell for the guest that writes one of the files to `target`. */
  copy(file: string, target: string): string {
    const place = this.#places.get(file)
    if (place === undefined) throw new RangeError(`${file} is not on the disk`)
    const { block, size } = place
    const find = `for b in /sys/block/vd*; do [ "$(cat $b/serial)" = images ] && d=/dev/\${b##*/}; done`
    const count = Math.ceil(size / BLOCK)
    const check = `[ "$(stat -c %s ${target})" = ${size} ] || { ls -l ${target} $d; dmesg | tail; exit 99; } >&2`
    return `${find}; dd if=$d bs=${BLOCK} skip=${block} count=${count} | head -c ${size} > ${target}; ${check}`
  }
}
