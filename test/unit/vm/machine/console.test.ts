import { expect, test } from 'vitest'
import { ConsoleLog } from '../../../../src/vm/machine/console.ts'

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

test("the end of a crash is told from its first word on, and not another kernel's", () => {
  // Of a guest's own console; the registers are left out.
  const crash = [
    '[    1.018723] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI',
    '[    1.019089] RIP: 0010:sched_clock_cpu+0x9/0x190',
    ...Array.from({ length: 60 }, (_, index) => `[    1.02${index + 10}] ?`),
    '[    1.091020] Kernel panic - not syncing: Fatal exception in interrupt',
  ]
  const before = ['[    0.9] one', '[    1.0] two']
  const log = logOf(begins('1'), `${[...before, ...crash].join('\r\n')}\r\n`)
  expect(log.ending(40)).toEqual(crash)
  expect(log.ending(64)).toEqual([before[1], ...crash])
  log.push(Buffer.from('[    1.1] Reb'), 0)
  expect(log.ending(40)).toEqual([...crash, '[    1.1] Reb'])
  log.push(Buffer.from('ooting\r\n'), 0)
  log.push(Buffer.from(`${begins('2')}up\r\n`), 0)
  expect(log.ending(2)).toEqual([expect.stringContaining('Linux version 2'), 'up'])
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
