import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../../../src/cmdline/parse.ts'
import { type PlanOptions, plan } from '../../../../src/index.ts'
import { rootLookup } from '../../../../src/plan/checks/root-device.ts'
import type { Tree } from '../../entries/tree.ts'
import { debian, makeMachine, newer } from '../debian.ts'

const kernel = `/boot/vmlinuz-${newer}`

async function said(options: PlanOptions) {
  using made = await plan(options)
  return {
    warnings: made.warnings.map(({ code, text }) => `${code}: ${text}`),
    refusals: made.refusals.map(({ reason, path, summary, hint }) => `${reason} ${path}: ${summary}. ${hint}`),
  }
}

describe('every file that decides what runs', () => {
  const conf = `title A\nlinux /vmlinuz-${newer}\ninitrd /initrd.img-${newer}\noptions root=/dev/vda1\n`
  const tree: Tree = { ...debian, '/boot/loader/entries/a.conf': { text: conf }, '/etc/motd': { text: 'hello' } }

  test.each([
    ['the kernel', kernel],
    ['the initrd', `/boot/initrd.img-${newer}`],
    ['the entry', '/boot/loader/entries/a.conf'],
    ['a file of the overlay', '/etc/motd'],
  ])('%s', async (_, path) => {
    const root = makeMachine(tree)
    const options: PlanOptions = { root, entry: 'a.conf', overlay: ['/etc/motd'] }
    expect((await said(options)).warnings).toEqual([])
    chmodSync(join(root, path), 0o666)
    expect((await said(options)).warnings).toEqual([
      `exposed-files: ${path} is writable by every user: anyone could replace it`,
    ])
  })

  test('bytes are in no file', async () => {
    const root = makeMachine(tree)
    const { warnings } = await said({ root, entry: 'a.conf', initrds: [Buffer.from('070701')] })
    expect(warnings.join()).not.toContain('exposed-files')
  })
})

describe('the root file system that no initrd looks for', () => {
  const root = () => makeMachine({ ...debian, '/root/bzImage': { kernel: newer } })
  const booted = (commandLine: string, more: PlanOptions = {}) =>
    said({ root: root(), kernel: '/root/bzImage', commandLine, ...more })

  test('is refused with what the kernel knows by itself, and both remedies', async () => {
    expect((await booted('root=LABEL=x')).refusals).toEqual([
      "no-initrd undefined: there is no initrd, and only an initrd finds root=LABEL=x: the kernel by itself knows device names, PARTUUID= and PARTLABEL=. Name the initrd with initrds: ['FILE']. For a kernel with an initramfs built in, add noInitrd: true.",
    ])
    const { [`/boot/initrd.img-${newer}`]: _, ...without } = debian
    const machine = makeMachine({ ...without, '/proc/cmdline': { text: 'root=UUID=1-2 ro\n' } })
    expect((await said({ root: machine, entry: newer })).refusals).toEqual([
      expect.stringMatching(new RegExp(`^no-initrd ${kernel.replaceAll(/[+.]/g, '\\$&')}: there is no initrd`)),
    ])
  })

  test('is warned of where nobody can know, and where it is meant', async () => {
    const anyhow = 'it starts only if it has an initramfs built in'
    expect(await booted('root=myfs')).toEqual({
      refusals: [],
      warnings: [
        `root-needs-initrd: there is no initrd, and whether the kernel by itself finds root=myfs is unknown; ${anyhow}`,
      ],
    })
    const meant = await booted('root=LABEL=x', { noInitrd: true })
    expect(meant).toEqual({
      refusals: [],
      warnings: [
        expect.stringMatching(new RegExp(`^root-needs-initrd: .*only an initrd finds root=LABEL=x.*; ${anyhow}$`)),
      ],
    })
    expect((await booted('quiet')).warnings).toEqual([
      'no-root: the command line has no root= and there is no initrd: the new kernel will not find its root file system',
    ])
    expect((await booted('root')).warnings).toEqual([expect.stringContaining('finds root is unknown')])
  })

  test('by its name: near misses of what each finds', () => {
    const line = parseCommandLine('ro')
    for (const name of ['xUUID=1', '/dev/disk', '/dev/mapper', '/mnt/dev/disk/by-id/x', 'nbdx', 'dhcp4', 'live'])
      expect(`${name}: ${rootLookup(name, line)}`).toMatch(name === 'live' ? /initrd$/ : /(kernel|unknown)$/)
    expect(rootLookup('uuid=1', line)).toBe('initrd')
    expect(rootLookup('partuuid=1', line)).not.toBe('kernel')
    for (const name of ['8:1:2', 'fd00', 'FD00', 'mtd', 'ubi0:root'])
      expect(rootLookup(name, line), name).toBe('kernel')
    for (const name of ['8:', ':1', 'fd', '123456789', 'x8:1', '8:1x', 'xmtd0'])
      expect(rootLookup(name, line), name).toBe('unknown')
    expect(rootLookup('/dev/dm-0x', line)).toBe('kernel')
    expect(rootLookup('/dev/dm-12', line)).toBe('initrd')
    for (const name of ['/dev/ida/c0d0', '/dev/rd/c0d0', '/dev/ataraid/d0', '/dev/etherd/e0.0'])
      expect(rootLookup(name, line), name).toBe('kernel')
    expect(rootLookup('/dev/xcciss/c0', line)).toBe('initrd')
    expect(rootLookup('/dev/cciss/c0/d0', line)).toBe('unknown')
  })
})
