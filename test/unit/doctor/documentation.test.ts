import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { subjects } from '../../../src/doctor/diagnosis.ts'

const page = readFileSync('docs/doctor.md', 'utf8')

test('docs/doctor.md has a row for every check, in the order in which they are told', () => {
  const rows = [...page.slice(page.indexOf('## Checks')).matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, id]) => id)
  expect(rows).toEqual(subjects.flatMap(({ ids }) => ids))
})

test('docs/json.md names every subject', () => {
  const row = /^\| `checks\[\]\.subject` \|.*$/m.exec(readFileSync('docs/json.md', 'utf8'))?.[0] ?? ''
  const named = [...row.matchAll(/`([a-z]+)`/g)].map(([, name]) => name)
  expect(named.sort()).toEqual([...new Set(subjects.map(({ name }) => name))].sort())
})
