import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { appendParameters, removeParameter } from '../../../src/cmdline/edit.ts'
import { printCommandLine } from '../../../src/cmdline/parse.ts'
import { reuseCommandLine } from '../../../src/cmdline/reuse.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/command-line.md'), 'utf8')
const table = page.slice(page.indexOf('| before '), page.indexOf('These rows'))
const rows = table
  .split('\n')
  .slice(2)
  .filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .split('|')
      .slice(1, 5)
      .map((cell) => cell.trim().replace(/^`|`$/g, '')),
  )

test('the page has examples', () => {
  expect(rows.length).toBeGreaterThan(5)
})

test.each(rows)('docs/command-line.md: %s, remove %s, append %s', (before, remove, append, after) => {
  let commandLine = reuseCommandLine(before as string)
  if (remove !== '') commandLine = removeParameter(commandLine, remove as string)
  if (append !== '') commandLine = appendParameters(commandLine, append as string)
  expect(printCommandLine(commandLine)).toBe(after)
})
