import type { InitrdOverlay } from './overlay.ts'

/**
 * An overlay written in one word: SRC or SRC:DEST. Names may have colons. An existing file with the name of the whole
 * word is the source; otherwise the word is split at the last colon before a slash that leaves an existing source.
 * @param exists whether a path exists
 */
export function parseOverlay(text: string, exists: (path: string) => boolean): InitrdOverlay {
  const colons = [...text.matchAll(/(?<=.):(?=\/)/gs)].map(({ index }) => index)
  const colon = colons.findLast((index) => exists(text.slice(0, index))) ?? colons[0]
  if (colon === undefined || exists(text)) return { source: text }
  return { source: text.slice(0, colon), destination: text.slice(colon + 1) }
}
