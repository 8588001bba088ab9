import { describe, expect, test } from 'vitest'
import { DISABLED, LIMIT, whoHasSet } from '../../../src/policy/limits/switches.ts'
import { settingsOf } from '../../../src/policy/limits/sysctl.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree, type Tree } from '../entries/tree.ts'

const text = (path: string, content: string): Tree => ({ [path]: { text: content } })
const off = 'kernel.kexec_load_disabled=1\n'
const systemd: Tree = { '/usr/lib/systemd/systemd-sysctl': 'empty' }

/** Where the switch is set, what counts first. */
function found(...trees: readonly Tree[]): string[] {
  const { settings } = whoHasSet(new System(makeTree(Object.assign({ '/etc/x': 'empty' }, ...trees))), DISABLED)
  return settings.map(({ source }) => source)
}

describe('the line that counts', () => {
  test('is found in each directory, with its number', () => {
    for (const directory of ['/etc/sysctl.d', '/run/sysctl.d', '/usr/local/lib/sysctl.d', '/usr/lib/sysctl.d'])
      expect(found(text(`${directory}/50-x.conf`, `# comment\n;too\n\n${off}`))).toEqual([`${directory}/50-x.conf:4`])
  })

  test('a file masks those of its name in later directories, also an empty one and a link to /dev/null', () => {
    const vendor = text('/usr/lib/sysctl.d/50-x.conf', off)
    expect(found(vendor, text('/etc/sysctl.d/50-x.conf', off))).toEqual(['/etc/sysctl.d/50-x.conf:1'])
    expect(found(vendor, { '/etc/sysctl.d/50-x.conf': 'empty' })).toEqual([])
    expect(found(vendor, { '/etc/sysctl.d/50-x.conf': { link: '/dev/null' } })).toEqual([])
    expect(found(vendor, text('/etc/sysctl.d/50-x.conf.dpkg-old', off))).toEqual(['/usr/lib/sysctl.d/50-x.conf:1'])
  })

  test('files are read in order of their names, whatever the directory: the last one counts', () => {
    expect(found(text('/usr/lib/sysctl.d/99-z.conf', off), text('/etc/sysctl.d/10-a.conf', off))).toEqual([
      '/usr/lib/sysctl.d/99-z.conf:1',
      '/etc/sysctl.d/10-a.conf:1',
    ])
  })

  test('/etc/sysctl.conf comes last, and is not read by systemd unless a link leads to it', () => {
    const last = text('/etc/sysctl.conf', off)
    expect(found(last, text('/etc/sysctl.d/99-z.conf', off))[0]).toBe('/etc/sysctl.conf:1')
    expect(found(last, systemd)).toEqual([])
    expect(found(last, systemd, { '/etc/sysctl.d/99-sysctl.conf': { link: '../sysctl.conf' } })).toEqual([
      '/etc/sysctl.d/99-sysctl.conf:1',
    ])
  })

  test.each([
    '-kernel.kexec_load_disabled = 1',
    'kernel/kexec_load_disabled=1',
    '  kernel.kexec_load_disabled =1  ',
    'kernel.kexec_*=1',
    'kernel/kexec_load_[d]isabled=1',
    'kernel.kexec_load_disabled=0x1',
  ])('%j sets it', (line) => {
    expect(found(text('/etc/sysctl.d/x.conf', `${line}\n`))).toEqual(['/etc/sysctl.d/x.conf:1'])
  })

  test.each([
    'kernel.kexec_load_disabled=0',
    'kernel.kexec_load_disabled',
    '#kernel.kexec_load_disabled=1',
    'kernel.kexec-load-disabled=1',
    'kernel.*.kexec_load_disabled=1',
    '*=1',
    'kernel.kexec_load_disabled=11',
  ])('%j does not', (line) => {
    expect(found(text('/etc/sysctl.d/x.conf', `${line}\n`))).toEqual([])
  })

  test('a name counts before a pattern, and may be taken out of patterns', () => {
    const system = new System(
      makeTree({
        ...text('/etc/sysctl.d/10.conf', 'kernel.kexec_load_limit_reboot=5\n'),
        ...text('/etc/sysctl.d/20.conf', 'kernel.kexec_load_limit_*=3\n'),
      }),
    )
    expect(settingsOf(system, 'kernel.kexec_load_limit_reboot').map(({ value }) => value)).toEqual(['5', '3'])
    expect(found(text('/etc/sysctl.d/x.conf', 'kernel.kexec*=1\n-kernel.kexec_load_disabled\n'))).toEqual([])
  })
})

describe("the kernel's command line", () => {
  const bootedWith = (words: string): Tree => text('/proc/cmdline', `root=/dev/vda1 ${words}\n`)

  test.each([
    'sysctl.kernel.kexec_load_disabled=1',
    'sysctl/kernel/kexec_load_disabled=1',
    '"sysctl.kernel.kexec_load_disabled=1"',
  ])('%s sets it, before any file does', (word) => {
    expect(found(bootedWith(word), text('/etc/sysctl.d/x.conf', off))).toEqual([
      '/proc/cmdline',
      '/etc/sysctl.d/x.conf:1',
    ])
  })

  test.each(['sysctl.kernel.kexec-load-disabled=1', '-- sysctl.kernel.kexec_load_disabled=1', 'kexec_load_disabled=1'])(
    '%s does not',
    (words) => expect(found(bootedWith(words))).toEqual([]),
  )

  test('the remedy names where the boot loader has it', () => {
    const system = new System(
      makeTree({
        ...bootedWith('sysctl.kernel.kexec_load_disabled=1'),
        ...text('/etc/default/grub', 'GRUB_CMDLINE_LINUX="sysctl.kernel.kexec_load_disabled=1"\n'),
        '/usr/sbin/update-grub': 'empty',
      }),
    )
    expect(whoHasSet(system, DISABLED).remedy).toBe(
      'Remove sysctl.kernel.kexec_load_disabled=1 from the kernel command line, in GRUB_CMDLINE_LINUX in /etc/default/grub, then run `update-grub`, then reboot.',
    )
  })
})

test('the remedy: the line, the mask of a file that a package would bring back, or a program that nobody knows', () => {
  const remedy = (tree: Tree, path: string = DISABLED) => whoHasSet(new System(makeTree(tree)), path).remedy
  expect(remedy(text('/etc/sysctl.d/x.conf', off))).toContain(
    '`kernel.kexec_load_disabled=1` from /etc/sysctl.d/x.conf:1',
  )
  expect(remedy(text('/usr/lib/sysctl.d/990-x.conf', off))).toContain(
    'a link /etc/sysctl.d/990-x.conf to /dev/null masks',
  )
  expect(remedy({ '/etc/x': 'empty' })).toContain('so a program has')
  expect(remedy(text('/etc/sysctl.d/x.conf', 'kernel.kexec_load_limit_reboot=0\n'), LIMIT.normal)).toContain('x.conf:1')
})
