import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { commandLineBytes, parseCommandLine, printCommandLine, sameKey } from '../../../src/cmdline/parse.ts'
import { commandLines } from './command-lines.ts'
import { meaningOf } from './oracle.ts'

const pairs = (text: string) => parseCommandLine(text).parameters.map(({ key, value }) => [key, value])

/** Pieces that meet the parser's every branch far more often than random text would. */
const piece = fc.constantFrom(
  ...['"', '"', '=', ' ', ' ', '\t', '\n', '-', '--', ' -- ', '"--"', '_', 'a', 'key', 'console=ttyS0', '.', ',', '\0'],
)
const asciiText = fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join(''))
// à ends in the byte 0xA0, ⠀ has it in the middle, ⠠ twice; all are white space to the kernel.
const anyText = fc
  .array(fc.oneof(piece, fc.constantFrom('à', '⠀', '⠠', '\u00a0', 'é', '😀'), fc.string({ unit: 'binary' })), {
    maxLength: 24,
  })
  .map((pieces) => pieces.join(''))

describe('parse', () => {
  test('a word ends after a character whose last byte is 0xA0, which to the kernel is a space', () => {
    expect(parseCommandLine('rootàquiet ro').parameters.map(({ raw }) => raw)).toEqual(['rootà', 'quiet', 'ro'])
    expect(parseCommandLine('rootàéquiet').parameters.map(({ raw }) => raw)).toEqual(['rootà', 'équiet'])
  })

  test.each([
    ['quiet', [['quiet', null]]],
    [
      'a=1 a=2 b',
      [
        ['a', '1'],
        ['a', '2'],
        ['b', null],
      ],
    ],
    [
      'a= b==c =d =e=f',
      [
        ['a', ''],
        ['b', '=c'],
        ['=d', null],
        ['=e', 'f'],
      ],
    ],
    [
      'dyndbg="file a.c +p; file b.c +p" x',
      [
        ['dyndbg', 'file a.c +p; file b.c +p'],
        ['x', null],
      ],
    ],
    [
      '"quoted key=value" x',
      [
        ['quoted key', 'value'],
        ['x', null],
      ],
    ],
    [
      '"key="value with space"" x',
      [
        ['key', 'value'],
        ['with', null],
        ['space""', null],
        ['x', null],
      ],
    ],
    [
      'a="b"c d',
      [
        ['a', 'b"c'],
        ['d', null],
      ],
    ],
    [
      'a=b"c d"e f',
      [
        ['a', 'b"c d"e'],
        ['f', null],
      ],
    ],
    ['a="open to the end -- x', [['a', 'open to the end -- x']]],
    ['""', [['', null]]],
    ['"', [['', null]]],
    ['"k="', [['k', '']]],
    ['rd.luks.name=0a7c=cryptroot', [['rd.luks.name', '0a7c=cryptroot']]],
    [
      '\t a \v b\f\r\n',
      [
        ['a', null],
        ['b', null],
      ],
    ],
    ['a\0b', [['a', null]]],
    ['-- a', []],
    ['"--" a', []],
    [
      '--a --=b ---',
      [
        ['--a', null],
        ['--', 'b'],
        ['---', null],
      ],
    ],
  ])('%j', (text, expected) => {
    expect(pairs(text)).toEqual(expected)
    expect(meaningOf(text).parameters).toEqual(expected)
  })

  test('words after a lone -- belong to init and keep their text', () => {
    const { parameters, init } = parseCommandLine(commandLines.forInit)
    expect(parameters.map(({ raw }) => raw)).toEqual(['root=/dev/sda1', 'single'])
    expect(init).toEqual(['emergency', 'systemd.unit=rescue.target', '"two words"'])
  })

  test('keys are the same whatever their dashes, but not their case', () => {
    expect(sameKey('rd.driver-blacklist', 'rd.driver_blacklist')).toBe(true)
    expect(sameKey('Root', 'root')).toBe(false)
    expect(sameKey('root', 'rootwait')).toBe(false)
  })

  test('length counts bytes, not characters', () => {
    expect(commandLineBytes('root=/dev/sda1')).toBe(14)
    expect(commandLineBytes('é😀')).toBe(6)
  })
})

describe('print', () => {
  test.each(Object.entries(commandLines))('%s: unchanged but for white space', (_name, text) => {
    expect(printCommandLine(parseCommandLine(text))).toBe(text.trim().replace(/ +/g, ' '))
    expect(pairs(text)).toEqual(meaningOf(text).parameters)
  })

  test('parse reads ASCII as the kernel does', () => {
    fc.assert(
      fc.property(asciiText, (text) => {
        expect(pairs(text)).toEqual(meaningOf(text).parameters)
      }),
      { numRuns: 3000 },
    )
  })

  test('print(parse(x)) means to the kernel what x means, whatever x is', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const printed = printCommandLine(parseCommandLine(text))
        expect(meaningOf(printed)).toEqual(meaningOf(text))
        expect(printCommandLine(parseCommandLine(printed))).toBe(printed)
      }),
      { numRuns: 3000 },
    )
  })

  test('a long line takes time in proportion', () => {
    const { parameters } = parseCommandLine('console=ttyS0 '.repeat(200_000))
    expect(parameters).toHaveLength(200_000)
  })
})
