import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSetupHeader } from '../../../src/image/model/setup-header.ts'
import { layMachine } from '../engine/layout/machines.ts'
import type { Tree } from '../entries/tree.ts'
import { bookworm, configuration, machine } from '../policy/machines.ts'
import { debian, makeMachine } from './debian.ts'

/** A Debian machine with 1 GiB whose kernel has both calls. */
export function machineWith(...changes: Tree[]): string {
  const x86: Tree = { '/proc/sys/kernel/arch': { text: 'x86_64\n' } }
  const root = makeMachine({ ...debian, ...machine(bookworm, x86, ...changes) })
  layMachine(root, 'bios-6.1')
  return root
}

/** Its kernel is built without one of the calls, as distributions build kernels for other architectures. */
export function withoutOption(option: string): Tree {
  const text = configuration(bookworm).replace(`${option}=y`, `# ${option} is not set`)
  return { [`/boot/config-${bookworm}`]: { text } }
}

/** Begins the compressed kernel in an image with these bytes, since the fixtures are cut off before it. The real ones have lz4. */
export function beginPayload(image: string, hex = '02214c18'): void {
  const bytes = readFileSync(image)
  bytes.write(hex, readSetupHeader(bytes).payload?.offset ?? 0, 'hex')
  writeFileSync(image, bytes)
}

/** What a CPU can do, as /proc/cpuinfo lists it. */
export function cpuFlags(names: string): Tree {
  return { '/proc/cpuinfo': { text: `processor\t: 0\nflags\t\t: fpu ${names}\n` } }
}

/** A root directory with a Debian kernel whose compressed payload can be told. */
export function withPayload(root: string, release: string, hex?: string): string {
  beginPayload(join(root, `boot/vmlinuz-${release}`), hex)
  return root
}
