import { expect, test } from 'vitest'
import { readBootMenu } from '../../../src/entries/discover.ts'
import { fixtureSystem } from './fixtures.ts'
import { identify } from './tree.ts'

async function menuOf(name: string) {
  const { entries, loaders, problems } = await readBootMenu({ system: fixtureSystem(name), identify })
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
  expect(entries.map(({ cmdline }) => cmdline)).toEqual(
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
      cmdline: 'ro root=LABEL=/',
      isDefault: index === 0,
      problems: [],
    })),
  )
})
