import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { KexecError } from '../../errors.ts'
import type { InitrdOverlay } from '../../initrd/overlay.ts'
import { filesOfProgram, locateProgram } from '../../program.ts'
import { System } from '../../system/system.ts'
import { NODE, ownNode } from '../../vm/guest/node.ts'
import { writeCpio } from '../../vm/initramfs/cpio.ts'
import { FileTree } from '../../vm/initramfs/tree.ts'

/** The places of the plan's files, and of our package, in the initrd of the loading kernel. */
const KERNEL = '/plan/kernel'
const INITRD = '/plan/initrd'
const PACKAGE = '/linux-kexec'

/** What the loading kernel is to load. */
export interface CarriedPlan {
  /** Files of the host, with the bytes of the plan. */
  readonly kernel: string
  readonly initrd: string | null
  readonly commandLine: string
  readonly engine: 'file' | 'segments'
  readonly fast: boolean
  readonly tryAnyway: boolean
}

/** The command of the guest that loads the plan, and the one that makes the jump. */
export function commandsFor(plan: CarriedPlan): readonly [load: readonly string[], jump: readonly string[]] {
  const command = [NODE, `${PACKAGE}/dist/linux-kexec.cjs`]
  const initrd = plan.initrd === null ? ['--no-initrd'] : ['--initrd', INITRD]
  const flags = [...(plan.fast ? ['--fast'] : []), ...(plan.tryAnyway ? ['--try-anyway'] : [])]
  const how = ['--engine', plan.engine, ...flags]
  return [
    [...command, 'load', KERNEL, ...initrd, `--command-line=${plan.commandLine}`, ...how, '--json'],
    [...command, 'exec', '--no-sync'],
  ]
}

/**
 * Writes the initrd of the loading kernel: the first process, the Node of this machine with its libraries, this package, and
 * the files of the plan. Nothing of a distribution.
 * @throws KexecError 'not-found' for a command that was not built
 */
export async function writeLoadingInitrd(
  file: string,
  plan: CarriedPlan,
  init: readonly InitrdOverlay[],
): Promise<void> {
  const tree = await toolTree()
  for (const { source, destination, mode } of init)
    tree.add({ path: destination as string, data: source as Uint8Array, mode: mode ?? 0o644 })
  for (const path of ['/dev', '/proc', '/sys', '/tmp', '/run', '/root']) tree.add({ path, directory: true })
  // The kernel opens it before the first process can mount anything.
  tree.add({ path: '/dev/console', device: { type: 'character', major: 5, minor: 1 } })
  tree.add({ path: KERNEL, source: plan.kernel })
  if (plan.initrd !== null) tree.add({ path: INITRD, source: plan.initrd })
  await writeCpio(file, tree.entries())
}

/** SHA-256, in hex, of the tools that every guest gets: Node with its libraries, and this package. @throws KexecError as above */
export async function toolHash(): Promise<string> {
  return (await toolTree()).hash()
}

async function toolTree(): Promise<FileTree> {
  const tree = new FileTree()
  for (const entry of await ownNode()) tree.add(entry)
  await addPackage(tree)
  return tree
}

/** The command, the parts that it loads when they are needed, and the addon. */
async function addPackage(tree: FileTree): Promise<void> {
  const program = locateProgram(new System())
  if (program === undefined) {
    throw new KexecError('the command linux-kexec was not built, and the guest needs it', {
      reason: 'not-found',
      hint: 'In a checkout of the sources: npm run compile.',
      refused: true,
    })
  }
  const directory = posix.dirname(posix.dirname(program.command))
  const place = (path: string) => `${PACKAGE}/${posix.relative(directory, path)}`
  const files = filesOfProgram(program).filter((path) => path !== program.node && existsSync(path))
  for (const path of files) tree.add({ path: place(path), source: path, mode: 0o755 })
  const parts = posix.join(posix.dirname(program.command), 'cli')
  await tree.addDirectory(parts, place(parts))
}
