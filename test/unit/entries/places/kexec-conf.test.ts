import { describe, expect, test } from 'vitest'
import { parseAssignments } from '../../../../src/entries/places/shell-assignments.ts'
import { System } from '../../../../src/system/system.ts'
import { readSentences } from '../sentences.ts'
import { files, identify, kernels, makeTree, type Tree } from '../tree.ts'

async function entriesOf(tree: Tree) {
  const { entries } = await readSentences({ system: new System(makeTree(tree)), identify })
  return entries.filter(({ source }) => source === 'kexec-conf')
}

const running: Tree = {
  '/proc/sys/kernel/osrelease': { text: '6.6.58-gentoo\n' },
  '/proc/cmdline': { text: 'BOOT_IMAGE=/kernel-6.6.58-gentoo root=/dev/sda3 ro quiet\n' },
}

describe("Gentoo's /etc/conf.d/kexec", () => {
  const boot: Tree = {
    ...kernels('/boot', 'kernel-', '6.6.58-gentoo', '6.6.62-gentoo'),
    ...files('initrd', '/boot/initrd-6.6.58-gentoo.img', '/boot/my.img'),
  }

  test('everything said', async () => {
    const text = `# Kernel image
KNAME="kernel-6.6.62-gentoo"
INITRD='my.img'
ROOTPART="/dev/nvme0n1p3"
BASE="rootfstype=f2fs"
KPARAM="\${BASE} init=/sbin/openrc-init"
DONT_MOUNT_BOOT="yes"
`
    expect(await entriesOf({ ...boot, ...running, '/etc/conf.d/kexec': { text } })).toMatchObject([
      {
        kernel: '/boot/kernel-6.6.62-gentoo',
        initrds: ['/boot/my.img'],
        commandLine: 'root=/dev/nvme0n1p3 rootfstype=f2fs init=/sbin/openrc-init',
        isDefault: true,
        problems: [],
      },
    ])
  })

  test('nothing said: the running release, and its command line', async () => {
    const tree = { ...boot, ...running, '/etc/conf.d/kexec': { text: '#KNAME=""\n' } }
    expect(await entriesOf(tree)).toMatchObject([
      {
        kernel: '/boot/kernel-6.6.58-gentoo',
        initrds: ['/boot/initrd-6.6.58-gentoo.img'],
        commandLine: 'root=/dev/sda3 ro quiet',
      },
    ])
    expect(await entriesOf({ ...tree, '/etc/conf.d/kexec': { text: 'KNAME="-"\n' } })).toEqual([])
  })
})

describe("Debian's /etc/default/kexec", () => {
  const tree = (text: string): Tree => ({
    ...kernels('', 'vmlinuz-', '6.1.0'),
    '/vmlinuz': { link: 'vmlinuz-6.1.0' },
    '/initrd.img': 'initrd',
    '/etc/default/kexec': { text },
    ...running,
  })
  const conffile = 'LOAD_KEXEC=true\nKERNEL_IMAGE="/vmlinuz"\nINITRD="/initrd.img"\nAPPEND=""\nUSE_GRUB_CONFIG=false\n'

  test('the kernel it names, with the running command line', async () => {
    expect(await entriesOf(tree(conffile))).toMatchObject([
      { kernel: '/vmlinuz', initrds: ['/initrd.img'], commandLine: 'root=/dev/sda3 ro quiet', problems: [] },
    ])
  })

  test('files of kexec.d come after it; a name with a dot is none of them', async () => {
    const more: Tree = {
      '/etc/default/kexec.d/10_more': { text: 'APPEND="$APPEND root=/dev/sdb1"\n' },
      '/etc/default/kexec.d/20.conf': { text: 'KERNEL_IMAGE=/none\n' },
    }
    expect(await entriesOf({ ...tree(conffile), ...more })).toMatchObject([
      { kernel: '/vmlinuz', commandLine: ' root=/dev/sdb1' },
    ])
  })

  test.each(['LOAD_KEXEC=false', 'USE_GRUB_CONFIG=true'])('%s: no entry', async (line) => {
    expect(await entriesOf(tree(`${conffile}${line}\n`))).toEqual([])
  })
})

describe('shell assignments', () => {
  const cases: readonly [string, Record<string, string>, number][] = [
    ['A=b; export C="d e" # f', { A: 'b', C: 'd e' }, 0],
    [`A='x'"y"\\ z`, { A: 'xy z' }, 0],
    [`A=1\nB="$A/\${A}2"`, { A: '1', B: '1/12' }, 0],
    ['A="a\nb"\nB=c', { A: 'a\nb', B: 'c' }, 0],
    ['A=$(reboot)\nB=1', { B: '1' }, 1],
    ['A="`reboot`"\nB=1', { B: '1' }, 1],
    ['A=1 reboot\nif x; then\nB=2', { A: '1', B: '2' }, 2],
    ['A="never closed', {}, 1],
    ['A=', { A: '' }, 0],
    ['A=b#c\nB=d #e', { A: 'b#c', B: 'd' }, 0],
  ]
  test.each(cases)('%j', (text, values, problems) => {
    const parsed = parseAssignments(text)
    expect(Object.fromEntries(parsed.values)).toEqual(values)
    expect(parsed.problems).toHaveLength(problems)
  })

  test('values that double each other, and 10 MB of quotes', () => {
    const doubling = `A=aaaaaaaa\n${'A="$A$A"\n'.repeat(100_000)}`
    expect(parseAssignments(doubling).values.get('A')?.length ?? 0).toBeLessThan(100_000)
    parseAssignments(`A=${'"'.repeat(10_000_000)}`)
    parseAssignments('"'.repeat(10_000_000))
    parseAssignments('A="\n'.repeat(300_001))
  })
})
