import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { ImageEntry } from '../../src/vm/initramfs/cpio.ts'
import { DebianMirror } from '../../src/vm/provision/debian.ts'

/** Where the real kexec lies in a guest: only to compare with, no script finds it. */
export const realKexec = '/opt/kexec-tools/kexec'

/** Debian's only suite with kexec-tools 2.0.32, whose interface is ours; older ones load with kexec_load by default. */
const SUITE = 'unstable'

/** The real kexec-tools with the libraries of its own suite: the guest's are too old for it. */
export async function kexecTools(): Promise<ImageEntry[]> {
  const mirror = await DebianMirror.open({ suites: [SUITE] })
  const packages = await mirror.fetch(['kexec-tools'], { dependencies: true })
  const entries = packages.flatMap(({ directory }) => librariesOf(directory))
  const directory = packages.find(({ name }) => name === 'kexec-tools')?.directory ?? ''
  const program = ['usr/sbin/kexec', 'sbin/kexec'].map((path) => join(directory, path)).find((path) => existsSync(path))
  if (program === undefined) throw new Error(`${SUITE} has no kexec-tools with a kexec`)
  const library = '/opt/kexec-tools/lib'
  const call = `exec ${library}/ld-linux-x86-64.so.2 --library-path ${library} ${realKexec}.program "$@"`
  return [
    ...entries.map((entry) => ({ ...entry, path: join(library, entry.path) })),
    { path: `${realKexec}.program`, source: program, mode: 0o755 },
    { path: realKexec, data: `#!/bin/sh\n${call}\n`, mode: 0o755 },
  ]
}

/** The shared libraries of a package, without its plug-ins. */
function librariesOf(directory: string): ImageEntry[] {
  const below = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map((path) => join(directory, path))
  return below
    .filter((path) => existsSync(path))
    .flatMap((path) =>
      readdirSync(path)
        .filter((name) => /\.so(\.|$)/.test(name))
        .map((name): ImageEntry => {
          const file = join(path, name)
          if (lstatSync(file).isSymbolicLink()) return { path: name, link: readlinkSync(file) }
          return { path: name, source: file, mode: 0o755 }
        }),
    )
}
