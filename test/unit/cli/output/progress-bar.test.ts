import { expect, test } from 'vitest'
import { progressLine } from '../../../../src/cli/output/progress-bar.ts'

test('as much of it as fits', () => {
  expect(progressLine('unpacking the initrd', 15, 30, 80)).toBe(
    'unpacking the initrd  [###############...............] 50 %',
  )
  expect(progressLine('unpacking the initrd', 15, 30, 40)).toBe('unpacking the initrd 50 %')
  expect(progressLine('unpacking the initrd', 15, 30, 10)).toBe(' 50 %')
})

test('never more than all, and nothing is all of nothing', () => {
  expect(progressLine('x', 40, 30, 80)).toContain('100 %')
  expect(progressLine('x', 0, 0, 80)).toContain('100 %')
  expect(progressLine('x', 0, 30, 80)).toContain('  0 %')
})
