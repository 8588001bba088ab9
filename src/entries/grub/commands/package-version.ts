/** The segments of name, version and release, for sorting many entries. */
export type ReleaseKey = readonly (readonly string[])[]

export function releaseKey(id: string): ReleaseKey {
  return partsOf(id).map(segmentsOf)
}

export function compareReleaseKeys(one: ReleaseKey, other: ReleaseKey): number {
  return one.reduce((order, part, index) => order || comparePart(part, other[index] ?? []), 0)
}

/**
 * Compares the names that Red Hat's GRUB sorts type 1 files by: of the form name-version-release, part by part.
 * @returns negative when `one` is older
 */
export function compareReleaseParts(one: string, other: string): number {
  return compareReleaseKeys(releaseKey(one), releaseKey(other))
}

/** Name, version and release, split at the last two hyphens; with one hyphen, name and version. */
function partsOf(id: string): [name: string, version: string, release: string] {
  const last = id.lastIndexOf('-')
  if (last < 0) return [id, '', '']
  const [before, release] = [id.slice(0, last), id.slice(last + 1)]
  const first = before.lastIndexOf('-')
  return first < 0 ? [before, release, ''] : [before.slice(0, first), before.slice(first + 1), release]
}

/**
 * rpm's order of versions: digits and letters alternate, digits count by value and above letters, and `~` is below
 * everything.
 */
function comparePart(a: readonly string[], b: readonly string[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const order = compareSegment(a[index], b[index])
    if (order !== 0) return order
  }
  return 0
}

function segmentsOf(part: string): readonly string[] {
  return part.match(/~|\d+|[a-zA-Z]+/g) ?? []
}

function compareSegment(one: string | undefined, other: string | undefined): number {
  if (one === other) return 0
  if (one === '~' || other === '~') return one === '~' ? -1 : 1
  if (one === undefined || other === undefined) return one === undefined ? -1 : 1
  const [isNumber, otherIsNumber] = [one, other].map((segment) => /^\d/.test(segment))
  if (isNumber !== otherIsNumber) return isNumber ? 1 : -1
  if (!isNumber) return one < other ? -1 : 1
  const [a, b] = [one, other].map((digits) => digits.replace(/^0+/, '')) as [string, string]
  if (a.length !== b.length) return a.length - b.length
  return a === b ? 0 : a < b ? -1 : 1
}
