import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// test/vm/examples-test-your-updater.test.ts runs the commands of the page, in a copy of the example.

const page = readFileSync('docs/test-your-updater.md', 'utf8')
const example = readFileSync('examples/test-your-updater/ab-update.test.ts', 'utf8')
const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block as string)

test('the page has code', () => {
  expect(blocks.length).toBeGreaterThanOrEqual(3)
})

test.each(blocks)('the example, which is run, has this: %s', (block) => {
  // Between empty lines the page may leave something out.
  for (const part of block.trim().split('\n\n')) expect(example).toContain(part)
})
