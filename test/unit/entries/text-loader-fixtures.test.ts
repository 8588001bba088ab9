import { expect, test } from 'vitest'
import { fixtureSystem } from './fixtures.ts'
import { readSentences } from './sentences.ts'
import { identify } from './tree.ts'

async function menuOf(name: string) {
  const { entries, loaders, problems } = await readSentences({ system: fixtureSystem(name), identify })
  return { entries, problems, loader: loaders[0] }
}

test("Debian's u-boot-update, with /boot as a file system by itself", async () => {
  const { entries, problems, loader } = await menuOf('debian-u-boot-menu')
  expect(problems).toEqual([])
  expect(loader).toMatchObject({ source: 'extlinux', inCharge: true, default: 'l0' })
  expect(entries.map(({ id, title, kernel, initrds, isDefault }) => [id, title, kernel, initrds, isDefault])).toEqual(
    ['6.12.107+deb13-arm64', '6.1.0-50-arm64'].flatMap((release, index) =>
      ['', 'r'].map((suffix) => [
        `l${index}${suffix}`,
        `Debian GNU/Linux 12 (bookworm) ${release}${suffix === '' ? '' : ' (rescue target)'}`,
        `/boot/vmlinuz-${release}`,
        [`/boot/initrd.img-${release}`],
        index === 0 && suffix === '',
      ]),
    ),
  )
  expect(entries.map(({ commandLine }) => commandLine)).toEqual(
    ['ro quiet', 'ro single', 'ro quiet', 'ro single'].map(
      (rest) => `root=UUID=3f6c1d52-8a0b-4c6e-9d4e-1b2a7c5e9f01 ${rest}`,
    ),
  )
  expect(entries.flatMap((entry) => entry.problems)).toEqual([])
})

test('CentOS 5: grub.conf of a separate /boot', async () => {
  const { entries, problems, loader } = await menuOf('centos-5')
  expect(problems).toEqual([])
  expect(loader?.source).toBe('grub-legacy')
  expect(entries).toMatchObject(
    ['2.6.18-194.11.4.el5', '2.6.18-194.11.3.el5'].map((release, index) => ({
      title: `CentOS (${release})`,
      version: release,
      kernel: `/boot/vmlinuz-${release}`,
      initrds: [`/boot/initrd-${release}.img`],
      commandLine: 'ro root=LABEL=/',
      isDefault: index === 0,
      problems: [],
    })),
  )
})

test('Alpine: the menu is DEFAULT, and MENU DEFAULT is started', async () => {
  const { entries, problems, loader } = await menuOf('alpine-extlinux')
  expect(problems).toEqual([])
  expect(loader).toMatchObject({ source: 'extlinux', config: '/boot/extlinux.conf', default: 'lts' })
  expect(entries).toMatchObject(
    ['lts', 'virt'].map((flavour) => ({
      id: flavour,
      title: `Linux ${flavour}`,
      version: `6.6.58-0-${flavour}`,
      kernel: `/boot/vmlinuz-${flavour}`,
      initrds: [`/boot/initramfs-${flavour}`],
      commandLine:
        'root=UUID=6a1f0d3c-9b27-4f55-a1c9-3e4d5c6b7a13 modules=sd-mod,usb-storage,ext4 quiet rootfstype=ext4',
      sources: ['extlinux', 'boot-dir'],
      problems: [],
    })),
  )
})

test('a live medium: what is included, submenus, initrds in both ways', async () => {
  const { entries, problems, loader } = await menuOf('live-isolinux')
  expect(problems).toEqual([])
  expect(loader).toMatchObject({ source: 'extlinux', default: 'live-amd64' })
  expect(entries.map(({ title, submenus, initrds, commandLine }) => [title, submenus, initrds, commandLine])).toEqual([
    [
      'Live system (amd64)',
      [],
      ['/live/microcode.img', '/live/initrd.img'],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: SYSLINUX has no variables
      'boot=live components quiet splash findiso=${iso_path}',
    ],
    [
      'Text console',
      [],
      ['/live/initrd.img'],
      'initrd=/live/initrd.img boot=live components systemd.unit=multi-user.target',
    ],
    [
      'Live (failsafe)',
      ['Advanced options'],
      ['/live/initrd.img'],
      'boot=live components memtest noapic nomodeset initrd=/live/initrd.img',
    ],
    ['Hardware Detection Tool', ['Utilities'], [], null],
  ])
})

test('Raspberry Pi OS on a Pi 4: the 64-bit kernel with its initramfs, not the one of the Pi 5', async () => {
  const { entries, loader } = await menuOf('raspberry-pi-os')
  const [entry] = entries
  expect(loader).toMatchObject({ source: 'raspberry-pi', inCharge: true })
  expect(entry).toMatchObject({
    kernel: '/boot/firmware/kernel8.img',
    initrds: ['/boot/firmware/initramfs8'],
    commandLine:
      'console=serial0,115200 console=tty1 root=PARTUUID=4b1c9e2a-02 rootfstype=ext4 fsck.repair=yes rootwait quiet',
    isDefault: true,
  })
})

test("zipl: the menu's default, load addresses and a parmfile", async () => {
  const { entries, problems, loader } = await menuOf('zipl-menu')
  expect(problems).toEqual([])
  expect(loader).toMatchObject({ source: 'zipl', default: 'old' })
  const menu = entries.filter(({ source }) => source === 'zipl')
  expect(menu.map(({ id, kernel, initrds, commandLine }) => [id, kernel, initrds, commandLine])).toEqual([
    ['debian', '/boot/vmlinuz', ['/boot/initrd.img'], "root=/dev/disk/by-path/ccw-0.0.0100-part1 ro 'quoted'"],
    ['old', '/boot/vmlinuz.old', ['/boot/initrd.img.old'], 'root=/dev/dasda1 dasd=0.0.0100'],
  ])
})
