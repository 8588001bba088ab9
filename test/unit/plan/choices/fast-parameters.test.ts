import { describe, expect, test } from 'vitest'
import { parseCommandLine, printCommandLine } from '../../../../src/cmdline/parse.ts'
import { fastParameters } from '../../../../src/plan/choices/fast-parameters.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'

const added = 'cryptomgr.notests linux_kexec.added=cryptomgr.notests'

/** The command line with what a fast load adds. */
function fast(text: string, { append = [] as string[], most = null as number | null, tree = {} as Tree } = {}) {
  const made = fastParameters(new System(makeTree(tree)), parseCommandLine(text), { append }, { maxCommandLine: most })
  expect(made.added.map(({ raw }) => raw)).toEqual(printCommandLine(made.line) === text ? [] : ['cryptomgr.notests'])
  return printCommandLine(made.line)
}

describe('the parameter of a fast load', () => {
  test('is added with a mark that lets the next load take it off', () => {
    expect(fast('ro')).toBe(`ro ${added}`)
    expect(fast('ro', { append: ['quiet'] })).toBe(`ro ${added}`)
  })

  test('fits the line to the last byte, with what is appended behind it', () => {
    const whole = `ro ${added}`.length
    expect(fast('ro', { most: whole })).toBe(`ro ${added}`)
    expect(fast('ro', { most: whole - 1 })).toBe('ro')
    expect(fast('ro', { append: ['x=1', 'y'], most: whole + ' x=1 y'.length })).toBe(`ro ${added}`)
    expect(fast('ro', { append: ['x=1', 'y'], most: whole + ' x=1 y'.length - 1 })).toBe('ro')
  })

  test('is left out where somebody has decided, on the line or behind it', () => {
    for (const word of ['fips=1', 'fips=0', 'cryptomgr.notests', 'cryptomgr.panic_on_fail=1']) {
      expect(fast(`ro ${word}`), word).toBe(`ro ${word}`)
      expect(fast('ro', { append: [word] }), word).toBe('ro')
    }
    for (const word of ['xfips=1', 'cryptomgrx=1', 'notests'])
      expect(fast(`ro ${word}`), word).toBe(`ro ${word} ${added}`)
  })

  test('is left out under the rules of FIPS', () => {
    const rule = (text: string) => ({ tree: { '/proc/sys/crypto/fips_enabled': { text } } })
    expect(fast('ro', rule('1\n'))).toBe('ro')
    expect(fast('ro', rule('0\n'))).toBe(`ro ${added}`)
  })

  test('is left out behind an open quote, which is refused elsewhere', () => {
    expect(fast('ro x="y')).toBe('ro x="y')
    expect(fast('ro', { append: ['x="y', 'z'] })).toBe('ro')
  })
})
