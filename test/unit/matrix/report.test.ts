import { describe, expect, test } from 'vitest'
import { matrixReport } from '../../../src/matrix/report/html.ts'
import { matrixJunit } from '../../../src/matrix/report/junit.ts'
import { failed, record, result } from './records.ts'

const HOSTILE = `</pre></style><script>alert(1)</script><img src=x onerror='x'>"&amp;\x1b[31mred\x1b[0m\x1b]0;title\x07\0\u202e\ud800`

/** Every text that comes from somewhere else is hostile. */
const hostile = failed(
  { kind: 'panicked', phase: 'boot', message: HOSTILE },
  {
    ...{ from: HOSTILE, to: HOSTILE, architecture: HOSTILE, variant: HOSTILE, command: HOSTILE, key: HOSTILE },
    ...{
      words: HOSTILE,
      cause: HOSTILE,
      commandLine: HOSTILE,
      at: HOSTILE,
      console: `${HOSTILE}\r\n\tsecond\n${HOSTILE}`,
    },
    report: { release: HOSTILE, commandLine: HOSTILE, memory: 1, initrd: null, lockdown: null, root: null },
    tools: { linuxKexec: HOSTILE, node: HOSTILE, qemu: HOSTILE },
  },
)

describe('the page', () => {
  test('has nothing of a guest, a file or a tool but text', () => {
    const page = matrixReport(record([hostile, hostile], HOSTILE))
    // Its own elements are those of a page about nothing hostile.
    const elements = (text: string) => [...new Set(text.match(/<\/?[a-z][a-z0-9]*/g))].sort()
    const plain = failed(hostile.outcome, { report: hostile.report, console: 'x' })
    expect(elements(page)).toEqual(elements(matrixReport(record([plain, plain]))))
    expect(page).toContain('&lt;/pre&gt;&lt;/style&gt;&lt;script&gt;')
    expect(page).not.toContain("onerror='x'")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
    expect(page).not.toMatch(/[\0-\x09\x0b-\x1f\x7f\u202e\ud800-\udfff]/)
    // What a terminal obeys is left out of consoles, and shown in names.
    expect(page.slice(page.lastIndexOf('<pre'))).not.toContain('[31m')
    expect(page).not.toContain('&amp;lt;')
  })

  test('needs no other file and no script', () => {
    const page = matrixReport(record([result(), hostile]))
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`)
    // Links lead into the page alone.
    const tags = [...page.matchAll(/<[^<>]*>/g)].join('')
    const attributes = [...tags.matchAll(/ ([\w-]+)="([^"]*)"/g)]
    // Each is in quotes, so that no text becomes another one.
    expect(tags.replaceAll(/ [\w-]+="[^"]*"/g, '')).not.toContain('=')
    const links = attributes.flatMap(([, name, value]) =>
      /^(?:href|src|action)$/.test(name as string) ? (value as string) : [],
    )
    expect(links.length).toBeGreaterThan(0)
    expect(links.filter((link) => !link.startsWith('#'))).toEqual([])
    expect(page).not.toMatch(/url\(|@import|<script|<link/)
    for (const link of links) expect(page).toContain(`id="${link.slice(1)}"`)
  })

  test('says each outcome in words beside its colour', () => {
    const cells = [
      result(),
      failed({ kind: 'hung', phase: 'boot', after: 'x' }, { to: '7.2' }),
      failed({ kind: 'oopsed', message: 'x' }, { to: '7.3' }),
      failed({ kind: 'not-run', message: 'x' }, { from: '7.2', at: null }),
    ]
    const page = matrixReport(record(cells))
    const squares = [...page.matchAll(/<td class="(\w+)"><.*?<b>(.*?)<\/b>(?:<small>(.*?)<\/small>)?/g)]
    expect(squares.map(([, look, words, time]) => [look, words, time])).toEqual([
      ['good', '✓ passed', '23.5 s'],
      ['bad', '✗ hung', '23.5 s'],
      ['odd', '! oopsed', '23.5 s'],
      ['none', '– not run', undefined],
      // Pairs that are no cells.
      ['none', '– left out', undefined],
      ['none', '– left out', undefined],
    ])
    expect(page).toContain('<title>Kernels: 1 of 4 passed</title>')
    expect(page.match(/<li>/g)).toHaveLength(2)
  })

  test('has a table for each architecture, engine and variant', () => {
    const cells = [
      result(),
      result({ engine: 'segments' }),
      result({ variant: 'quiet' }),
      result({ architecture: 'aarch64' }),
    ]
    const titles = [...matrixReport(record(cells)).matchAll(/<h2>(.*?)<\/h2>/g)].map((match) => match[1])
    const tables = [
      'x86_64, engine file',
      'x86_64, engine segments',
      'x86_64, engine file, quiet',
      'aarch64, engine file',
    ]
    expect(titles).toEqual([...tables, 'Cells'])
  })
})

describe('the JUnit document', () => {
  test('has a suite for each table, and counts failures and cells that were not run', () => {
    const cells = [
      result(),
      failed({ kind: 'silent', processor: null }, { to: '7.2', console: 'last <words>\0' }),
      failed({ kind: 'error', error: { reason: 'io', message: 'full' } }, { engine: 'segments' }),
      failed({ kind: 'not-run', message: 'x' }, { engine: 'segments', at: null, milliseconds: 0 }),
    ]
    const text = matrixJunit(record(cells))
    expect(text).toContain('<testsuites tests="4" failures="2" errors="0" skipped="1" time="70.368">')
    expect(text).toContain(
      '<testsuite name="Kernels: x86_64, engine file" tests="2" failures="1" errors="0" skipped="0"',
    )
    expect(text).toContain('<testcase classname="x86_64, engine file" name="6.1 → 6.12" time="23.456"><system-out>')
    expect(text).toContain(
      '<failure type="silent" message="it is silent. A cause."/><system-out>last &lt;words&gt;\ufffd</system-out>',
    )
    expect(text).toContain('<failure type="error"')
    expect(text).toContain('<skipped message="it is not-run"/>')
  })

  test('obeys nothing that a guest prints', () => {
    const text = matrixJunit(record([hostile]))
    expect(text).not.toMatch(/<script|<img/)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
    expect(text).not.toMatch(/[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]/)
  })
})
