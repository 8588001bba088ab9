import { expect, test } from 'vitest'
import { type ReportEvent, ReportReader } from '../../../../src/rehearsal/machine/report-port.ts'

function read(...chunks: readonly string[]) {
  const events: [string, ReportEvent][] = []
  const reader = new ReportReader(['@one', '@two'], (word, event) => events.push([word, event]))
  for (const chunk of chunks) reader.push(chunk)
  return events
}

const report =
  '\r\n@one command-line root=/dev/vda1 quiet \r\n\n@one memory MemTotal:  1000 kB\n\n@one initrd 7 99\n@one up 6.1.0\n'

test('a report comes in pieces of any size', () => {
  const up = {
    kind: 'up',
    report: {
      release: '6.1.0',
      commandLine: 'root=/dev/vda1 quiet ',
      memory: 1_024_000,
      lockdown: null,
      root: null,
      initrd: { size: 7, crc32: 99 },
    },
  }
  expect(read(report)).toEqual([['@one', up]])
  expect(read(...report)).toEqual([['@one', up]])
})

test('what it does not say is null, and not that of the report before', () => {
  const [, [, second] = []] = read(`${report}@two up 6.2.0\n`)
  expect(second).toEqual({
    kind: 'up',
    report: { release: '6.2.0', commandLine: '', memory: null, lockdown: null, root: null, initrd: null },
  })
})

test("a command's output is its own lines; other words are output", () => {
  const text = '@one begin /bin/sh\n{"a":\n\n@three up 1\n1}\n@one end 3\nlate\n@one done \n'
  expect(read(text)).toEqual([
    ['@one', { kind: 'begin' }],
    ['@one', { kind: 'end', status: 3, output: '{"a":\n\n@three up 1\n1}' }],
    ['@one', { kind: 'done' }],
  ])
})

test('output without end is cut off, and the end still comes', () => {
  const [, [, end] = []] = read('@one begin x\n', ...Array(100).fill(`${'x'.repeat(100_000)}\n`), '@one end 0\n')
  expect(end).toMatchObject({ kind: 'end', status: 0 })
  expect((end as { output: string }).output.length).toBeLessThan(5_000_000)
})
