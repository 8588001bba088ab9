import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Volumes } from '../../../../src/entries/paths/volumes.ts'
import { Survey } from '../../../../src/entries/survey/survey.ts'
import { System } from '../../../../src/system/system.ts'
import { fixtureSystem } from '../fixtures.ts'
import { files, identify, makeTree, type Tree } from '../tree.ts'

function volumesOf(tree: Tree): Volumes {
  return new Volumes(new System(makeTree(tree)))
}

const grub = '/boot/grub/grub.cfg'

/** /proc/self/mountinfo of a Debian 12 with a separate /boot, an ESP and a volume group. */
const mountinfo = `22 27 0:21 / /proc rw,nosuid shared:12 - proc proc rw
27 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw,errors=remount-ro
40 27 259:2 / /boot rw,relatime shared:30 - ext4 /dev/nvme0n1p2 rw
41 40 259:1 / /boot/efi rw,relatime shared:31 - vfat /dev/nvme0n1p1 rw,fmask=0077
`

const separate: Tree = {
  '/proc/self/mountinfo': { text: mountinfo },
  '/dev/disk/by-uuid/4F2A-11B0': { link: '../../nvme0n1p1' },
  '/dev/disk/by-uuid/0b7e9a3c-2d11-4b61-9f0e-55d1a2c90a11': { link: '../../nvme0n1p2' },
  '/dev/disk/by-uuid/8c1f5d1e-9a55-4d0f-b1d4-0a2b3c4d5e6f': { link: '../../dm-0' },
  '/dev/disk/by-uuid/11112222-0000-4000-8000-333344445555': { link: '../../nvme0n1p4' },
  '/dev/disk/by-label/boot\\x20disk': { link: '../../nvme0n1p2' },
  '/dev/mapper/vg-root': { link: '../dm-0' },
  '/boot/vmlinuz-6.1.0': { kernel: '6.1.0' },
  '/boot/efi/EFI/Linux/Arch.efi': 'empty',
  '/vmlinuz': { link: 'boot/vmlinuz-6.1.0' },
}

describe('a separate /boot', () => {
  test('by uuid: paths start at the top of that file system', () => {
    const volumes = volumesOf(separate)
    const boot = volumes.find({ uuid: '0b7e9a3c-2d11-4b61-9f0e-55d1a2c90a11' })
    expect(boot).toMatchObject({ name: '/dev/nvme0n1p2', partition: 2 })
    expect(volumes.locate('/vmlinuz-6.1.0', grub, boot)).toEqual({ path: '/boot/vmlinuz-6.1.0', exists: true })
  })

  test('the root file system behind device mapper, by uuid and by device', () => {
    const volumes = volumesOf(separate)
    for (const name of [
      { uuid: '8C1F5D1E-9A55-4D0F-B1D4-0A2B3C4D5E6F' },
      { device: '/dev/mapper/vg-root' },
      { device: '/dev/dm-0' },
    ]) {
      const root = volumes.find(name)
      expect(root?.mounts.map(({ mountPoint }) => mountPoint)).toEqual(['/'])
      expect(volumes.locate('/vmlinuz', grub, root)).toEqual({ path: '/vmlinuz', exists: true })
    }
  })

  test('by label, as udev escapes it', () => {
    expect(volumesOf(separate).find({ label: 'boot disk' })?.name).toBe('/dev/nvme0n1p2')
  })

  test('without a name, the file system of the configuration counts', () => {
    expect(volumesOf(separate).locate('/vmlinuz-6.1.0', grub).path).toBe('/boot/vmlinuz-6.1.0')
  })

  test('by partition number', () => {
    expect(
      volumesOf(separate)
        .partitions(1)
        .map(({ name }) => name),
    ).toEqual(['/dev/nvme0n1p1'])
  })

  test('a file system that is not mounted is known, but has no path', () => {
    expect(volumesOf(separate).find({ uuid: '11112222-0000-4000-8000-333344445555' })).toEqual({
      name: '/dev/nvme0n1p4',
      partition: 4,
      mounts: [],
    })
  })

  test('one that does not exist', () => {
    const volumes = volumesOf(separate)
    expect(volumes.areAllKnown).toBe(true)
    expect(volumes.find({ uuid: '00000000-0000-4000-8000-000000000000' })).toBeUndefined()
  })

  test('FAT does not tell letter case', () => {
    expect(volumesOf(separate).locate('\\EFI\\LINUX\\arch.EFI', '/boot/efi/loader/loader.conf')).toEqual({
      path: '/boot/efi/EFI/Linux/Arch.efi',
      exists: true,
    })
  })
})

test('a captured tree has no mountinfo: its fstab tells', () => {
  const volumes = volumesOf({
    '/etc/fstab': {
      text: '# <file system> <mount point> <type> <options>\nUUID=aa-root / ext4 errors=remount-ro 0 1\nUUID="bb-boot"\t/boot/ ext4 defaults 0 2\nUUID=CC11-DD22 /boot/efi vfat umask=0077 0 1\n/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\nswap none swap sw 0 0\n',
    },
  })
  expect(volumes.areAllKnown).toBe(false)
  expect(volumes.locate('/vmlinuz-6.1.0', grub, volumes.find({ uuid: 'bb-boot' }))).toEqual({
    path: '/boot/vmlinuz-6.1.0',
    exists: false,
  })
  expect(volumes.find({ uuid: 'cc11-dd22' })?.mounts[0]?.mountPoint).toBe('/boot/efi')
})

test('a boot partition by itself: what lies at its top', () => {
  const volumes = volumesOf({ '/vmlinuz-6.1.0': { kernel: '6.1.0' } })
  expect(volumes.locate('/vmlinuz-6.1.0', '/grub2/grub.cfg')).toEqual({ path: '/vmlinuz-6.1.0', exists: true })
  expect(volumes.locate('/gone', '/grub2/grub.cfg')).toEqual({ path: '/gone', exists: false })
})

test('a whole root whose /boot was separate, and nothing tells so: the file does', () => {
  const volumes = volumesOf({ '/boot/vmlinuz-6.1.0': { kernel: '6.1.0' } })
  expect(volumes.locate('/vmlinuz-6.1.0', grub).path).toBe('/boot/vmlinuz-6.1.0')
})

describe('btrfs', () => {
  test('a subvolume whose top level is mounted as well: the path that is mounted as root', () => {
    const system = new System(
      makeTree({
        '/proc/self/mountinfo': {
          text: '30 1 0:31 /root / rw - btrfs /dev/sda1 rw,subvol=/root\n33 30 0:31 / /mnt/int rw - btrfs /dev/sda1 rw,subvol=/\n',
        },
        '/dev/disk/by-uuid/1111': { link: '../../sda1' },
        '/boot/vmlinuz': 'empty',
        '/mnt/int/root/boot/vmlinuz': 'empty',
      }),
    )
    const volumes = new Volumes(system)
    const located = volumes.locate('/root/boot/vmlinuz', '/boot/grub2/grub.cfg', volumes.find({ uuid: '1111' }))
    expect(located).toEqual({ path: '/boot/vmlinuz', exists: true })
  })

  const btrfs = `27 1 0:25 /@ / rw,relatime shared:1 - btrfs /dev/sda2 rw,subvolid=256,subvol=/@
28 27 0:25 /@home /home rw - btrfs /dev/sda2 rw,subvol=/@home
29 27 0:25 /@/boot/grub2/x86_64-efi /boot/grub2/x86_64-efi rw - btrfs /dev/sda2 rw
`

  test('a subvolume is part of the path', () => {
    const volumes = volumesOf({
      '/proc/self/mountinfo': { text: btrfs },
      '/dev/disk/by-uuid/77aa': { link: '../../sda2' },
      '/boot/vmlinuz': { kernel: '6.1.0' },
    })
    const volume = volumes.find({ uuid: '77aa' })
    expect(volume?.mounts).toHaveLength(3)
    expect(volumes.locate('/@/boot/vmlinuz', grub, volume)).toEqual({ path: '/boot/vmlinuz', exists: true })
    // openSUSE names paths from the default subvolume.
    expect(volumes.locate('/boot/vmlinuz', grub, volume)).toEqual({ path: '/boot/vmlinuz', exists: true })
  })

  test('a snapshot of snapper as root', () => {
    const volumes = volumesOf({
      '/proc/self/mountinfo': {
        text: '27 1 0:25 /@/.snapshots/1/snapshot / rw - btrfs /dev/sda2 rw,subvol=/@/.snapshots/1/snapshot\n',
      },
      '/boot/vmlinuz': { kernel: '6.1.0' },
    })
    expect(volumes.locate('/@/.snapshots/1/snapshot/boot/vmlinuz', grub).path).toBe('/boot/vmlinuz')
  })

  test.each([
    '/@/boot/vmlinuz',
    '/@rootfs/boot/vmlinuz',
    '/@/.snapshots/1/snapshot/boot/vmlinuz',
    '/ROOT/debian@/boot/vmlinuz',
  ])('a captured tree: %s', (path) => {
    const volumes = volumesOf({ '/boot/vmlinuz': { kernel: '6.1.0' } })
    expect(volumes.locate(path, grub)).toEqual({ path: '/boot/vmlinuz', exists: true })
  })

  test('fstab with subvol=', () => {
    const volumes = volumesOf({
      '/etc/fstab': { text: 'UUID=77aa / btrfs defaults,subvol=@rootfs,compress=zstd 0 0\n' },
    })
    expect(volumes.locate('/@rootfs/boot/vmlinuz', grub, volumes.find({ uuid: '77aa' })).path).toBe('/boot/vmlinuz')
  })
})

test('the /proc in a chroot tells mount points of the host: those below the root count', () => {
  const root = makeTree({ '/boot/vmlinuz': { kernel: '6.1.0' }, '/proc/self': 'directory' })
  writeFileSync(
    `${root}/proc/self/mountinfo`,
    `27 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 27 8:2 / /boot rw - ext4 /dev/sda2 rw\n31 27 8:17 / ${root} rw - ext4 /dev/sdb1 rw\n32 31 8:18 / ${root}/boot rw - ext4 /dev/sdb2 rw\n`,
  )
  const { mounts } = new Volumes(new System(root))
  expect(mounts.map(({ mountPoint, device }) => [mountPoint, device])).toEqual([
    ['/boot', '/dev/sdb2'],
    ['/', '/dev/sdb1'],
  ])
})

test('a link /boot -> . of a boot partition', () => {
  const volumes = volumesOf({ '/boot': { link: '.' }, '/vmlinuz': { kernel: '6.1.0' } })
  expect(volumes.locate('/boot/vmlinuz', '/grub/grub.cfg')).toEqual({ path: '/boot/vmlinuz', exists: true })
})

test('no path leaves the root', () => {
  const volumes = volumesOf(files('empty', '/boot/vmlinuz'))
  expect(volumes.locate('/../../../../etc/passwd', grub)).toEqual({ path: '/boot/etc/passwd', exists: false })
})

test('a captured tree without anything about file systems: none is known, and none is said to be missing', () => {
  const volumes = volumesOf({})
  expect(volumes.areAllKnown).toBe(false)
  expect(volumes.find({ uuid: 'x' })).toBeUndefined()
  expect(volumes.mounts).toEqual([{ mountPoint: '/', top: '/', device: null, type: null }])
})

describe('a partition of another system, which is not mounted', () => {
  test('its kernel is not the one of the same name here', async () => {
    const system = fixtureSystem('debian-os-prober')
    const volumes = new Volumes(system)
    const other = volumes.find({ uuid: '3f6c1d52-8a0b-4c6e-9d4e-1b2a7c5e9f45' })
    const kernel = '/boot/vmlinuz-6.1.0-50-amd64'
    const { path, exists } = volumes.locate(kernel, grub, other)
    expect({ path, exists }).toEqual({ path: `(/dev/sda2)${kernel}`, exists: false })
    const { problems } = new Survey(system, identify).kernelFile(path)
    expect(problems).toEqual([{ code: 'missing-kernel', text: `${kernel} is on /dev/sda2, which is not mounted.` }])
    const own = volumes.find({ uuid: '3f6c1d52-8a0b-4c6e-9d4e-1b2a7c5e9f35' })
    expect(volumes.locate(kernel, grub, own)).toEqual({ path: kernel, exists: true })
  })

  test('a captured tree that does not say what its own root is on may have it anywhere', () => {
    const volumes = volumesOf({
      '/dev/disk/by-uuid/77aa': { link: '../../sda2' },
      '/boot/vmlinuz': { kernel: '6.1.0' },
    })
    expect(volumes.locate('/vmlinuz', grub, volumes.find({ uuid: '77aa' }))).toEqual({
      path: '/boot/vmlinuz',
      exists: true,
    })
  })
})
