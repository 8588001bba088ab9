import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { matchPattern } from '../../../../../src/entries/grub/script/pattern.ts'
import { discoverTree, kernels } from '../../tree.ts'

/** Bash matches with regcomp and regexec of the C library, which is the code that GRUB has from gnulib. */
const script = `
while IFS= read -r pattern && IFS= read -r text; do
  if [[ $text =~ $pattern ]]; then printf 'match'; printf '|%s' "\${BASH_REMATCH[@]}"; echo; else echo none; fi
done`

function byBash(cases: readonly (readonly [pattern: string, text: string])[]): string[] {
  const input = cases.map(([pattern, text]) => `${pattern}\n${text}\n`).join('')
  const { stdout } = spawnSync('bash', ['-c', script], { input, encoding: 'utf8', env: { LC_ALL: 'C' } })
  return stdout.trimEnd().split('\n')
}

function byUs(pattern: string, text: string): string {
  const groups = matchPattern(pattern, text)
  if (groups === undefined) return 'unknown'
  return groups === null ? 'none' : ['match', ...groups.map((group) => group ?? '')].join('|')
}

/** Patterns of a few letters, groups, alternatives and repetitions. */
function randomCases(count: number): [string, string][] {
  let state = 20
  const below = (limit: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >> 8) % limit
  }
  const pick = (from: readonly string[]) => from[below(from.length)] as string
  const sequence = (depth: number): string =>
    Array.from({ length: 1 + below(4) }, () => {
      const isGroup = depth > 0 && below(3) === 0
      const atom = isGroup
        ? `(${sequence(depth - 1)}${below(3) === 0 ? `|${sequence(depth - 1)}` : ''})`
        : pick(['a', 'b', 'c', '.', '[ab]', '[^a]', '[[:digit:]b-c]', '[]a]'])
      return atom + pick(['', '', '', '*', '+', '?', '{2}', '{1,2}'])
    }).join('')
  return Array.from({ length: count }, () => [
    pick(['', '', '^']) + sequence(2) + pick(['', '', '$']),
    Array.from({ length: below(9) }, () => pick(['a', 'b', 'c', '1'])).join(''),
  ])
}

const particular: [string, string][] = [
  ...['w', 'W', 's', 'S', 'b', 'B', '<', '>', '`', "'"].flatMap((letter): [string, string][] => [
    [`(a*)\\${letter}(.*)`, 'aa b_'],
    [`b\\${letter}`, 'a b'],
    [`\\${letter}a`, 'a b'],
  ]),
  ['(a|ab)(c|bcd)(d*)', 'abcd'],
  ['(a*)*', 'b'],
  ['(a*)+', 'b'],
  ['(|a)*', 'a'],
  ['((a)|(b))*', 'ab'],
  ['^([^/]+)/(.*)\\.([a-z]+)-(.*)$', 'one/two.three-four'],
  ['^\\((hd[0-9]+),?([a-z]*)([0-9]+)?\\)(/.*)?$', '(hd0,gpt2)/boot/grub'],
  ['a)', 'a)'],
  ['*a', 'a'],
  ['x|*b', 'x'],
  ['(a', 'a'],
  ['a{', 'a'],
  ['a{2,1}', 'a'],
  ['a{,2}', 'aaa'],
  ['a||b', 'b'],
  ['()', 'a'],
  ['[z-a]', 'z'],
  ['a\\', 'a'],
  ['\\w+', '- ab c'],
  ['\\<b', 'a b'],
  ['[[:alpha:]]+', '1ab'],
  ['[\\n]', '\\'],
]

test('patterns match as gnulib has them, and their groups', () => {
  const cases = [...particular, ...randomCases(1500)]
  const expected = byBash(cases)
  const found = cases.map(([pattern, text]) => byUs(pattern, text))
  const differing = cases.flatMap((each, index) =>
    found[index] === expected[index] ? [] : [[...each, found[index], expected[index]]],
  )
  expect(differing).toEqual([])
  expect(expected.filter((line) => line.startsWith('match|')).length).toBeGreaterThan(400)
})

test('bytes count, and a group that took no part is none', () => {
  expect(matchPattern('^(..)(x)?(y)?$', 'äy')).toEqual(['äy', 'ä', undefined, 'y'])
})

test.each([
  ['^(a|aa)*b', 'a'.repeat(5000)],
  [`^${'a?'.repeat(200)}${'a'.repeat(200)}$`, 'a'.repeat(200)],
  ['(.*)*(.*)*(.*)*b', 'a'.repeat(5000)],
  ['.*.*.*.*.*.*.*.*.*.*=.*', 'a'.repeat(10_000)],
  ['((a{1,20}){1,20}){1,20}b', 'a'.repeat(500)],
  [`${'('.repeat(90)}a${')*'.repeat(90)}`, 'b'.repeat(10_000)],
])('%s is no trap', (pattern, text) => {
  // Processor time, of which a busy machine takes no more: what backtracks would go on for ages.
  const before = process.cpuUsage()
  matchPattern(pattern, text)
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(20_000)
})

test.each([
  ['a back reference', '(a)\\1', 'aa'],
  ['more than fits', 'a{30000}{30000}', 'a'],
  ['nothing, very often', 'a{0}{32767}{32767}', 'a'],
  ['nested too deeply', '('.repeat(5000), 'a'],
  ['repeated repetitions', `a${'*'.repeat(5000)}`, 'a'],
  ['more work than can be afforded', 'a*'.repeat(2000), 'a'.repeat(16_000)],
])('what is not worked out is not guessed: %s', (_name, pattern, text) => {
  expect(matchPattern(pattern, text)).toBeUndefined()
})

test('regexp in a script sets its groups', async () => {
  const [entry] = await discoverTree({
    ...kernels('/boot', 'vmlinuz-', '6.1.0'),
    '/boot/grub/grub.cfg': {
      text: String.raw`regexp --set=1:a --set=2:b --set 3:c --set=4:d '^([^/]+)/(.*)\.([a-z]+)-(.*)$' one/two.three-four
menuentry "$a $b $c $d" { linux /boot/vmlinuz-6.1.0 }
`,
    },
  })
  expect(entry?.title).toBe('one two three four')
})
