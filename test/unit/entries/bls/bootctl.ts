import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DebianMirror, packageFile } from '../../../../src/vm/provision/debian.ts'

/** What `bootctl list --json=short` says of an entry. */
export interface BootctlEntry {
  readonly id: string
  readonly path: string
  readonly showTitle: string
  readonly version?: string
  readonly options?: string
  readonly linux?: string
  readonly efi?: string
  readonly initrd?: readonly string[]
}

export interface Bootctl {
  readonly program: string
  /** Directory with the libraries of its own version, or null for the machine's. */
  readonly libraries: string | null
}

/**
 * The real bootctl: this machine's, else Debian's as the harness unpacks it. It is not to be installed for a test: Debian's
 * package puts systemd-boot on the ESP when it is.
 * @returns a sentence when it cannot be had.
 */
export async function findBootctl(): Promise<Bootctl | string> {
  if (spawnSync('unshare', inNamespace('true')).status !== 0) return 'this user may not make mount namespaces'
  if (spawnSync('bootctl', ['--version']).status === 0) return { program: 'bootctl', libraries: null }
  try {
    const mirror = await DebianMirror.open()
    // Since Debian 13 it has a package of its own.
    const [holder = 'systemd-boot'] = await mirror.packageNames('systemd-boot-tools')
    const packages = await mirror.fetch([holder, 'libsystemd-shared'], { dependencies: false })
    const directory = (name: string) => packages.find((unpacked) => unpacked.name === name)?.directory ?? ''
    const libraries = join(directory('libsystemd-shared'), 'usr/lib')
    return {
      program: await packageFile(directory(holder), 'bin/bootctl'),
      libraries: join(libraries, readdirSync(libraries)[0] ?? '', 'systemd'),
    }
  } catch (error) {
    return `bootctl is not installed, and could not be fetched: ${(error as Error).message}`
  }
}

/**
 * What bootctl lists for an ESP and an extended boot loader partition. It insists on mount points, so both are copied to
 * file systems in a mount namespace of their own, with a /loader that is no symbolic link: FAT has none, and bootctl of Debian 13
 * refuses one. Paths in its answer begin with 'esp' or 'xbootldr'.
 */
export function bootctlList({ program, libraries }: Bootctl, esp: string, xbootldr: string | null): BootctlEntry[] {
  const { stdout, stderr, status } = spawnSync('unshare', inNamespace(script, program, esp, xbootldr ?? ''), {
    encoding: 'utf8',
    env: {
      ...process.env,
      SYSTEMD_RELAX_ESP_CHECKS: '1',
      SYSTEMD_RELAX_XBOOTLDR_CHECKS: '1',
      ...(libraries === null ? {} : { LD_LIBRARY_PATH: libraries }),
    },
  })
  if (status !== 0) throw new Error(`bootctl failed: ${stderr}`)
  // Version 252 prints one object a line, later ones an array.
  const text = stdout.trim().startsWith('[') ? stdout : `[${stdout.trim().split('\n').join(',')}]`
  return JSON.parse(text.replaceAll(/"\/[^"]*?\/(esp|xbootldr)([/"])/g, '"$1$2'))
}

const script = `
set -e
copy() {
  cp -r "$1/." "$2"
  if [ -L "$2/loader" ]; then rm "$2/loader"; cp -r "$(readlink -f "$1/loader")" "$2/loader"; fi
}
mount -t tmpfs none /mnt
mkdir /mnt/esp /mnt/xbootldr
mount -t tmpfs none /mnt/esp
copy "$2" /mnt/esp
if [ -n "$3" ]; then
  mount -t tmpfs none /mnt/xbootldr
  copy "$3" /mnt/xbootldr
  set -- "$1" --boot-path=/mnt/xbootldr
else
  set -- "$1"
fi
exec "$@" --esp-path=/mnt/esp --json=short list`

function inNamespace(command: string, ...parameters: string[]): string[] {
  const asUser = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  return [...asUser, '--mount', 'sh', '-c', command, 'sh', ...parameters]
}
