import { expect, test } from 'vitest'
import { ConsoleLog } from '../../../src/vm/console.ts'

/** As Debian's kernels print it on a serial port. */
const begins = (release: string) =>
  `[    0.000000] Linux version ${release} (debian-kernel@lists.debian.org) (gcc-12)\r\n`

function logOf(...chunks: string[]): ConsoleLog {
  const log = new ConsoleLog()
  for (const chunk of chunks) log.push(Buffer.from(chunk), 0)
  return log
}

test('each kernel has a section of its own, and so has the firmware', () => {
  const log = logOf('SeaBIOS\r\n', begins('6.1.0-56'), 'one\r\n', `noise${begins('6.12.117')}`, 'two\r\nthr')
  expect(log.sections().map(({ release }) => release)).toEqual([null, '6.1.0-56', '6.12.117'])
  expect(log.sections()[1]?.text).toMatch(/\none\n$/)
  expect(log.sections()[2]?.text).toMatch(/two\nthr$/)
  expect(log.tail(2)).toEqual(['two', 'thr'])
})

test('a line that comes in pieces, even inside a character, is one line', () => {
  const log = new ConsoleLog()
  const bytes = Buffer.from(`${begins('6.1.0-56')}für\n`)
  for (const byte of bytes) log.push(Buffer.from([byte]), 0)
  expect(log.sections()).toHaveLength(1)
  expect(log.tail(1)).toEqual(['für'])
})

test('a panic counts until another kernel begins', () => {
  const panic = '[    3.1] Kernel panic - not syncing: sysrq triggered crash\r\n'
  expect(logOf(begins('1'), panic).panic).toBe('sysrq triggered crash')
  expect(logOf(begins('1'), panic, begins('2')).panic).toBeUndefined()
})

test('listeners hear text as it comes, until they stop', () => {
  const log = new ConsoleLog()
  const heard: string[] = []
  const stop = log.listen((text) => heard.push(text))
  log.push(Buffer.from('a\r\nb'), 0)
  stop()
  log.push(Buffer.from('c'), 0)
  expect(heard).toEqual(['a\nb'])
})
