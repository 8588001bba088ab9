import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { KexecError } from '../../errors.ts'
import { filesOfProgram, locateProgram } from '../../program.ts'
import { System } from '../../system/system.ts'
import { NODE, ownNode } from '../../vm/guest/node.ts'
import { writeCpio } from '../../vm/initramfs/cpio.ts'
import { FileTree } from '../../vm/initramfs/tree.ts'
import { CONFIGURATION, type GuestCommand, initConfiguration, initOverlay, initProgram, PROGRAM } from '../init/init.ts'

/** The places of the plan's files, and of our package, in the initrd of the loading kernel. */
const PLAN = '/plan'
const KERNEL = `${PLAN}/kernel`
const INITRD = `${PLAN}/initrd`
const PACKAGE = '/linux-kexec'

/** For the kernels between the first and the last: their first process, its work in each, and an empty directory. */
const BETWEEN = { program: `${PLAN}/first-process`, works: `${PLAN}/works`, empty: `${PLAN}/empty` }

/** Where the kernels between have all this: beside the contents of the plan's own initrd, not among them. */
const ROOT = '/linux-kexec-rehearsal.root'

/** Directories of the initrd that hold nothing to pass on. */
const passing = new Set(['dev', 'proc', 'sys', 'tmp', 'run', 'root'])

/** What the loading kernel is to load. */
export interface CarriedPlan {
  /** Files of the host, with the bytes of the plan. */
  readonly kernel: string
  readonly initrd: string | null
  readonly commandLine: string
  /** The command line of the kernels between the first and the last. */
  readonly between: string
  readonly engine: 'file' | 'segments'
  readonly fast: boolean
  readonly tryAnyway: boolean
}

export interface Loading {
  readonly plan: CarriedPlan
  /** The name of the architecture in kernel images. */
  readonly architecture: string
  /** The serial port of the reports. */
  readonly port: string
  /** The words of the reports of the loading kernel, and of those between that and the last. */
  readonly words: { readonly loading: string; readonly between: string }
  /** How many kexecs there are in a row. */
  readonly count: number
}

/**
 * Writes the initrd of the loading kernel: the first process, the Node of this machine with its libraries, this package, and
 * the files of the plan. Nothing of a distribution.
 * @throws KexecError 'not-found' for a command that was not built
 */
export async function writeLoadingInitrd(file: string, loading: Loading): Promise<void> {
  const { plan, architecture, port, words, count } = loading
  const tree = await toolTree()
  tree.add({ path: KERNEL, source: plan.kernel })
  if (plan.initrd !== null) tree.add({ path: INITRD, source: plan.initrd })
  const passed = topsOf(tree)
  if (count > 1) {
    tree.add({ path: BETWEEN.empty, directory: true })
    tree.add({ path: BETWEEN.program, data: initProgram(architecture), mode: 0o755 })
  }
  for (let number = 1; number < count; number++) {
    const commands = commandsFor(loading, number, passed)
    const data = initConfiguration({ word: words.between, port, root: ROOT, commands })
    tree.add({ path: `${BETWEEN.works}/${number}`, data, mode: 0o600 })
  }
  const commands = commandsFor(loading, 0, passed)
  for (const { source, destination, mode } of initOverlay(architecture, { word: words.loading, port, commands }))
    tree.add({ path: destination as string, data: source as Uint8Array, mode: mode ?? 0o644 })
  for (const name of passing) tree.add({ path: `/${name}`, directory: true })
  // The kernel opens it before the first process can mount anything.
  tree.add({ path: '/dev/console', device: { type: 'character', major: 5, minor: 1 } })
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

/** The names in the root directory. */
function topsOf(tree: FileTree): string[] {
  const tops = new Set(tree.entries().map(({ path }) => path.split('/')[1] as string))
  return [...tops].filter((name) => !passing.has(name))
}

/** What a kernel runs: the load of the next one, and the jump to it. @param number of the kernel, 0 for the loading one */
function commandsFor({ plan, count }: Loading, number: number, passed: readonly string[]): GuestCommand[] {
  const command = [NODE, `${PACKAGE}/dist/linux-kexec.cjs`]
  const initrd = plan.initrd === null ? ['--no-initrd'] : ['--initrd', INITRD]
  const flags = [...(plan.fast ? ['--fast'] : []), ...(plan.tryAnyway ? ['--try-anyway'] : [])]
  const isLast = number === count - 1
  const overlays: readonly (readonly [source: string, destination: string])[] = isLast
    ? []
    : [
        [BETWEEN.program, PROGRAM],
        [`${BETWEEN.works}/${number + 1}`, CONFIGURATION],
        ...passed.map((name) => [`/${name}`, `${ROOT}/${name}`] as const),
        ...['root', 'run'].map((name) => [BETWEEN.empty, `${ROOT}/${name}`] as const),
      ]
  const line = `--command-line=${isLast ? plan.commandLine : plan.between}`
  const how = [...overlays.map(([from, to]) => `--overlay=${from}:${to}`), '--engine', plan.engine, ...flags, '--json']
  return [
    { output: 'report', words: [...command, 'load', KERNEL, ...initrd, line, ...how] },
    { output: 'report', words: [...command, 'exec', '--no-sync'] },
  ]
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
