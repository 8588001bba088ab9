import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesOfText, hasEscapes, pathOf, textOfBytes } from '../../src/exact-text.ts'
import { oneLine } from '../../src/text.ts'

describe('bytes as text', () => {
  test('any bytes come back as they were, through JSON as well', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .array(fc.constantFrom('a', 'é', '€', '😀', '\xff', '\xc3', '\xed\xa0\x80', '\xf0\x9f', '\xc0\x80'), {
          maxLength: 12,
        })
        .map((pieces) =>
          Buffer.concat(pieces.map((piece) => Buffer.from(piece, /^[\x80-\xff]+$/.test(piece) ? 'latin1' : 'utf8'))),
        ),
    )
    fc.assert(
      fc.property(bytes, (given) => {
        const text = textOfBytes(given)
        expect(bytesOfText(text).equals(Buffer.from(given))).toBe(true)
        expect(JSON.parse(JSON.stringify(text))).toBe(text)
      }),
      { numRuns: 2000 },
    )
  })

  test('UTF-8 is its own text', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => textOfBytes(Buffer.from(text)) === text))
    expect(hasEscapes('é😀\ufffd')).toBe(false)
    expect(bytesOfText('\ufffd')).toEqual(Buffer.from([0xef, 0xbf, 0xbd]))
  })

  test('bytes that are not UTF-8: Latin-1, a character cut short, a surrogate, an overlong NUL', () => {
    expect(textOfBytes(Buffer.from('caf\xe9', 'latin1'))).toBe('caf\udce9')
    expect(textOfBytes(Buffer.from([0xe2, 0x82]))).toBe('\udce2\udc82')
    expect(textOfBytes(Buffer.from([0xed, 0xa0, 0x80]))).toBe('\udced\udca0\udc80')
    expect(textOfBytes(Buffer.from([0xc0, 0x80]))).toBe('\udcc0\udc80')
    expect(oneLine(textOfBytes(Buffer.from('caf\xe9/\x1b', 'latin1')))).toBe('caf\\xe9/\\x1b')
  })

  test('a path is given to Node as bytes only where it must be', () => {
    expect(pathOf('/boot/é')).toBe('/boot/é')
    expect(pathOf('/boot/\udce9')).toEqual(Buffer.from('/boot/\xe9', 'latin1'))
  })
})
