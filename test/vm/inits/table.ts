/** What was seen with one init system; a column that is not filled was not, or does not apply. */
export interface Outcome {
  readonly title: string
  works?: string
  clean?: string
  nothingLoaded?: string
  hookMissing?: string
  hookForeign?: string
  hookChanged?: string
  hangs?: string
  unloaded?: string
  fails?: string
}

/** Its row of the table in docs/init-systems.md. */
export function rowOf(outcome: Outcome): string {
  const { title, works, clean, nothingLoaded, hookMissing, hookForeign, hookChanged, hangs, unloaded, fails } = outcome
  const cells = [title, works, clean, nothingLoaded, hookMissing, hookForeign, hookChanged, hangs, unloaded, fails]
  return `| ${cells.map((cell) => cell ?? '—').join(' | ')} |`
}
