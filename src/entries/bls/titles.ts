import type { LoaderEntry } from './loader-entry.ts'

/** The part of a machine id that systemd-boot shows. */
const SHOWN_MACHINE_ID = 8

/** Additions to titles that several entries share, one after the other until they differ. */
const additions: readonly ((entry: LoaderEntry) => string | null)[] = [
  ({ version }) => version,
  ({ machineId }) => machineId?.slice(0, SHOWN_MACHINE_ID) ?? null,
  ({ id }) => id,
]

/** The titles that systemd-boot shows for the entries of its menu, in their order: made unique. */
export function shownTitles(entries: readonly LoaderEntry[]): string[] {
  const titles = entries.map(({ title, id }) => title ?? id)
  for (const addition of additions) {
    const counts = new Map<string, number>()
    for (const title of titles) counts.set(title, (counts.get(title) ?? 0) + 1)
    if (counts.size === titles.length) break
    entries.forEach((entry, index) => {
      const title = titles[index] as string
      const added = (counts.get(title) ?? 0) > 1 ? addition(entry) : null
      if (added !== null) titles[index] = `${title} (${added})`
    })
  }
  return titles
}
