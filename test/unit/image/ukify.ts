import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { DebianMirror, packageFile } from '../../../src/vm/provision/debian.ts'

/** systemd's own tool that makes unified kernel images, and the stubs that it puts before them. */
export interface Ukify {
  /** Such as 257. */
  readonly version: number
  /** Directory with linuxx64.efi.stub, addonx64.efi.stub and systemd-bootx64.efi. */
  readonly stubs: string
  /** Runs it: ['--linux=…', …, '--output=…']. A UKI gets the stub, what has no kernel that of addons. */
  build(options: readonly string[]): void
}

/**
 * ukify as Debian's package of a suite has it, unpacked, with the Python that this machine has.
 * @returns a sentence when it cannot be had.
 */
export async function findUkify(suite: string): Promise<Ukify | string> {
  if (spawnSync('python3', ['--version']).status !== 0) return 'python3 is not installed'
  try {
    const mirror = await DebianMirror.open({ suites: [suite] })
    const wanted = ['systemd-ukify', 'systemd-boot-efi', 'python3-pefile']
    const packages = await mirror.fetch(wanted, { dependencies: false })
    const directory = (name: string) => packages.find((unpacked) => unpacked.name === name)?.directory ?? ''
    const program = await packageFile(directory('systemd-ukify'), 'bin/ukify')
    const stubs = join(directory('systemd-boot-efi'), 'usr/lib/systemd/boot/efi')
    const env = { ...process.env, PYTHONPATH: modulesDirectories(directory('python3-pefile')).join(delimiter) }
    const run = (args: readonly string[]) =>
      execFileSync('python3', ['-B', program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] }).toString()
    const version = Number(/^ukify (\d+)/.exec(run(['--version']))?.[1])
    const build = (options: readonly string[]) => {
      const stub = options.some((option) => option.startsWith('--linux=')) ? 'linux' : 'addon'
      run(['build', `--stub=${join(stubs, `${stub}x64.efi.stub`)}`, ...options])
    }
    return { version, stubs, build }
  } catch (error) {
    return `ukify of ${suite} cannot be had: ${(error as Error).message}`
  }
}

function modulesDirectories(directory: string): string[] {
  const python = join(directory, 'usr/lib')
  return readdirSync(python).map((name) => join(python, name, 'dist-packages'))
}
