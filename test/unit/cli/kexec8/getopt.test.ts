import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type OptionSpecification, readWords } from '../../../../src/cli/kexec8/getopt.ts'
import { kexecOptions } from '../../../../src/cli/kexec8/options.ts'

/** One meaning each: getopt(1) cannot be told that two names mean the same. */
const specifications: OptionSpecification[] = [
  ...kexecOptions.filter(({ name }) => name !== 'command-line' && name !== 'ramdisk'),
  { name: 'colour', letter: 'C', value: 'optional', meaning: 'colour' },
]

const suffix = { none: '', required: ':', optional: '::' }

/** What getopt_long(3) of the C library makes of the words, through getopt(1): options with values, '--', operands; or null. */
function judge(words: readonly string[], posixly: boolean): string[] | null {
  const letters = specifications.flatMap(({ letter, value }) => (letter === undefined ? [] : letter + suffix[value]))
  const names = specifications.map(({ name, value }) => name + suffix[value])
  const run = `letters=$1 names=$2; shift 2
    said=$(getopt -o "$letters" -l "$names" -- "$@" 2>/dev/null) || exit 9
    eval set -- "$said"; printf '%s\\0' "$@"`
  const env = { ...process.env, ...(posixly ? { POSIXLY_CORRECT: '1' } : {}) }
  try {
    const arguments_ = ['-c', run, 'judge', letters.join(''), names.join(','), ...words]
    return execFileSync('/bin/sh', arguments_, { env, encoding: 'utf8', stdio: 'pipe' }).split('\0').slice(0, -1)
  } catch {
    return null
  }
}

/** Ours, written as getopt(1) writes it. */
function ours(words: readonly string[], posixly: boolean): string[] | null {
  const { options, operands, problem } = readWords(words, specifications, posixly)
  if (problem !== null) return null
  const written = options.flatMap(({ name, meaning, value }) => {
    const rule = specifications.find((each) => each.meaning === meaning)?.value
    return rule === 'none' ? [name] : [name, value ?? '']
  })
  return [...written, '--', ...operands]
}

describe('words are read as getopt_long(3) reads them', () => {
  test.each([
    [['-l', '/boot/vmlinuz', '--append=root=/dev/vda1 "a b"', '--initrd', '/boot/initrd']],
    [['/boot/vmlinuz', '-l']],
    [['-lpd', 'x']],
    [['-ltbzImage', 'x']],
    [['-lt', 'bzImage', 'x']],
    [['-t']],
    [['--append', '-l', 'x']],
    [['--append', '--', 'x']],
    [['--append']],
    [['--app=']],
    [['--initr', 'x']],
    [['--re']],
    [['--reuse-c', 'x']],
    [['--load']],
    [['--load=x']],
    [['--load-p']],
    [['--kexec-syscall']],
    [['--kexec-s']],
    [['-', '--', '-l']],
    [['-l?']],
    [['-lZ']],
    [['--', '-l', 'x']],
    [['--=x']],
    [['--colour', 'x']],
    [['--colour=x', 'y']],
    [['-Cx']],
    [['-C', 'x']],
    [['']],
  ])('%j', (words) => {
    for (const posixly of [false, true]) expect(ours(words, posixly)).toEqual(judge(words, posixly))
  })

  test('whatever the words', () => {
    const word = fc.oneof(
      fc.constantFrom('-l', '-e', '--', '-', '-t', '--append', 'x', '--initrd=y', '-lpx', '--colour'),
      fc
        .constantFrom(...specifications.map(({ name }) => name))
        .chain((name) => fc.nat(name.length).map((length) => `--${name.slice(0, length)}`)),
      fc.string({ unit: fc.constantFrom('-', '=', 'l', 't', 'C', 'z', ' ', '"'), maxLength: 5 }),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 5 }), fc.boolean(), (words, posixly) => {
        expect(ours(words, posixly)).toEqual(judge(words, posixly))
      }),
      { numRuns: 200 },
    )
  })
})

test('synonyms are not ambiguous', () => {
  const synonyms: OptionSpecification[] = [
    { name: 'include', value: 'none', meaning: 'same' },
    { name: 'incorporate', value: 'none', meaning: 'same' },
  ]
  expect(readWords(['--inc'], synonyms).options).toEqual([{ meaning: 'same', value: null, name: '--include' }])
})

test('what stands before the fault is told, as getopt would have handed it out', () => {
  expect(readWords(['-v', '--nonsense', '-h'], kexecOptions)).toEqual({
    options: [{ meaning: 'version', value: null, name: '-v' }],
    operands: [],
    problem: 'there is no option --nonsense',
  })
})
