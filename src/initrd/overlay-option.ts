import type { Overlay } from './overlay.ts'

/**
 * An overlay as it is written in one word: SRC or SRC:DEST. Names may have colons: what is there under the whole word is a
 * source; else the last colon before a slash divides that leaves a source that is there.
 * @param exists whether something is at a path
 */
export function parseOverlay(text: string, exists: (path: string) => boolean): Overlay {
  const colons = [...text.matchAll(/(?<=.):(?=\/)/gs)].map(({ index }) => index)
  const colon = colons.findLast((index) => exists(text.slice(0, index))) ?? colons[0]
  if (colon === undefined || exists(text)) return { source: text }
  return { source: text.slice(0, colon), destination: text.slice(colon + 1) }
}
