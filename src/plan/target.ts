import { posix } from 'node:path'
import { type BootMenu, readBootMenu } from '../entries/discover.ts'
import type { BootEntry } from '../entries/entry.ts'
import { isName, selectEntry } from '../entries/select.ts'
import { KexecError } from '../errors.ts'
import type { System } from '../system/system.ts'
import type { Findings } from './decision.ts'
import type { PlanOptions } from './options.ts'

/** The kernel to load and what comes with it. `entry` is null when a file was named. */
export interface Target {
  readonly entry: BootEntry | null
  readonly kernel: string
  readonly initrds: readonly string[]
}

/**
 * Finds what is to be loaded: a boot entry, or the file that was named.
 * @throws KexecError 'no-such-entry', 'ambiguous-entry' or 'invalid-argument'
 */
export async function chooseTarget(system: System, options: PlanOptions, findings: Findings): Promise<Target> {
  const named = [options.entry, options.kernel, options.target].filter((option) => option !== undefined)
  if (named.length > 1) {
    throw invalid('entry, kernel and target exclude each other')
  }
  const path = options.kernel ?? options.target
  if (path !== undefined && saysEverything(options)) return fileTarget(system, options, [], path, findings)
  const menu = await readBootMenu({ system })
  const { entries } = menu
  const file = options.kernel ?? (isPath(options.target, entries) ? options.target : undefined)
  if (file !== undefined) return fileTarget(system, options, entries, file, findings)
  try {
    return entryTarget(options, selectEntry(entries, options.entry ?? options.target), menu, findings)
  } catch (error) {
    const path = options.target === undefined ? undefined : absolute(system, options.target)
    if (path === undefined || !system.exists(path)) throw error
    return fileTarget(system, options, entries, path, findings)
  }
}

/** Whether a kernel file is named with all that belongs to it, so that nothing need be looked for. */
function saysEverything(options: PlanOptions): boolean {
  const isFile = options.kernel !== undefined || /^\.{0,2}\//.test(options.target ?? '')
  const hasInitrds = options.noInitrd || (options.initrds ?? []).length > 0
  return isFile && hasInitrds && (options.commandLine !== undefined || options.reuseCommandLine === true)
}

/** Whether a target is a path. A slash tells so, except in what `list` shows: 'Debian GNU/Linux 12, …', 'modules/6.1.0'. */
function isPath(target: string | undefined, entries: readonly BootEntry[]): boolean {
  return target?.includes('/') === true && !isName(entries, target)
}

function entryTarget(options: PlanOptions, entry: BootEntry, menu: BootMenu, findings: Findings): Target {
  if (entry.kernel === null) {
    throw new KexecError(`the entry '${entry.title}' starts no Linux kernel`, {
      reason: 'not-a-kernel',
      path: entry.config,
      hint: `${entry.problems.join(' ')} Select another entry of \`linux-kexec list\`.`.trimStart(),
      refused: true,
    })
  }
  findings.decide('kernel', entry.kernel, `entry ${entry.id}: ${reasonFor(options, entry, menu)}`)
  if (entry.isDefault && isDefaultWanted(options)) for (const problem of menu.problems) findings.warn(problem)
  for (const problem of entry.problems) findings.warn(problem)
  if (entry.devicetree !== null)
    findings.warn(
      `the entry names the device tree ${entry.devicetree}, which kexec_file_load does not take: the new kernel gets the running one`,
    )
  const initrds = chooseInitrds(options, entry.initrds, 'they belong to the entry', findings)
  return { entry, kernel: entry.kernel, initrds }
}

function reasonFor(options: PlanOptions, entry: BootEntry, { entries, loaders }: BootMenu): string {
  const among = entries.length === 1 ? 'the only entry found' : `of ${entries.length} entries found`
  const selector = options.entry ?? options.target
  const why = loaders.find(({ inCharge }) => inCharge)?.reason
  const preset = `the boot loader's default${why == null ? '' : `, as ${why}`}`
  if (selector !== undefined) return `chosen by '${selector}'${selector === 'default' ? `, ${preset}` : ''}, ${among}`
  return `${entry.isDefault ? preset : 'the newest'}, as no entry was named; ${among}`
}

function isDefaultWanted(options: PlanOptions): boolean {
  return (options.entry ?? options.target ?? 'default') === 'default'
}

function fileTarget(
  system: System,
  options: PlanOptions,
  entries: readonly BootEntry[],
  file: string,
  findings: Findings,
): Target {
  const kernel = absolute(system, file)
  findings.decide('kernel', kernel, 'the file that was named')
  const initrds = chooseInitrds(options, [], '', findings)
  const sibling = entries.find((entry) => entry.kernel === kernel)
  if (sibling !== undefined && sibling.initrds.length > 0 && initrds.length === 0 && !options.noInitrd) {
    findings.warn(
      `no initrd was named, but ${sibling.initrds.join(' and ')} belongs to this kernel: give --initrd, or load the entry '${sibling.id}'`,
    )
  }
  return { entry: null, kernel, initrds: initrds.map((path) => absolute(system, path)) }
}

function chooseInitrds(
  options: PlanOptions,
  own: readonly string[],
  why: string,
  findings: Findings,
): readonly string[] {
  const given = options.initrds ?? []
  if (options.noInitrd && given.length > 0) throw invalid('--initrd and --no-initrd exclude each other')
  if (options.noInitrd) {
    findings.decide('initrd', 'none', 'asked for with --no-initrd')
    return []
  }
  if (given.length > 0) {
    findings.decide(
      'initrd',
      given.join(', '),
      `given with --initrd${own.length > 0 ? ", in place of the entry's own" : ''}`,
    )
    return given
  }
  if (own.length > 0)
    findings.decide('initrd', own.join(', '), own.length > 1 ? why : why.replace('they belong', 'it belongs'))
  else findings.decide('initrd', 'none', 'none was found or named')
  return own
}

function absolute(system: System, path: string): string {
  return posix.resolve(system.isLive ? process.cwd() : '/', path)
}

function invalid(summary: string): KexecError {
  return new KexecError(summary, { reason: 'invalid-argument', refused: true })
}
