import { linkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../../src/cmdline/parse.ts'
import { type PlanOptions, plan } from '../../../src/index.ts'
import { type RootLookup, rootLookup } from '../../../src/plan/checks/root-device.ts'
import { debian, makeMachine, newer } from './debian.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text).join()

async function planned(options: PlanOptions) {
  using made = await plan(options)
  return { ...made.toJSON(), refusals: made.refusals }
}

const kernel = `/boot/vmlinuz-${newer}`
const initrd = `/boot/initrd.img-${newer}`

describe('an installed kernel named by its path, without its initrd', () => {
  test('is refused, with what to say instead', async () => {
    const { refusals } = await planned({ root: makeMachine(), kernel, reuseCommandLine: true })
    expect(refusals).toMatchObject([{ reason: 'no-initrd', path: kernel, refused: true }])
    expect(refusals[0]?.hint).toContain(`linux-kexec load 'vmlinuz-${newer}'`)
    expect(refusals[0]?.hint).toContain(`initrds: ['${initrd}']`)
    expect(refusals[0]?.hint).toContain('noInitrd: true')
  })

  test('by whatever name: a link to it, another path of the same file', async () => {
    const linked = makeMachine({ ...debian, '/vmlinuz': { link: `boot/vmlinuz-${newer}` } })
    expect((await planned({ root: linked, target: '/vmlinuz', reuseCommandLine: true })).refusals).toMatchObject([
      { reason: 'no-initrd' },
    ])
    const root = makeMachine({ ...debian, '/srv/readme': { text: '' } })
    linkSync(join(root, kernel), join(root, '/srv/kernel'))
    expect((await planned({ root, target: '/srv/kernel', reuseCommandLine: true })).refusals).toMatchObject([
      { reason: 'no-initrd' },
    ])
  })

  test('is taken with an initrd, with --no-initrd, and by its entry', async () => {
    const root = makeMachine()
    const line = { commandLine: 'root=/dev/vda1' }
    expect((await planned({ root, kernel, ...line, initrds: [initrd] })).refusals).toEqual([])
    expect((await planned({ root, kernel, ...line, noInitrd: true })).refusals).toEqual([])
    expect((await planned({ root, entry: newer, ...line })).refusals).toEqual([])
  })

  test('where an exact command line is given, as kexec(8) has it, is loaded as it was named, with a warning', async () => {
    const { refusals, warnings } = await planned({ root: makeMachine(), kernel, exactCommandLine: 'root=LABEL=x' })
    expect(refusals).toEqual([])
    expect(texts(warnings)).toContain(`${initrd} belongs to this kernel`)
    expect(texts(warnings)).toContain('only an initrd finds root=LABEL=x')
  })

  test('a kernel that no entry has may come alone', async () => {
    const root = makeMachine({ ...debian, '/root/bzImage': { kernel: newer } })
    expect((await planned({ root, kernel: '/root/bzImage', reuseCommandLine: true })).refusals).toEqual([])
  })
})

describe('a root file system that only an initrd finds', () => {
  const bare: PlanOptions = { kernel: '/root/bzImage' }
  const root = () => makeMachine({ ...debian, '/root/bzImage': { kernel: newer } })

  test('is refused without one, and a warning where that was asked for', async () => {
    const refused = await planned({ ...bare, root: root(), commandLine: 'root=UUID=0b0c-1d ro' })
    expect(refused.refusals).toMatchObject([{ reason: 'no-initrd' }])
    expect(refused.refusals[0]?.summary).toContain('root=UUID=0b0c-1d')
    const meant = await planned({ ...bare, root: root(), commandLine: 'root=UUID=0b0c-1d ro', noInitrd: true })
    expect(meant.refusals).toEqual([])
    expect(texts(meant.warnings)).toContain('only an initrd finds root=UUID=0b0c-1d')
  })

  test('the last root= counts, in quotes too', async () => {
    const { refusals } = await planned({ ...bare, root: root(), commandLine: 'root=/dev/vda1 "root=LABEL=my disk"' })
    expect(refusals).toMatchObject([{ reason: 'no-initrd' }])
  })

  test('of an entry that a boot loader starts so, it is a warning: the kernel may have an initramfs built in', async () => {
    const conf = `title A\nlinux /vmlinuz-${newer}\noptions root=LABEL=root\n`
    const machine = makeMachine({ ...debian, '/boot/loader/entries/a.conf': { text: conf } })
    const { refusals, warnings } = await planned({ root: machine, entry: 'a.conf' })
    expect(refusals).toEqual([])
    expect(texts(warnings)).toContain('only an initrd finds root=LABEL=root')
  })

  test('of a kernel that merely lies in /boot, it is refused', async () => {
    const { [initrd]: _, ...without } = debian
    const machine = makeMachine({ ...without, '/proc/cmdline': { text: 'root=UUID=1-2 ro\n' } })
    expect((await planned({ root: machine, entry: newer })).refusals).toMatchObject([{ reason: 'no-initrd' }])
  })
})

test.each<[RootLookup, string[]]>([
  ['kernel', ['/dev/sda1', '/dev/nvme0n1p2', '/dev/mmcblk0p2', '/dev/md0', '/dev/nfs', '/dev/ram0', '/dev/cifs']],
  ['kernel', ['PARTUUID=1-2', 'PARTUUID=1-2/PARTNROFF=1', 'PARTLABEL=root', '8:1', '801', '0801', '259:2']],
  ['kernel', ['mtd:rootfs', 'mtdblock2', 'ubi0:rootfs', 'ubi0_0', '/dev/cciss/c0d0p1']],
  ['initrd', ['UUID=0b0c-1d', 'LABEL=root', '/dev/disk/by-uuid/0b0c', '/dev/disk/by-label/root', '/dev/dm-0']],
  ['initrd', ['/dev/mapper/vg-root', '/dev/vg/root', 'ZFS=rpool/ROOT/debian', 'zfs:AUTO', 'live:LABEL=Fedora']],
  ['initrd', ['block:/dev/sda1', 'nbd:host:1', 'iscsi:host', 'fcoe:eth0', 'nvmf:x', 'dhcp', 'dhcp6']],
  ['unknown', ['rpool/ROOT', 'myfs', '']],
])('the %s finds %j', (lookup, roots) => {
  for (const root of roots) expect(rootLookup(root, parseCommandLine('ro')), root).toBe(lookup)
})

test('what other parameters say counts: a mapped device made by the kernel, a file system without a device', () => {
  const line = parseCommandLine('root=/dev/dm-0 "dm-mod.create=root,,,ro,0 8 linear 8:1 0"')
  expect(rootLookup('/dev/dm-0', line)).toBe('kernel')
  expect(rootLookup('myfs', parseCommandLine('rootfstype=virtiofs'))).toBe('kernel')
  expect(rootLookup('UUID=1-2', parseCommandLine('rootfstype=ext4'))).toBe('initrd')
})

test('initrd= leaves the command line of whatever entry is planned; its files are the initrds', async () => {
  const conf = (line: string) => `title A\n${line}\noptions initrd=${initrd.slice(5)} root=/dev/vda1 initrd=/gone\n`
  const root = makeMachine({
    ...debian,
    '/boot/refind_linux.conf': { text: `"a" "root=/dev/vda1 initrd=${initrd}"\n` },
  })
  const refind = await planned({ root, entry: `vmlinuz-${newer}` })
  expect(refind).toMatchObject({ initrds: [initrd], commandLine: 'root=/dev/vda1' })
  const stub = makeMachine({
    ...debian,
    '/boot/loader/entries/a.conf': { text: conf(`efi /vmlinuz-${newer}`) },
    '/boot/gone': 'initrd',
  })
  expect(await planned({ root: stub, entry: 'a.conf' })).toMatchObject({
    initrds: [initrd, '/boot/gone'],
    commandLine: 'root=/dev/vda1',
  })
  const extlinux = makeMachine({
    ...debian,
    '/boot/extlinux/extlinux.conf': {
      text: `LABEL one\nLINUX ${kernel}\nAPPEND initrd=${initrd} root=/dev/vda1\n`,
    },
  })
  const planOf = await planned({ root: extlinux, entry: 'one' })
  expect(planOf).toMatchObject({ initrds: [initrd], commandLine: 'root=/dev/vda1' })
  expect(planOf.decisions.find(({ subject }) => subject === 'command line')?.reason).toBe(
    "the entry's own, without initrd",
  )
})
