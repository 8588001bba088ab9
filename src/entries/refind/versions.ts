/**
 * The version that rEFInd finds in the name of a file (FindNumbers in refind/mystrings.c): from the first digit to the
 * last, and the first of `extra_kernel_version_strings` in it. Null: none.
 */
export function versionIn(name: string, extraVersions: readonly string[]): string | null {
  const extra = extraVersions.find((version) => name.includes(version))
  const first = name.search(/\d/)
  const at = extra === undefined ? -1 : name.indexOf(extra)
  if (first < 0 && at < 0) return null
  const lastDigit = lastDigitOf(name)
  const start = at < 0 ? first : first < 0 ? at : Math.min(at, first)
  const end = Math.max(lastDigit, extra === undefined ? -1 : at + extra.length - 1)
  return name.slice(start, end + 1)
}

function lastDigitOf(name: string): number {
  let last = name.length - 1
  while (last >= 0 && !/\d/.test(name[last] as string)) last--
  return last
}

/**
 * The initrd that rEFInd loads with a kernel of the same directory (FindInitrd in refind/linux.c). It is one of those
 * named `init…` or `booster…` with the kernel's version, or with no version where the kernel has none; of these the one
 * that has most in common with the kernel's name from the version on, then the one with the shortest name.
 */
export function initrdBeside(
  kernel: string,
  names: Iterable<string>,
  extraVersions: readonly string[],
): string | undefined {
  const version = versionIn(kernel, extraVersions)
  let best: string | undefined
  let bestShared = 0
  for (const name of names) {
    if (!/^(?:init|booster)/i.test(name)) continue
    if (versionIn(name, extraVersions)?.toLowerCase() !== version?.toLowerCase()) continue
    const shared = version === null ? 0 : sharedFrom(version, kernel, name)
    if (best !== undefined && (shared < bestShared || (shared === bestShared && name.length >= best.length))) continue
    best = name
    bestShared = shared
  }
  return best
}

function sharedFrom(version: string, one: string, other: string): number {
  const [first, second] = [one.indexOf(version), other.indexOf(version)]
  if (first < 0 || second < 0) return 0
  let count = 0
  while (first + count < one.length && one[first + count] === other[second + count]) count++
  return count
}
