import { expect, test } from 'vitest'
import { System } from '../../../../src/system/system.ts'
import { readSentences } from '../sentences.ts'
import { identify, makeTree } from '../tree.ts'

test('Ubuntu on ZFS: the pool that is searched for is the one mounted at /boot, whose mount names no partition', async () => {
  const system = new System(
    makeTree({
      '/proc/self/mountinfo': {
        text: `30 1 0:25 / / rw - zfs rpool/ROOT/ubuntu rw
31 30 0:40 / /boot rw - zfs bpool/BOOT/ubuntu rw
32 31 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw
`,
      },
      '/dev/disk/by-uuid/C0DE-0001': { link: '../../nvme0n1p1' },
      '/dev/disk/by-uuid/1234567890abcdef': { link: '../../nvme0n1p3' },
      '/dev/nvme0n1p1': { text: '' },
      '/dev/nvme0n1p3': { text: '' },
      '/boot/vmlinuz-5.4.0-48-generic': { kernel: '5.4.0-48-generic' },
      '/boot/initrd.img-5.4.0-48-generic': 'initrd',
      '/boot/grub/grub.cfg': {
        text: `menuentry a {
search --no-floppy --fs-uuid --set=root 1234567890abcdef
linux "/BOOT/ubuntu@/vmlinuz-5.4.0-48-generic" root=ZFS="rpool/ROOT/ubuntu" ro
initrd "/BOOT/ubuntu@/initrd.img-5.4.0-48-generic"
}
`,
      },
    }),
  )
  const { entries } = await readSentences({ system, identify })
  expect(entries).toMatchObject([
    {
      id: 'a',
      kernel: '/boot/vmlinuz-5.4.0-48-generic',
      initrds: ['/boot/initrd.img-5.4.0-48-generic'],
      problems: [],
    },
  ])
})
