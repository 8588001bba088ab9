import { posix } from 'node:path'
import { parseCommandLine } from '../cmdline/index.ts'
import type { System } from '../system/system.ts'
import type { BootEntry } from './entry.ts'
import { isReplaced, isRescue } from './kernel-names.ts'
import type { FoundEntry } from './source.ts'
import { compareVersions, kernelVersionKey } from './version.ts'

/**
 * Puts entries in the order of `list`: newest kernel first, a replaced kernel (.old) behind its like, kernels of unknown
 * version after all others, rescue kernels last; equals stay in the order their sources gave. Marks the one that runs
 * and the newest.
 */
export function rank(found: readonly FoundEntry[], system: System): BootEntry[] {
  const ranked = found
    .map((entry) => ({ entry, key: entry.version === null ? null : kernelVersionKey(entry.version) }))
    .sort(
      (one, other) =>
        Number(isRescue(one.entry.kernel)) - Number(isRescue(other.entry.kernel)) ||
        compareKeys(other.key, one.key) ||
        Number(isReplaced(one.entry.kernel)) - Number(isReplaced(other.entry.kernel)),
    )
    .map(({ entry }) => entry)
  const running = runningOf(ranked, system)
  const newest = newestOf(ranked)
  return ranked.map((entry) => {
    const { problems, ...rest } = entry
    return { ...rest, isRunning: entry === running, isNewest: entry === newest, problems }
  })
}

/** Whether an entry is kept only as a way back: select() prefers another of the same version. */
export function isSpare(entry: { readonly kernel: string }): boolean {
  return isRescue(entry.kernel) || isReplaced(entry.kernel)
}

function compareKeys(one: string | null, other: string | null): number {
  if (one === null || other === null) return Number(one !== null) - Number(other !== null)
  return compareVersions(one, other)
}

/** The first without problems; a rescue kernel only when there is nothing else. */
function newestOf(ranked: readonly FoundEntry[]): FoundEntry | undefined {
  const candidates = ranked.filter(({ kernel }) => !isRescue(kernel))
  return candidates.find(({ problems }) => problems.length === 0) ?? candidates[0] ?? ranked[0]
}

/**
 * The entry of the running release. Several can have it (a rescue kernel, a copy): the one whose file the boot loader
 * named in BOOT_IMAGE, else the first that is not a spare one.
 */
function runningOf(ranked: readonly FoundEntry[], system: System): FoundEntry | undefined {
  const release = system.runningRelease()
  if (release === undefined) return undefined
  const candidates = ranked.filter(({ version }) => version === release)
  if (candidates.length < 2) return candidates[0]
  const image = parseCommandLine(system.runningCommandLine() ?? '').parameters.find(({ key }) => key === 'BOOT_IMAGE')
  const file = image?.value == null ? undefined : posix.basename(image.value)
  return (
    candidates.find(({ kernel }) => posix.basename(kernel) === file) ??
    candidates.find((entry) => !isSpare(entry)) ??
    candidates[0]
  )
}
