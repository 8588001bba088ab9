import { describe, expect, test } from 'vitest'
import type { Tree } from '../../tree.ts'
import { entryOf, linux, menuOf } from '../menu.ts'

const titles = async (script: string, more: Tree = {}) => (await menuOf(script, more)).entries.map(({ title }) => title)

describe('test compares', () => {
  const pairs = [
    ['1', '2'],
    ['2', '2'],
    ['2', '1'],
    ['10', '9'],
    ['-1', '1'],
  ] as const
  const sign = (one: number | string, other: number | string) => (one < other ? -1 : one > other ? 1 : 0)
  const operators: Readonly<Record<string, readonly number[]>> = {
    '=': [0],
    '==': [0],
    '!=': [-1, 1],
    '<': [-1],
    '<=': [-1, 0],
    '>': [1],
    '>=': [0, 1],
    '-eq': [0],
    '-ne': [-1, 1],
    '-lt': [-1],
    '-le': [-1, 0],
    '-gt': [1],
    '-ge': [0, 1],
  }

  test.each(Object.entries(operators))('%s', async (operator, signs) => {
    const isNumeric = operator.startsWith('-')
    const script = pairs
      .map(
        ([one, other]) => `if test ${one} '${operator}' ${other}; then menuentry '${one} ${other}' { ${linux}; }; fi`,
      )
      .join('\n')
    const expected = pairs.filter(([one, other]) =>
      signs.includes(isNumeric ? sign(Number(one), Number(other)) : sign(one, other)),
    )
    expect(await titles(script)).toEqual(expected.map((pair) => pair.join(' ')))
  })
})

describe('commands that read another configuration', () => {
  const other: Tree = { '/boot/grub/other.cfg': { text: `menuentry other { ${linux} }\n` } }

  test.each(['source', '.', 'extract_entries_source', 'extract_entries_configfile', 'configfile', 'normal'])(
    '%s',
    async (command) => {
      expect(await titles(`${command} /boot/grub/other.cfg`, other)).toEqual(['other'])
      expect(await titles(`${command} /boot/grub/absent.cfg`, other)).toEqual([])
    },
  )

  test('menuentry --source has its body in a word', async () => {
    const { entries } = await menuOf(`menuentry here --id x --source '${linux} quiet'`)
    expect(entries).toEqual([
      expect.objectContaining({ title: 'here', kernel: '/boot/vmlinuz-6.1.0', commandLine: 'quiet' }),
    ])
    expect(await titles('menuentry nobody')).toEqual([])
  })

  test('a script without a menu that loads a kernel is an entry', async () => {
    const { entries } = await menuOf(`${linux} root=/dev/sda1 ro\ninitrd /boot/initrd.img-6.1.0\nboot`)
    expect(entries).toEqual([
      expect.objectContaining({
        title: 'vmlinuz-6.1.0',
        kernel: '/boot/vmlinuz-6.1.0',
        initrds: ['/boot/initrd.img-6.1.0'],
        commandLine: 'root=/dev/sda1 ro',
      }),
    ])
  })
})

describe('environment blocks', () => {
  test('one that is missing here is named, and what it would hold', async () => {
    const { problems } = await menuOf(`load_env -f /boot/grub/absent\nmenuentry a { ${linux}; }`)
    expect(problems).toEqual([
      '/boot/grub/grub.cfg: the environment block /boot/grub/absent does not exist. The values saved in it are missing here.',
    ])
  })
})

describe('what only the machine knows', () => {
  test.each([
    'hwmatch x 1',
    'loadfont x',
    'background_image x',
    'cpuid -l',
    'rdmsr 1',
    'inb 1',
    'authenticate x',
    'verify_detached a b',
    'hashsum -h sha256 x',
    'md5sum x',
    'sha256sum x',
    'crc x',
    'cmp a b',
    'cmostest 1',
    'hdparm (hd0)',
    'tpm',
  ])('a condition on %s leaves the entry in doubt, with a source', async (command) => {
    const { problems } = await entryOf(`${linux} $c`, `if ${command}; then c=one; else c=other; fi`)
    expect(problems).toEqual([expect.stringMatching(/^Its kernel or command line depends on (a|the) \w[\w ]+\.$/)])
  })

  test.each(['kfreebsd', 'knetbsd', 'kopenbsd', 'ntldr', 'freedos', 'plan9', 'xnu_kernel', 'linux_xen', 'appleloader'])(
    '%s starts something that kexec does not',
    async (command) => {
      const entry = await entryOf(`${command} /boot/something`)
      expect(entry.kernel).toBeNull()
      expect(entry.problems.join()).toMatch(/It starts \w.*, which kexec cannot start/)
    },
  )
})

describe('what is not certain', () => {
  test('a round that a loop may not have leaves its entries in doubt, and only those', async () => {
    const list = 'smbios -t 1 -s 5 --set model\nif [ "$model" = x ]; then list="a b"; else list=a; fi'
    const { entries } = await menuOf(`${list}\nfor each in $list; do menuentry $each { ${linux}; }; done`)
    expect(entries.map(({ title, problems }) => [title, problems])).toEqual([
      ['a', []],
      ['b', ['It is shown only if a condition holds that depends on the firmware.']],
    ])
  })

  test('a pattern that cannot be decided here does not rule out its branch', async () => {
    const entry = await entryOf(`${linux} $c`, "if regexp '(.)\\1' aab; then c=match; else c=none; fi")
    expect(entry).toMatchObject({
      commandLine: 'match',
      problems: ["Its kernel or command line depends on whether 'aab' matches '(.)\\1'."],
    })
  })
})

describe('words', () => {
  test('a quoted word is never a keyword', async () => {
    expect(await titles(`'if' true\nmenuentry a { ${linux}; }`)).toEqual(['a'])
    expect(await titles(`if true; then menuentry a { ${linux}; }; "fi"\nfi`)).toEqual(['a'])
  })

  test('a wildcard without a leading slash stands for itself', async () => {
    expect(await titles(`regexp a b\nfor x in vmlinuz* b; do menuentry "$x" { ${linux}; }; done`)).toEqual([
      'vmlinuz*',
      'b',
    ])
  })
})
