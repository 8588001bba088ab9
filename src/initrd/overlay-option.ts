import type { Overlay } from './overlay.ts'

/**
 * An overlay as it is written in one word: SRC or SRC:DEST. What is there under the whole word is a source; else the last colon
 * before a slash divides.
 * @param exists whether something is at a path
 */
export function parseOverlay(text: string, exists: (path: string) => boolean): Overlay {
  const colon = text.lastIndexOf(':/')
  if (colon <= 0 || exists(text)) return { source: text }
  return { source: text.slice(0, colon), destination: text.slice(colon + 1) }
}
