import { posix } from 'node:path'
import { lastParameter } from '../cmdline/look-up.ts'
import { loaderVariable } from '../system/efi-variables.ts'
import type { System } from '../system/system.ts'
import { type MergedEntry, sameCommandLine } from './merge.ts'
import type { BootEntry, BootSource } from './model/entry.ts'
import { isReplaced, isRescue } from './names/kernel-names.ts'
import { isRecovery, isSpare } from './names/spare.ts'
import { compareVersions, kernelVersionKey } from './names/version.ts'

/** Kernels without a configuration have no order of their own. */
const unordered: readonly BootSource[] = ['boot-dir', 'modules-dir', 'build-tree']

/**
 * Puts entries in the order of `list` and marks the one that runs and the newest. Boot loaders' entries keep their
 * order. The other kernels follow, newest first: a replaced kernel (.old) behind others of its version, then kernels of
 * unknown version, then rescue kernels.
 */
export function rank(found: readonly MergedEntry[], system: System, isInstalled = true): BootEntry[] {
  const keyed = found.map((entry) => ({ entry, key: entry.version === null ? null : kernelVersionKey(entry.version) }))
  const ranked = [
    ...keyed.filter(({ entry }) => !unordered.includes(entry.source)),
    ...keyed.filter(({ entry }) => unordered.includes(entry.source)).sort(byVersion),
  ].map(({ entry }) => entry)
  const running = runningOf(ranked, system)
  const passed = passedOver(found, isInstalled)
  const newest = newestOf(keyed, passed)
  return ranked.map((entry) => {
    const { problems, uncertain: _, otherSystem: __, isSnapshot: ___, ...rest } = entry
    const passedOver = entry === newest ? null : (passed.get(entry)?.reason ?? null)
    return { ...rest, isRunning: entry === running, isNewest: entry === newest, passedOver, problems }
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

function compareKeys(one: string | null, other: string | null): number {
  if (one === null || other === null) return Number(one !== null) - Number(other !== null)
  return compareVersions(one, other)
}

/** Why an entry is passed over for `newest`: it starts another system, or is kept for repairs. */
interface PassedOver {
  readonly kind: 'other system' | 'spare'
  /** To complete a sentence about the entry. */
  readonly reason: string
}

/**
 * Any other entry may be the newest.
 * @param isInstalled whether there is evidence of an installed system: on a live medium all entries start the live
 *   system
 */
function passedOver(found: readonly MergedEntry[], isInstalled: boolean): ReadonlyMap<MergedEntry, PassedOver> {
  const kernels = found.filter(({ kernel }) => kernel !== null)
  const ofThisSystem = kernels.filter(({ otherSystem }) => otherSystem === null)
  const isMedium = ofThisSystem.length === 0 && !isInstalled
  const own = isMedium ? kernels : ofThisSystem
  // Where all look like snapshots, the running system is one of them.
  const hasProper = own.some(({ isSnapshot }) => !isSnapshot)
  const passed = new Map<MergedEntry, PassedOver>()
  for (const entry of found) {
    if (entry.kernel === null) continue
    const { otherSystem } = entry
    if (otherSystem !== null && !isMedium) passed.set(entry, { kind: 'other system', reason: otherSystem })
    else if (entry.isSnapshot && hasProper) passed.set(entry, { kind: 'other system', reason: 'a snapshot' })
    else if (isRescue(entry.kernel)) passed.set(entry, { kind: 'spare', reason: 'a rescue kernel' })
    else if (isRecovery(entry)) passed.set(entry, { kind: 'spare', reason: 'a recovery mode' })
  }
  return passed
}

/**
 * The first of the newest version without problems; a rescue kernel or a recovery mode only when there is no other.
 * Undefined when all kernels belong to other systems.
 */
function newestOf(keyed: readonly Keyed[], passed: ReadonlyMap<MergedEntry, PassedOver>): MergedEntry | undefined {
  const kernels = keyed.filter(({ entry }) => entry.kernel !== null)
  const proper = kernels.filter(({ entry }) => !passed.has(entry))
  const sound = proper.filter(({ entry }) => entry.problems.length === entry.uncertain)
  const spare = kernels.filter(({ entry }) => passed.get(entry)?.kind === 'spare')
  const candidates = [sound, proper, spare, kernels.length > 0 ? [] : keyed].find(({ length }) => length > 0) ?? []
  const compare = (one: Keyed, other: Keyed) =>
    byVersion(one, other) || Number(isFallback(one.entry)) - Number(isFallback(other.entry))
  return candidates.reduce<Keyed | undefined>(
    (newest, other) => (newest !== undefined && compare(newest, other) <= 0 ? newest : other),
    undefined,
  )?.entry
}

/** Arch's second initrd of a kernel, with every module in it. */
function isFallback({ initrds }: MergedEntry): boolean {
  return initrds.some((path) => /-fallback(?:\.img)?$/.test(path))
}

/**
 * The entry of the running release. Several can have it (a recovery mode, a rescue kernel, a copy). The choice falls on
 * the one that systemd-boot reports to have started, else on those with the file that the boot loader named in
 * BOOT_IMAGE; of these on the one with the running command line, else the first that is not a spare.
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
    likely.find((entry) => entry.commandLine !== null && sameCommandLine(entry.commandLine, commandLine)) ??
    likely.find((entry) => !isSpare(entry)) ??
    likely[0]
  )
}
