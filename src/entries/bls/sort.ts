import { compareVersions } from '../names/version.ts'
import type { LoaderEntry } from './loader-entry.ts'

/**
 * The order of systemd-boot's menu (Boot Loader Specification, "Sorting"): entries without tries left last; then those
 * with a sort-key, by sort-key, machine-id and version, the newest first; then those without, by id, the highest first.
 */
export function compareLoaderEntries(one: LoaderEntry, other: LoaderEntry): number {
  const order =
    Number(one.count?.left === 0) - Number(other.count?.left === 0) ||
    Number(one.sortKey === null) - Number(other.sortKey === null) ||
    (one.sortKey === null ? 0 : compareByKeys(one, other))
  if (order !== 0) return order
  return (
    compareVersions(fileId(other), fileId(one)) ||
    compareText(fileId(other), fileId(one)) ||
    one.profile - other.profile ||
    compareCounts(one, other)
  )
}

function compareByKeys(one: LoaderEntry, other: LoaderEntry): number {
  return (
    compareText(one.sortKey, other.sortKey) ||
    compareText(one.machineId, other.machineId) ||
    compareVersions(other.version ?? '', one.version ?? '')
  )
}

/** Of two equal entries, the one with more tries left, then the one with fewer tries done. */
function compareCounts(one: LoaderEntry, other: LoaderEntry): number {
  if (one.count === null || other.count === null) return 0
  return other.count.left - one.count.left || one.count.done - other.count.done
}

/** systemd-boot compares ids in lower case, and the profiles of one image by the image's id. */
function fileId({ id, profile }: LoaderEntry): string {
  const at = profile === 0 ? -1 : id.lastIndexOf('@')
  return (at < 0 ? id : id.slice(0, at)).toLowerCase()
}

/** By code units; an absent value comes first. */
function compareText(one: string | null, other: string | null): number {
  if (one === other) return 0
  if (one === null || other === null) return one === null ? -1 : 1
  return one < other ? -1 : 1
}
