import type { Overlay } from './overlay.ts'

/**
 * What `--overlay SRC[:DEST]` says. File names may have colons: a path that is there wins over the split, and of several
 * places to split at, the last one that leaves a path that is there.
 * @param exists whether there is something at a path
 */
export function parseOverlay(text: string, exists: (path: string) => boolean): Overlay {
  if (exists(text)) return { source: text }
  const colons = [...text.matchAll(/:/g)].map(({ index }) => index)
  const beforePath = colons.filter((index) => text[index + 1] === '/')
  const split = beforePath.findLast((index) => exists(text.slice(0, index))) ?? beforePath[0] ?? colons[0]
  if (split === undefined) return { source: text }
  return { source: text.slice(0, split), destination: text.slice(split + 1) }
}
