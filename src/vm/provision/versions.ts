/**
 * Compares two versions of Debian packages without an epoch, as deb-version(7) has it: the parts before the last hyphen, then
 * those behind it. Asking dpkg takes a process for each comparison.
 * @returns negative when `one` is the older, positive when it is the newer
 */
export function compareDebianVersions(one: string, other: string): number {
  const [first, second] = [parts(one), parts(other)]
  return compareParts(first.upstream, second.upstream) || compareParts(first.revision, second.revision)
}

function parts(version: string): { upstream: string; revision: string } {
  const cut = version.lastIndexOf('-')
  return cut === -1
    ? { upstream: version, revision: '' }
    : { upstream: version.slice(0, cut), revision: version.slice(cut + 1) }
}

/** Text and numbers in turns, beginning with a text, which may be empty. */
function compareParts(one: string, other: string): number {
  const [first, second] = [one.split(/(\d+)/), other.split(/(\d+)/)]
  for (let index = 0; index < Math.max(first.length, second.length); index++) {
    const [left = '', right = ''] = [first[index], second[index]]
    const difference = index % 2 === 0 ? compareTexts(left, right) : Number(left) - Number(right)
    if (difference !== 0) return difference
  }
  return 0
}

function compareTexts(one: string, other: string): number {
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    const difference = rank(one[index]) - rank(other[index])
    if (difference !== 0) return difference
  }
  return 0
}

/** A tilde comes before the end of the text, letters come before everything else. */
function rank(character: string | undefined): number {
  if (character === undefined) return 0
  if (character === '~') return -1
  return character.charCodeAt(0) + (/[A-Za-z]/.test(character) ? 0 : 256)
}
