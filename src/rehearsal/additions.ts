import { appendParameters, removeParameter } from '../cmdline/edit.ts'
import { hasParameter, parametersNamed } from '../cmdline/look-up.ts'
import { parseCommandLine, printCommandLine } from '../cmdline/parse.ts'
import type { InitrdOverlay } from '../initrd/overlay.ts'
import type { PlanAdditions } from '../plan/context/context.ts'
import type { LoadPlan } from '../plan/load-plan.ts'
import type { Architecture } from '../vm/machine/architectures.ts'
import { SHELL, shellFor } from './guest/shell.ts'
import { initOverlay, initParameter } from './init/init.ts'
import type { RehearseOptions } from './model/options.ts'

/** Since Linux 6.8 the initrd is in /sys/firmware then. */
const RETAIN = 'retain_initrd'

export interface Circumstances {
  readonly options: Pick<RehearseOptions, 'init' | 'expect' | 'withInitrdInit' | 'signal'>
  readonly bare: Pick<LoadPlan, 'commandLine' | 'initrdTree'>
  readonly architecture: Architecture
  /** Its name in kernel images. */
  readonly name: string
  readonly accelerator: 'kvm' | 'tcg'
  /** The word of the last kernel's report. */
  readonly word: string
}

/** What the rehearsal adds to the plan so that it sees how far the new kernel came. */
export async function additionsFor(circumstances: Circumstances): Promise<PlanAdditions> {
  const { options, bare, architecture, name, accelerator, word } = circumstances
  const planned = parseCommandLine(bare.commandLine)
  const append = [
    // A kernel that has no console= prints to a screen, and there is none.
    ...(hasParameter(planned, 'console') ? [] : [`console=${architecture.console}`]),
    ...(accelerator === 'tcg' ? (architecture.parameters ?? []) : []),
    ...(options.expect === undefined ? [initParameter, RETAIN] : []),
  ]
  if (options.expect !== undefined) return { append, overlay: [] }
  const init = options.withInitrdInit ? ownInit(bare) : undefined
  const { files, commands } = await commandInShell(circumstances)
  const overlay: InitrdOverlay[] = initOverlay(name, { word, port: architecture.control, init, commands })
  return { append, overlay: [...overlay, ...files] }
}

/** The path of the initrd's own init. */
export function ownInit({ commandLine }: Pick<LoadPlan, 'commandLine'>): string {
  return parametersNamed(parseCommandLine(commandLine), 'rdinit').at(-1)?.value ?? '/init'
}

/** The command of `init`, and the shell that it needs. */
async function commandInShell({ options: { init, signal }, bare }: Circumstances) {
  if (init === undefined) return { files: [], commands: [] }
  const { files, preparations } = await shellFor(await bare.initrdTree(signal))
  const commands = [...preparations, [SHELL, '-c', init]].map((words) => ({ output: 'console' as const, words }))
  return { files, commands }
}

/**
 * The command line of a kernel between the first and the last. It keeps no initrd: that has Node and the plan's files, and all of
 * it would have to be held in memory, and summed up. @param commandLine of the last, with everything that was added
 */
export function commandLineBetween(commandLine: string): string {
  const line = removeParameter(parseCommandLine(commandLine), RETAIN)
  return printCommandLine(appendParameters(line, initParameter))
}

/** The command line of the kernel that loads the plan. */
export function loadingCommandLine(
  architecture: Architecture,
  accelerator: 'kvm' | 'tcg',
  lockdown: RehearseOptions['lockdown'],
): string {
  const emulated = accelerator === 'tcg' ? (architecture.parameters ?? []) : []
  const locked = lockdown === undefined ? [] : [`lockdown=${lockdown}`]
  const own = [`console=${architecture.console}`, 'panic=-1', 'loglevel=6', 'nokaslr', initParameter]
  return [...own, ...emulated, ...locked].join(' ')
}
