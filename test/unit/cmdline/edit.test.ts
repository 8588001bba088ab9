import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appendParameters, checkCommandLineText, removeParameter } from '../../../src/cmdline/edit.ts'
import { parseCommandLine, printCommandLine } from '../../../src/cmdline/parse.ts'
import { KexecError } from '../../../src/errors.ts'

const append = (line: string, text: string) => printCommandLine(appendParameters(parseCommandLine(line), text))
const remove = (line: string, selector: string) => printCommandLine(removeParameter(parseCommandLine(line), selector))

describe('append', () => {
  test.each([
    ['root=/dev/sda1 quiet', 'panic=10', 'root=/dev/sda1 quiet panic=10'],
    ['a -- single', 'b', 'a b -- single'],
    ['a -- single', 'b -- verbose', 'a b -- single verbose'],
    ['a -- single verbose', '-- verbose', 'a -- single verbose'],
    ['a', '-- single', 'a -- single'],
    ['', 'a', 'a'],
    ['a', '', 'a'],
    ['a', ' -- ', 'a'],
    // The last console= is /dev/console, so one that is there already moves to the end.
    ['console=ttyS0 console=tty0', 'console=ttyS0', 'console=tty0 console=ttyS0'],
    ['log_buf_len=1M', 'log-buf-len=1M', 'log-buf-len=1M'],
    ['log_buf_len=1M', 'log_buf_len=2M', 'log_buf_len=1M log_buf_len=2M'],
    ['a="x y" b', '"a=x y"', 'b "a=x y"'],
  ])('%j and %j give %j', (line, text, expected) => {
    expect(append(line, text)).toBe(expected)
    expect(append(expected, text)).toBe(expected)
  })
})

describe('remove', () => {
  test.each([
    ['root=/dev/sda1 rootwait rootflags=x root', 'root', 'rootwait rootflags=x'],
    ['console=tty0 console=ttyS0 quiet', 'console', 'quiet'],
    ['console=tty0 console=ttyS0 quiet', 'console=ttyS0', 'console=tty0 quiet'],
    ['console=ttyS0,115200', 'console=ttyS0', 'console=ttyS0,115200'],
    ['rd.driver_blacklist=a x', 'rd.driver-blacklist', 'x'],
    ['a= a', 'a=', 'a'],
    ['"my key=1" b', '"my key"', 'b'],
    ['dyndbg="file a.c +p" b', 'dyndbg="file a.c +p"', 'b'],
    ['quiet -- quiet', 'quiet', '-- quiet'],
    ['quiet', 'absent', 'quiet'],
  ])('%j without %s is %j', (line, selector, expected) => {
    expect(remove(line, selector)).toBe(expected)
  })

  test.each(['', ' ', 'a b', '--', 'a -- b'])('%j is not one parameter', (selector) => {
    expect(() => remove('a', selector)).toThrow(expect.objectContaining({ reason: 'invalid-argument', refused: true }))
  })
})

describe('what the kernel would misread is refused', () => {
  test.each(['a\0b', 'a\nb', 'a\r', 'a="b c', '"'])('%j', (text) => {
    for (const attempt of [() => checkCommandLineText(text), () => append('x', text), () => remove('x', text)]) {
      expect(attempt).toThrow(KexecError)
      expect(attempt).toThrow(expect.objectContaining({ reason: 'invalid-argument', refused: true }))
    }
  })

  test('the hint for an open quote shows the text that has it', () => {
    expect(() => append('x', 'a="b c')).toThrow(expect.objectContaining({ hint: expect.stringContaining('a="b c') }))
  })

  test('nothing is appended behind an open quote, but other changes are fine', () => {
    expect(() => append('a b="c', 'd')).toThrow(/b="c/)
    expect(() => append('a -- "c', '-- d')).toThrow(/swallow/)
    expect(append('a -- "c', 'd')).toBe('a d -- "c')
    expect(append('a b="c', '')).toBe('a b="c')
    expect(remove('a b="c', 'b')).toBe('a')
  })
})

test('appending and removing any number of times is the same as once', () => {
  const word = fc.constantFrom(
    'a',
    'b=1',
    'b=2',
    'b-c=1',
    'b_c=1',
    '"q r=s t"',
    'q="x y"',
    'console=ttyS0',
    'console=tty0',
  )
  const line = fc.tuple(fc.array(word), fc.array(word)).map(([kernel, init]) => [...kernel, '--', ...init].join(' '))
  fc.assert(
    fc.property(line, line, word, (start, text, selector) => {
      const once = append(remove(start, selector), text)
      expect(append(remove(once, selector), text)).toBe(once)
    }),
    { numRuns: 1000 },
  )
})
