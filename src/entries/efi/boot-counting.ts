/** Boot counting, https://systemd.io/AUTOMATIC_BOOT_ASSESSMENT/: the tries of an entry stand in its file's name. */
export interface BootCount {
  readonly left: number
  readonly done: number
}

/** The largest number that systemd-boot takes for a count (INT_MAX). */
const MAX_COUNT = 0x7fffffff

/**
 * Splits `name+2-1.conf` into the entry's id, `name.conf`, and its count. A text that only looks like a count belongs
 * to the id.
 */
export function splitBootCount(file: string): { readonly id: string; readonly count: BootCount | null } {
  const plus = file.lastIndexOf('+')
  const match = plus < 0 ? null : /^\+(\d{1,10})(?:-(\d{1,10}))?(\.(?:conf|efi))$/i.exec(file.slice(plus))
  if (match === null) return { id: file, count: null }
  const [left, done] = [Number(match[1]), Number(match[2] ?? 0)]
  if (left > MAX_COUNT || done > MAX_COUNT) return { id: file, count: null }
  return { id: file.slice(0, plus) + match[3], count: { left, done } }
}
