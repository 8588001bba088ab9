import { expect, test } from 'vitest'
import { readFstab } from '../../../src/system/mounts/fstab.ts'
import { mountsInside, readMountTable } from '../../../src/system/mounts/mount-table.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree } from '../entries/tree.ts'

const of = (path: string, text: string) => new System(makeTree({ [path]: { text } }))

test('a mount is read with and without optional fields, and its octal digits are undone', () => {
  const lines = String.raw`22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
23 22 8:2 /@boot /boot ro shared:1 master:2 - btrfs /dev/sda2 ro,subvol=/@boot
24 22 0:45 / /srv/my\040\134files ro - nfs4 server:/a\040b rw
25 22 0:5 / /run rw - tmpfs none rw
26 22 8:3 / /cut off`
  expect(readMountTable(of('/proc/self/mountinfo', lines))).toEqual([
    { mountPoint: '/', top: '/', type: 'ext4', device: '/dev/sda1', readOnly: false },
    { mountPoint: '/boot', top: '/@boot', type: 'btrfs', device: '/dev/sda2', readOnly: true },
    { mountPoint: '/srv/my \\files', top: '/', type: 'nfs4', device: 'server:/a b', readOnly: false },
    { mountPoint: '/run', top: '/', type: 'tmpfs', device: null, readOnly: false },
  ])
  expect(readMountTable(of('/etc/fstab', ''))).toBeUndefined()
})

test("a chroot's mounts lose the path of the chroot; those of a captured tree stay as they are", () => {
  const system = of('/etc/fstab', '')
  const mounts = ['/', '/boot', system.root, `${system.root}/boot`, `${system.root}2`].map((mountPoint) => ({
    mountPoint,
  }))
  expect(mountsInside(mounts, system).map(({ mountPoint }) => mountPoint)).toEqual(['/', '/boot'])
  const captured = [{ mountPoint: '/' }, { mountPoint: '/boot' }]
  expect(mountsInside(captured, system)).toEqual(captured)
  expect(mountsInside(mounts, new System('/'))).toBe(mounts)
})

test('fstab is read without comments, quotes and slashes at the end', () => {
  const text = String.raw`# /etc/fstab
UUID="ab-12"  /boot/efi/  vfat  umask=0077,noauto 0 1

  LABEL=my\040disk /srv/a\040b
/swap none swap sw 0 0`
  expect(readFstab(of('/etc/fstab', text)).map(({ line, ...mount }) => mount)).toEqual([
    { mountPoint: '/boot/efi', device: 'UUID=ab-12', type: 'vfat', options: ['umask=0077', 'noauto'] },
    { mountPoint: '/srv/a b', device: 'LABEL=my disk', type: undefined, options: [''] },
    { mountPoint: 'none', device: '/swap', type: 'swap', options: ['sw'] },
  ])
  expect(readFstab(of('/proc/x', ''))).toEqual([])
})
