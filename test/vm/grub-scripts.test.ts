import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { grubScripts, type JudgedScript } from '../unit/entries/grub/scripts.ts'
import { judgeScripts } from './grub-judge.ts'
import { RealGrub } from './real-grub.ts'

/** Debian's suites with GRUB 2.06, 2.12 and 2.14. The Boot Loader Specification is 2.14's, as Debian has it. */
const suites = ['bookworm', 'trixie', 'sid'] as const

test('the real GRUBs, from one to the next', { timeout: 900_000 }, async () => {
  const judged: Record<string, JudgedScript[]> = {}
  for (const suite of suites) {
    const grub = await RealGrub.open(suite)
    const names = grubScripts.names.filter((name) => !name.startsWith('bls-') || suite === 'sid')
    try {
      for (const [name, judgement] of await judgeScripts(grub, names)) add(judged, name, grub.version, judgement)
    } finally {
      grub.close()
    }
  }
  if (process.env['UPDATE_JUDGE']) writeFileSync(grubScripts.expected, `${JSON.stringify(judged, null, 2)}\n`)
  expect(judged).toEqual(JSON.parse(readFileSync(grubScripts.expected, 'utf8')))
})

/** GRUBs that come to the same stand together. */
function add(
  judged: Record<string, JudgedScript[]>,
  name: string,
  version: string,
  judgement: Omit<JudgedScript, 'versions'>,
): void {
  const known = judged[name] ?? []
  judged[name] = known
  const text = JSON.stringify(judgement)
  const same = known.findIndex(({ versions: _, ...other }) => JSON.stringify(other) === text)
  const found = known[same]
  if (found === undefined) known.push({ versions: [version], ...judgement })
  else known[same] = { ...found, versions: [...found.versions, version] }
}
