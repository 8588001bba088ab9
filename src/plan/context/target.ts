import { posix } from 'node:path'
import type { BootMenu } from '../../entries/model/boot-menu.ts'
import type { BootEntry } from '../../entries/model/entry.ts'
import { compareKernelVersions } from '../../entries/names/version.ts'
import { isName, listed, selectEntry } from '../../entries/select.ts'
import { KexecError } from '../../errors.ts'
import type { ImageInput } from '../../image/inspect/input.ts'
import { fromCurrentDirectory } from '../../system/current-directory.ts'
import type { System } from '../../system/system.ts'
import type { Choice } from '../model/decision.ts'
import type { PlanOptions } from '../model/options.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { splitProfile } from '../unified/unified-kernel.ts'

/** The kernel to load, and the chosen boot entry; null when a kernel was given. */
export interface Target {
  readonly entry: BootEntry | null
  readonly kernel: ImageInput
  /** Which profile of a unified kernel image, or null. */
  readonly profile: number | null
  /** The entry with the named file, or null. */
  readonly sibling: BootEntry | null
  /** All that the machine can boot; null where it was not needed to find the kernel. */
  readonly menu: BootMenu | null
}

/**
 * Finds the kernel to load: a boot entry, or a named file.
 * @throws KexecError 'no-such-entry', 'ambiguous-entry' or 'invalid-argument'
 */
export async function chooseTarget(system: System, options: PlanOptions): Promise<Choice<Target>> {
  const named = [options.entry, options.kernel, options.target].filter((option) => option !== undefined)
  if (named.length > 1) {
    throw invalid('entry, kernel and target exclude each other')
  }
  if (options.kernel !== undefined && typeof options.kernel !== 'string') return inputTarget(options.kernel)
  const path = options.kernel ?? options.target
  if (path !== undefined && saysEverything(options)) return fileTarget(system, null, path)
  // The readers of all boot loaders' files take longer to load than the rest of a plan takes.
  const { readBootMenu } = await import('../../entries/discover.ts')
  const menu = await readBootMenu({ system })
  const { entries } = menu
  const file = options.kernel ?? (isPath(options.target, entries) ? options.target : undefined)
  if (file !== undefined) return fileTarget(system, menu, file)
  refuseUndecided(options, menu)
  try {
    return entryTarget(options, selectEntry(entries, options.entry ?? options.target), menu)
  } catch (error) {
    const { target } = options
    if (target === undefined || !isFile(system, target)) throw error
    return fileTarget(system, menu, target)
  }
}

/** Whether a kernel file is named with all its companions, so that the entries need not be read. */
function saysEverything(options: PlanOptions): boolean {
  const isFile = options.kernel !== undefined || /^\.{0,2}\//.test(options.target ?? '')
  const hasInitrds = options.noInitrd || (options.initrds ?? []).length > 0
  const commandLine = options.exactCommandLine ?? options.commandLine
  return isFile && hasInitrds && (commandLine !== undefined || options.reuseCommandLine === true)
}

function isFile(system: System, target: string): boolean {
  try {
    return system.exists(splitProfile(system, absolute(system, target)).path)
  } catch {
    return false
  }
}

/**
 * Whether a target is a path. A slash is the sign, except in names that `list` shows: 'Debian GNU/Linux 12, …',
 * 'modules/6.1.0'.
 */
function isPath(target: string | undefined, entries: readonly BootEntry[]): boolean {
  return target?.includes('/') === true && !isName(entries, target)
}

/**
 * @throws KexecError 'ambiguous-entry' when the boot loader's default is wanted, but unknown
 */
function refuseUndecided(options: PlanOptions, menu: BootMenu): void {
  const undecided = menu.loaders.find(({ inCharge }) => inCharge)?.undecided ?? null
  if (undecided === null || !isDefaultWanted(options)) return
  throw new KexecError(undecided, {
    reason: 'ambiguous-entry',
    hint: `Correct it, or load one of: ${candidates(menu)}.`,
    refused: true,
  })
}

/** The kernels that can be loaded in place of an entry that cannot. */
function candidates({ entries }: BootMenu): string {
  const kernels = entries.filter(({ kernel, passedOver }) => kernel !== null && passedOver === null)
  return kernels.length === 0 ? 'a kernel file' : listed(kernels.map(({ id }) => id))
}

function entryTarget(options: PlanOptions, entry: BootEntry, menu: BootMenu): Choice<Target> {
  if (entry.kernel === null) {
    throw new KexecError(`the entry '${entry.title}' does not start a Linux kernel`, {
      reason: 'not-a-kernel',
      path: entry.config,
      hint: `${entry.problems.map(({ text }) => text).join(' ')} Load one of: ${candidates(menu)}.`.trimStart(),
      refused: true,
    })
  }
  return chosen(
    { entry, kernel: entry.kernel, profile: entry.profile, sibling: null, menu },
    `entry ${entry.id}: ${reasonFor(options, entry, menu)}`,
    remarksOnEntry(options, entry, menu),
  )
}

function remarksOnEntry(options: PlanOptions, entry: BootEntry, menu: BootMenu): Remark[] {
  const { warning } = remarksOn('kernel')
  const menuProblems = entry.isDefault && isDefaultWanted(options) ? menu.problems : []
  const lost = `the entry names the device tree ${entry.deviceTree}: the new kernel gets the running one, which the boot loader has filled in`
  const isTreeLost = entry.deviceTree !== null && options.deviceTree === undefined
  return [
    ...(isNewestMeant(options, entry) ? newerOnes(entry, menu.entries) : []).map((text) =>
      warning('newer-passed-over', text),
    ),
    ...[...menuProblems, ...entry.problems].map(({ code, text }) => warning(code, text)),
    ...(isTreeLost ? [remarksOn('device tree').warning('device-tree-not-passed', lost)] : []),
  ]
}

function chosen(target: Target, reason: string, remarks: readonly Remark[] = []): Choice<Target> {
  return { value: target, decisions: [{ subject: 'kernel', choice: nameOf(target.kernel), reason }], remarks }
}

function reasonFor(options: PlanOptions, entry: BootEntry, { entries, loaders }: BootMenu): string {
  const among = entries.length === 1 ? 'the only entry found' : `one of ${entries.length} entries found`
  const selector = options.entry ?? options.target
  const why = loaders.find(({ inCharge }) => inCharge)?.reason
  const preset = `the boot loader's default${why == null ? '' : ` (${why})`}`
  if (selector !== undefined) return `chosen by '${selector}'${selector === 'default' ? `, ${preset}` : ''}, ${among}`
  return `${entry.isDefault ? preset : 'the newest'}, because no entry was named; ${among}`
}

/** The most entries that a plan names as passed over. */
const MOST_NAMED = 3

function isNewestMeant(options: PlanOptions, entry: BootEntry): boolean {
  const selector = options.entry ?? options.target
  return selector === 'newest' || (selector === undefined && !entry.isDefault)
}

/** A sentence about the entries of newer kernels, and why none of them is the newest; [] where there are none. */
function newerOnes(newest: BootEntry, entries: readonly BootEntry[]): string[] {
  const passed = entries.flatMap(({ id, kernel, version, passedOver, problems }) => {
    const reason = passedOver ?? (problems.length > 0 ? 'an entry with problems' : null)
    const isNewer = kernel !== null && compareKernelVersions(version ?? '', newest.version ?? '') > 0
    return isNewer && reason !== null ? [`${id} (${reason})`] : []
  })
  if (passed.length === 0) return []
  const more = passed.length > MOST_NAMED ? ` and ${passed.length - MOST_NAMED} more` : ''
  return [`newer kernels are passed over: ${passed.slice(0, MOST_NAMED).join(', ')}${more}`]
}

function isDefaultWanted(options: PlanOptions): boolean {
  return (options.entry ?? options.target ?? 'default') === 'default'
}

function fileTarget(system: System, menu: BootMenu | null, file: string): Choice<Target> {
  const { path: kernel, profile } = splitProfile(system, absolute(system, file))
  const which = profile === null ? '' : `, its profile ${profile}`
  const target = { entry: null, kernel, profile, sibling: entryOfFile(system, menu?.entries ?? [], kernel), menu }
  return chosen(target, `the file that was named${which}`)
}

/**
 * The entry whose kernel is this file, even under another name: /vmlinuz is a link to it, and bind mounts and hard
 * links have other paths.
 */
function entryOfFile(system: System, entries: readonly BootEntry[], path: string): BootEntry | null {
  const stats = system.stat(path)
  const isSame = (other: string) => {
    if (other === path) return true
    const { dev, ino } = system.stat(other) ?? {}
    return stats !== undefined && stats.dev === dev && stats.ino === ino
  }
  const own = entries.filter(({ kernel }) => kernel !== null && isSame(kernel))
  // Of several entries, one with an initrd shows what belongs to the kernel.
  return own.find(({ initrds }) => initrds.length > 0) ?? own[0] ?? null
}

/** A kernel that comes from no file system: only its bytes are known. */
function inputTarget(kernel: ImageInput): Choice<Target> {
  return chosen({ entry: null, kernel, profile: null, sibling: null, menu: null }, 'the kernel that was given')
}

/** The name of an input in a plan. */
export function nameOf(input: ImageInput): string {
  if (typeof input === 'string') return input
  if (input instanceof Uint8Array) return '(bytes)'
  return Symbol.asyncIterator in input ? '(stream)' : '(open file)'
}

/** A path given by the user, whose working directory is on the running machine. */
export function absolute(system: System, path: string): string {
  return system.isLive ? fromCurrentDirectory(path) : posix.resolve('/', path)
}

function invalid(summary: string): KexecError {
  return new KexecError(summary, { reason: 'invalid-argument', hint: 'Give one of them.', refused: true })
}
