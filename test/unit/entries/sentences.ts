import { type DiscoveryRequest, readBootMenu } from '../../../src/entries/discover.ts'
import type { BootLoader } from '../../../src/entries/model/boot-menu.ts'
import type { BootEntry } from '../../../src/entries/model/entry.ts'
import type { BootProblem } from '../../../src/entries/model/problem.ts'

/** The same with the sentences of its problems in their place, for tests that look at nothing else of them. */
export function withSentences<Told extends { readonly problems: readonly BootProblem[] }>({
  problems,
  ...told
}: Told): Omit<Told, 'problems'> & { readonly problems: readonly string[] } {
  return { ...told, problems: problems.map(({ text }) => text) }
}

/** An entry with the sentences of its problems in their place. */
export type SentencedEntry = Omit<BootEntry, 'problems'> & { readonly problems: readonly string[] }

/** As `SentencedEntry`, of a boot loader. */
export type SentencedLoader = Omit<BootLoader, 'problems'> & { readonly problems: readonly string[] }

/** `readBootMenu` with the sentences of all problems in their place. */
export async function readSentences(options: DiscoveryRequest) {
  const { entries, loaders, problems } = await readBootMenu(options)
  return {
    entries: entries.map(withSentences),
    loaders: loaders.map(withSentences),
    problems: problems.map(({ text }) => text),
  }
}
