import { posix } from 'node:path'
import { lastParameter } from '../cmdline/index.ts'
import { loaderVariable } from '../system/efi-variables.ts'
import type { System } from '../system/system.ts'
import type { BootEntry, Source } from './entry.ts'
import { isReplaced, isRescue } from './kernel-names.ts'
import { type MergedEntry, sameCommandLine } from './merge.ts'
import { compareVersions, kernelVersionKey } from './version.ts'

/** Kernels that merely lie somewhere have no order of their own. */
const unordered: readonly Source[] = ['boot-dir', 'modules-dir', 'build-tree']

/**
 * Puts entries in the order of `list` and marks the one that runs and the newest. What boot loaders tell stays in their
 * order; after it the other kernels, newest first, a replaced kernel (.old) behind its like, kernels of unknown version
 * after all others, rescue kernels last.
 */
export function rank(found: readonly MergedEntry[], system: System): BootEntry[] {
  const keyed = found.map((entry) => ({ entry, key: entry.version === null ? null : kernelVersionKey(entry.version) }))
  const ranked = [
    ...keyed.filter(({ entry }) => !unordered.includes(entry.source)),
    ...keyed.filter(({ entry }) => unordered.includes(entry.source)).sort(byVersion),
  ].map(({ entry }) => entry)
  const running = runningOf(ranked, system)
  const newest = newestOf(keyed)
  return ranked.map((entry) => {
    const { problems, uncertain: _, ...rest } = entry
    return { ...rest, isRunning: entry === running, isNewest: entry === newest, problems }
  })
}

interface Keyed {
  readonly entry: MergedEntry
  readonly key: string | null
}

/** Newest first; equals stay in their order. */
function byVersion(one: Keyed, other: Keyed): number {
  return (
    Number(isRescue(one.entry.kernel)) - Number(isRescue(other.entry.kernel)) ||
    compareKeys(other.key, one.key) ||
    Number(isReplaced(one.entry.kernel)) - Number(isReplaced(other.entry.kernel))
  )
}

/** Whether an entry is kept only as a way back, or for repairs: select() prefers another of the same version. */
export function isSpare(entry: Pick<BootEntry, 'kernel' | 'cmdline'>): boolean {
  return isRescue(entry.kernel) || isReplaced(entry.kernel) || isRecovery(entry)
}

/** Whether the command line asks for a single user, a rescue or an emergency shell: GRUB's "(recovery mode)". */
function isRecovery({ cmdline }: Pick<BootEntry, 'cmdline'>): boolean {
  return (
    cmdline !== null &&
    /(?:^| )(?:single|recovery|rescue|emergency|systemd\.unit=(?:rescue|emergency)\.target)(?: |$)/.test(cmdline)
  )
}

function compareKeys(one: string | null, other: string | null): number {
  if (one === null || other === null) return Number(one !== null) - Number(other !== null)
  return compareVersions(one, other)
}

/** The first of the newest version without problems; a rescue kernel or a recovery mode only when there is nothing else. */
function newestOf(keyed: readonly Keyed[]): MergedEntry | undefined {
  const kernels = keyed.filter(({ entry }) => entry.kernel !== null)
  const proper = kernels.filter(({ entry }) => !isRescue(entry.kernel) && !isRecovery(entry))
  const sound = proper.filter(({ entry }) => entry.problems.length === entry.uncertain)
  const candidates = [sound, proper, kernels, keyed].find(({ length }) => length > 0) ?? []
  return candidates.reduce<Keyed | undefined>(
    (newest, other) => (newest !== undefined && byVersion(newest, other) <= 0 ? newest : other),
    undefined,
  )?.entry
}

/**
 * The entry of the running release. Several can have it (a recovery mode, a rescue kernel, a copy): the one that
 * systemd-boot says it started, else those of the file that the boot loader named in BOOT_IMAGE, and of these the one
 * with the running command line, else the first that is not a spare one.
 */
function runningOf(ranked: readonly MergedEntry[], system: System): MergedEntry | undefined {
  const release = system.runningRelease()
  if (release === undefined) return undefined
  const candidates = ranked.filter(({ version }) => version === release)
  if (candidates.length < 2) return candidates[0]
  const selected = loaderVariable(system, 'LoaderEntrySelected')
  const commandLine = system.runningCommandLine() ?? ''
  const image = lastParameter(commandLine, 'BOOT_IMAGE')
  const file = image?.value == null ? undefined : posix.basename(image.value)
  const named = candidates.filter(({ kernel }) => kernel !== null && posix.basename(kernel) === file)
  const likely = named.length > 0 ? named : candidates
  return (
    candidates.find(({ id }) => id === selected) ??
    likely.find(({ cmdline }) => cmdline !== null && sameCommandLine(cmdline, commandLine)) ??
    likely.find((entry) => !isSpare(entry)) ??
    likely[0]
  )
}
