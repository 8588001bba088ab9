import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { discoverTree } from './tree.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/discovery.md'), 'utf8')
const rows = page
  .slice(page.indexOf('| distribution '), page.indexOf('- On x86'))
  .split('\n')
  .slice(2)
  .filter((line) => line.startsWith('|'))
  .flatMap((line) => {
    const [, distribution, kernels, initrd] = line.split('|').map((cell) => cell.trim()) as [
      string,
      string,
      string,
      string,
    ]
    return [...kernels.matchAll(/`([^`]+)`/g)].map((match) => [
      distribution,
      match[1] as string,
      initrd.replaceAll('`', ''),
    ])
  })

test('the page has names', () => {
  expect(rows.length).toBeGreaterThan(12)
})

test.each(rows)('docs/discovery.md: %s, %s with %s', async (_distribution, kernel, initrd) => {
  const tree = {
    [`/boot/${kernel}`]: { kernel: '6.1.0' },
    ...(initrd === '' ? {} : { [`/boot/${initrd}`]: 'initrd' as const }),
  }
  const initrds = initrd === '' ? [] : [`/boot/${initrd}`]
  expect(await discoverTree(tree)).toMatchObject([{ kernel: `/boot/${kernel}`, initrds, problems: [] }])
})
