import { describe, expect, test } from 'vitest'
import type { BootEntry } from '../../../src/entries/model/entry.ts'
import { selectEntry } from '../../../src/entries/select.ts'
import type { KexecError } from '../../../src/errors.ts'
import { nearest } from '../../../src/text.ts'

function entry(version: string, more: Partial<BootEntry> = {}): BootEntry {
  const id = `vmlinuz-${version}`
  return {
    id,
    title: `Debian GNU/Linux 12 (bookworm), Linux ${version}`,
    submenus: [],
    version,
    source: 'boot-dir',
    sources: ['boot-dir'],
    config: '/boot',
    kernel: `/boot/${id}`,
    initrds: [],
    commandLine: null,
    deviceTree: null,
    profile: null,
    architecture: 'x86_64',
    isDefault: false,
    isRunning: false,
    isNewest: false,
    passedOver: null,
    problems: [],
    ...more,
  }
}

const rescue = entry('6.1.0-50-amd64', {
  id: 'vmlinuz-0-rescue-abc',
  kernel: '/boot/vmlinuz-0-rescue-abc',
  title: 'Debian GNU/Linux 12 (bookworm), Linux 6.1.0-50-amd64 (rescue)',
})
const entries = [
  entry('6.13.0', { problems: [{ code: 'unreadable-kernel', text: '/boot/vmlinuz-6.13.0 is empty.' }] }),
  entry('6.12.107+deb12-amd64', { isNewest: true }),
  entry('6.12.100+deb12-amd64'),
  entry('6.1.0-50-amd64', { isRunning: true }),
  rescue,
]

describe('selects', () => {
  test.each([
    [undefined, 1],
    ['newest', 1],
    ['running', 3],
    ['#1', 0],
    ['1', 0],
    ['4', 3],
    ['#5', 4],
    ['vmlinuz-0-rescue-abc', 4],
    ['vmlinuz-6.1.0-50-amd64', 3],
    ['Debian GNU/Linux 12 (bookworm), Linux 6.12.100+deb12-amd64', 2],
    ['6.1.0-50-amd64', 3],
    ['6.12.107', 1],
    ['6.12.107+deb12', 1],
    ['6.1', 3],
    ['6.1.', 3],
    ['6.13', 0],
  ])('%s', (selector, index) => {
    expect(selectEntry(entries, selector)).toBe(entries[index])
  })

  test('the default, once a boot loader tells one', () => {
    const withDefault = [...entries, entry('5.10.0', { isDefault: true })]
    expect(selectEntry(withDefault).version).toBe('5.10.0')
    expect(selectEntry(withDefault, 'default').version).toBe('5.10.0')
    expect(selectEntry(withDefault, 'newest').version).toBe('6.12.107+deb12-amd64')
  })

  test('a spare kernel by its version when it is the only one', () => {
    expect(selectEntry([rescue], '6.1.0-50-amd64')).toBe(rescue)
  })
})

describe('in a menu of GRUB', () => {
  const advanced = {
    submenus: ['Advanced options for Debian GNU/Linux'],
    source: 'grub',
    commandLine: 'root=/dev/sda1 ro',
  } as const
  const menu = [
    entry('6.12.0', { id: 'simple', title: 'Debian GNU/Linux', source: 'grub', commandLine: 'root=/dev/sda1 ro' }),
    entry('6.12.0', { ...advanced, id: 'advanced-6.12', title: 'Debian GNU/Linux, with Linux 6.12.0' }),
    entry('6.12.0', {
      ...advanced,
      id: 'recovery-6.12',
      title: 'With 6.12.0 (recovery mode)',
      commandLine: 'ro single',
    }),
    entry('6.1.0', { ...advanced, id: 'advanced-6.1', title: 'Debian GNU/Linux, with Linux 6.1.0' }),
    entry('6.1.0', { ...advanced, id: 'debug-6.1', title: 'Debugging', commandLine: 'root=/dev/sda1 debug' }),
    entry('6.6.0', { id: '6a98-6.6.0.conf', title: 'Fedora', source: 'bls' }),
  ]

  test.each([
    ['Debian GNU/Linux', 0],
    ['6.12.0', 0],
    ['recovery-6.12', 2],
    ['With 6.12.0 (recovery mode)', 2],
    ['Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0', 3],
    ['Advanced options for Debian GNU/Linux > Debian GNU/Linux, with Linux 6.1.0', 3],
    ['gnulinux-advanced-8c1f5d1e>advanced-6.1', 3],
    ['6a98-6.6.0', 5],
  ])('%s', (selector, index) => {
    expect(selectEntry(menu, selector)).toBe(menu[index])
  })

  test('a version with two command lines is ambiguous, and the candidates can be told apart', () => {
    expect(() => selectEntry(menu, '6.1.0')).toThrow(
      expect.objectContaining({
        reason: 'ambiguous-entry',
        hint: "Select one of them by its number or id: '#4' advanced-6.1, '#5' debug-6.1.",
      }),
    )
  })
})

describe('refuses, and lists the candidates', () => {
  const errorOf = (selector?: string, list = entries): KexecError => {
    try {
      selectEntry(list, selector)
    } catch (error) {
      return error as KexecError
    }
    throw new Error(`${selector} was selected`)
  }

  test.each([
    'default',
    '#0',
    '#6',
    '6',
    '0',
    '#99999999999999999999',
    '7.0',
    '6',
    '6.12.10',
    '',
    'vmlinuz',
    '/boot/vmlinuz-6.13.0',
  ])('%j', (selector) => {
    const error = errorOf(selector)
    expect(error).toMatchObject({ reason: 'no-such-entry', refused: true })
    for (const { id } of entries) expect(error.hint).toContain(id)
  })

  test('default says that no boot loader told one', () => {
    expect(errorOf('default').summary).toMatch(/no boot loader names a default/)
  })

  test('running when none is', () => {
    expect(errorOf('running', [entry('6.1.0')]).summary).toMatch(/none of the entries is the running kernel/)
  })

  test('an empty list', () => {
    expect(errorOf(undefined, [])).toMatchObject({ reason: 'no-such-entry', summary: 'nothing to boot was found' })
  })

  test('a version that several start with', () => {
    const error = errorOf('6.12')
    expect(error).toMatchObject({ reason: 'ambiguous-entry', refused: true, summary: "'6.12' matches 2 entries" })
    expect(error.hint).toContain("'#2' vmlinuz-6.12.107+deb12-amd64, '#3' vmlinuz-6.12.100+deb12-amd64.")
    expect(error.hint).not.toContain('6.13.0')
  })

  test.each([
    ['newset', 'newest'],
    ['runing', 'running'],
    ['6.1.0-5-amd64', '6.1.0-50-amd64'],
    ['vmlinuz-6.1.0-50-adm64', 'vmlinuz-6.1.0-50-amd64'],
  ])('%s suggests %s', (selector, meant) => {
    expect(errorOf(selector).hint).toMatch(`Did you mean '${meant}'?`)
  })

  test('a long list is cut', () => {
    const many = Array.from({ length: 1000 }, (_, build) => entry(`6.1.0-${build}`))
    expect(errorOf('9.9', many).hint).toMatch(/and 988 more\.$/)
    expect(errorOf('6.1', many).hint?.length).toBeLessThan(500)
  })
})

test.each([
  ['lsit', ['list', 'load', 'plan'], 'list'],
  ['unlaod', ['load', 'unload'], 'unload'],
  ['Newest', ['newest'], 'newest'],
  ['--reuse-comand-line', ['--reuse-cmdline', '--command-line'], '--reuse-cmdline'],
  ['banana', ['list', 'load'], undefined],
  ['x', ['list'], undefined],
  ['', ['list'], undefined],
  ['a'.repeat(100_000), ['list'], undefined],
])('nearest(%s)', (word, candidates, expected) => {
  expect(nearest(word, candidates)).toBe(expected)
})

describe('a number that is also a name', () => {
  const two = entry('2', { id: 'two' })

  test('of the entry that stands there means it', () => {
    expect(selectEntry([entry('6.1.0'), two], '2')).toBe(two)
  })

  test.each([
    ['version', two],
    ['id', entry('6.1.0', { id: '2' })],
    ['file', entry('6.1.0', { id: '2.conf' })],
    ['title', entry('6.1.0', { title: '2' })],
  ])('by its %s of another entry is ambiguous, and #2 is not', (_, called) => {
    const list = [called, entry('6.12.0')]
    expect(() => selectEntry(list, '2')).toThrow(/'2' matches 2 entries/)
    expect(selectEntry(list, '#2')).toBe(list[1])
  })

  test('beyond the list means what is called so', () => {
    expect(selectEntry([entry('7'), two], '7')).toMatchObject({ version: '7' })
  })
})

test('a version means the entry of the system that runs, where another system has one as well', () => {
  const own = entry('6.1.0', { id: 'own', commandLine: 'root=LABEL=a' })
  const other = entry('6.1.0', { id: 'other', commandLine: 'root=LABEL=b', passedOver: 'another root file system' })
  expect(selectEntry([other, own], '6.1.0')).toBe(own)
  expect(selectEntry([other], '6.1.0')).toBe(other)
})
