import { describe, expect, test } from 'vitest'
import { parseScript } from '../../../../../src/entries/grub/script/parser.ts'

/** The line of the first mistake, or null. */
function mistake(script: string): number | null {
  for (const { problem } of parseScript(script)) if (problem !== undefined) return problem.line
  return null
}

/** The commands of a script by their first words, and what was wrong, in the order of the file. */
function outline(script: string): string[] {
  return [...parseScript(script)].flatMap(({ statements, problem }) =>
    problem === undefined
      ? statements.map((statement) =>
          statement.kind === 'command'
            ? (statement.words[0]?.parts.map(({ text }) => text).join('') ?? '')
            : statement.kind,
        )
      : [`mistake in line ${problem.line}`],
  )
}

describe('what is taken and what is not, as grub-script-check 2.06 has it', () => {
  test.each([
    "menuentry 'a' { echo }",
    'menuentry a {echo }',
    'menuentry a { echo}',
    'menuentry a { echo; } ; echo',
    'echo if then fi done in { echo }',
    'echo a#b # a comment with " in it',
    'set a=#b',
    'echo (hd0)/x ~ ^ % ) ! ]',
    'for a in ; do echo; done',
    'for a in b; do\n\n echo; done; echo',
    'function f\n\n{\n echo\n}',
    '! true',
    '"if" true',
    '\\\nif true',
    'echo a \\\n b',
    'echo "a\nb" \'c\nd\'',
    'echo $"a $ b"',
    'if ! true ; then echo; fi',
    'if true\nthen\necho\nelif true; then echo\nelse echo; fi',
    'until false; do while true; do echo; done; done',
    'echo x {y}',
    'f() { echo; }',
    'true ;',
    '# only a comment',
    '',
  ])('taken: %j', (script) => {
    expect(mistake(script)).toBeNull()
  })

  test.each([
    'menuentry a { }',
    'menuentry a {\n}',
    'menuentry a { echo } echo',
    'if true; then fi',
    'if true; then echo; else fi',
    'if true; then echo; fi echo',
    'if true; then echo fi',
    'if ; then echo; fi',
    'if true; then function f { echo; }; fi',
    'function f { echo }',
    'function f {\n}',
    'function "f" { echo; }',
    'function a-b { echo; }',
    'function if { echo; }',
    'for a; do echo; done',
    'for "a" in b; do echo; done',
    'for a in b {',
    'while true; do done',
    '{ echo; }',
    'echo }',
    ';',
    ';;',
    'echo a;;',
    'echo ; ; echo',
    'a|b',
    'a & b',
    'a && b',
    'a || b',
    'a < b',
    'a > b',
    '[[ a ]]',
    'case',
    'select',
    'in a',
    'done',
    'do x',
    'esac',
    'echo $',
    'echo "$"',
    'echo $-',
    'echo ${a',
    'echo $(a)',
    "echo 'a",
    'echo "a',
  ])('not taken: %j', (script) => {
    expect(mistake(script)).not.toBeNull()
  })
})

describe('after a mistake', () => {
  test('the next line is read as if nothing had been, even within a block', () => {
    expect(outline('first\nmenuentry a {\n  linux a | b\n  initrd c\n}\nlast')).toEqual([
      'first',
      'mistake in line 3',
      'initrd',
      'mistake in line 5',
      'last',
    ])
  })

  test('a lone $ at the begin of a line is passed over like any other mistake', () => {
    expect(outline('true\n$ load_env\ntrue\n$\n$')).toEqual([
      'true',
      'mistake in line 2',
      'true',
      'mistake in line 4',
      'mistake in line 5',
    ])
  })

  test('all of its line goes, and what a block before it in the line had', () => {
    expect(outline('first; if a; then b; fi; |\nlast')).toEqual(['mistake in line 1', 'last'])
  })

  test('a block that is never closed takes the rest of the file with it', () => {
    expect(outline('first\nmenuentry a {\nlinux b\nlast\n')).toEqual(['first', 'mistake in line 4'])
  })
})

describe('how GRUB reads lines', () => {
  const words = (script: string) =>
    [...parseScript(script)].flatMap(({ statements = [] }) =>
      statements.map((statement) =>
        statement.kind === 'command' ? statement.words.map(({ parts }) => parts.map(({ text }) => text).join('|')) : [],
      ),
    )

  test('carriage returns do not count, and a NUL ends its line', () => {
    expect(words("echo a\r\necho 'b\r\nc'\r\necho d\0 e\necho f")).toEqual([
      ['echo', 'a'],
      ['echo', 'b\nc'],
      ['echo', 'd'],
      ['echo', 'f'],
    ])
  })

  test('a line that begins with # is not there, not even within quotes', () => {
    expect(words("echo 'a\n# it's nothing\nb' c")).toEqual([['echo', 'a\nb', 'c']])
  })

  test('blocks a thousand deep, and a hundred thousand deep', () => {
    const nested = (depth: number) => `${'submenu a {\n'.repeat(depth)}echo\n${'}\n'.repeat(depth)}`
    expect(outline(nested(1000))).toEqual(['submenu'])
    expect(mistake(nested(100_000))).toBeGreaterThan(1000)
  })
})
