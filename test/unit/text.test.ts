import { afterEach, expect, test } from 'vitest'
import { localTime } from '../../src/text.ts'

const zone = process.env['TZ']
afterEach(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

test.each([
  ['UTC', '2026-11-21 13:05:41 +00:00'],
  ['Europe/Berlin', '2026-11-21 14:05:41 +01:00'],
  ['America/St_Johns', '2026-11-21 09:35:41 -03:30'],
  ['Asia/Kathmandu', '2026-11-21 18:50:41 +05:45'],
])('a moment in %s', (name, text) => {
  process.env['TZ'] = name
  expect(localTime(new Date('2026-11-21T13:05:41.113Z'))).toBe(text)
})
