import { describe, expect, test } from 'vitest'
import { discoverTree, files, kernels, summary, type Tree } from './tree.ts'

/** A tree as a distribution makes it, and its entries: kernel, initrds, and the version when the file name has none. */
interface Distribution {
  readonly tree: Tree
  readonly entries: readonly { kernel: string; initrds: string[]; version: string }[]
}

const entry = (version: string, kernel: string, ...initrds: string[]) => ({ kernel, initrds, version })

const distributions: Record<string, Distribution> = {
  'Debian 12': {
    tree: {
      ...kernels('/boot', 'vmlinuz-', '6.1.0-9-amd64', '6.1.0-50-amd64', '6.12.107+deb12-amd64'),
      ...files('initrd', '/boot/initrd.img-6.1.0-9-amd64', '/boot/initrd.img-6.1.0-50-amd64'),
      ...files('initrd', '/boot/initrd.img-6.12.107+deb12-amd64'),
      ...files({ text: 'x' }, '/boot/config-6.1.0-50-amd64', '/boot/System.map-6.1.0-50-amd64', '/boot/grub/grub.cfg'),
      ...files({ text: 'x' }, '/boot/vmlinuz-6.1.0-51-amd64.dpkg-new', '/boot/vmlinuz-6.1.0-50-amd64.bak'),
      '/vmlinuz': { link: 'boot/vmlinuz-6.12.107+deb12-amd64' },
      '/vmlinuz.old': { link: 'boot/vmlinuz-6.1.0-50-amd64' },
      '/initrd.img': { link: 'boot/initrd.img-6.12.107+deb12-amd64' },
      ...files('directory', '/usr/lib/modules/6.1.0-9-amd64', '/usr/lib/modules/6.1.0-50-amd64'),
      ...files('directory', '/usr/lib/modules/6.12.107+deb12-amd64'),
      '/lib': { link: 'usr/lib' },
    },
    entries: [
      entry('6.12.107+deb12-amd64', '/boot/vmlinuz-6.12.107+deb12-amd64', '/boot/initrd.img-6.12.107+deb12-amd64'),
      entry('6.1.0-50-amd64', '/boot/vmlinuz-6.1.0-50-amd64', '/boot/initrd.img-6.1.0-50-amd64'),
      entry('6.1.0-9-amd64', '/boot/vmlinuz-6.1.0-9-amd64', '/boot/initrd.img-6.1.0-9-amd64'),
    ],
  },
  'Debian 9, upgraded while it runs': {
    tree: {
      ...kernels('/boot', 'vmlinuz-', '4.9.0-12-amd64', '4.9.0-13-amd64'),
      ...files('initrd', '/boot/initrd.img-4.9.0-12-amd64', '/boot/initrd.img-4.9.0-13-amd64'),
      ...files({ text: 'x' }, '/boot/config-4.9.0-12-amd64', '/boot/System.map-4.9.0-12-amd64'),
      ...files({ text: 'x' }, '/boot/config-4.9.0-13-amd64', '/boot/System.map-4.9.0-13-amd64'),
      '/boot/grub': 'directory',
      '/vmlinuz': { link: 'boot/vmlinuz-4.9.0-13-amd64' },
    },
    entries: [
      entry('4.9.0-13-amd64', '/boot/vmlinuz-4.9.0-13-amd64', '/boot/initrd.img-4.9.0-13-amd64'),
      entry('4.9.0-12-amd64', '/boot/vmlinuz-4.9.0-12-amd64', '/boot/initrd.img-4.9.0-12-amd64'),
    ],
  },
  'Ubuntu: links in /boot itself': {
    tree: {
      ...kernels('/boot', 'vmlinuz-', '6.8.0-9-generic', '6.8.0-49-generic'),
      ...files('initrd', '/boot/initrd.img-6.8.0-9-generic', '/boot/initrd.img-6.8.0-49-generic'),
      '/boot/vmlinuz': { link: 'vmlinuz-6.8.0-49-generic' },
      '/boot/vmlinuz.old': { link: 'vmlinuz-6.8.0-9-generic' },
      '/boot/initrd.img': { link: 'initrd.img-6.8.0-49-generic' },
      '/boot/memtest86+x64.efi': { text: 'x' },
    },
    entries: [
      entry('6.8.0-49-generic', '/boot/vmlinuz-6.8.0-49-generic', '/boot/initrd.img-6.8.0-49-generic'),
      entry('6.8.0-9-generic', '/boot/vmlinuz-6.8.0-9-generic', '/boot/initrd.img-6.8.0-9-generic'),
    ],
  },
  'Fedora 41: rescue kernel last, the modules directories have the same kernels': {
    tree: {
      ...kernels('/boot', 'vmlinuz-', '6.11.4-301.fc41.x86_64', '6.11.10-300.fc41.x86_64'),
      '/boot/vmlinuz-0-rescue-3f1b0c9f5a5e4b4e8a0d0a4f5e6d7c8b': { kernel: '6.11.4-301.fc41.x86_64' },
      ...files('initrd', '/boot/initramfs-6.11.4-301.fc41.x86_64.img', '/boot/initramfs-6.11.10-300.fc41.x86_64.img'),
      ...files('initrd', '/boot/initramfs-0-rescue-3f1b0c9f5a5e4b4e8a0d0a4f5e6d7c8b.img'),
      ...files({ text: 'x' }, '/boot/.vmlinuz-6.11.4-301.fc41.x86_64.hmac', '/boot/symvers-6.11.4-301.fc41.x86_64.xz'),
      '/usr/lib/modules/6.11.4-301.fc41.x86_64/vmlinuz': { kernel: '6.11.4-301.fc41.x86_64' },
      '/usr/lib/modules/6.11.10-300.fc41.x86_64/vmlinuz': { kernel: '6.11.10-300.fc41.x86_64' },
    },
    entries: [
      entry(
        '6.11.10-300.fc41.x86_64',
        '/boot/vmlinuz-6.11.10-300.fc41.x86_64',
        '/boot/initramfs-6.11.10-300.fc41.x86_64.img',
      ),
      entry(
        '6.11.4-301.fc41.x86_64',
        '/boot/vmlinuz-6.11.4-301.fc41.x86_64',
        '/boot/initramfs-6.11.4-301.fc41.x86_64.img',
      ),
      entry(
        '6.11.4-301.fc41.x86_64',
        '/boot/vmlinuz-0-rescue-3f1b0c9f5a5e4b4e8a0d0a4f5e6d7c8b',
        '/boot/initramfs-0-rescue-3f1b0c9f5a5e4b4e8a0d0a4f5e6d7c8b.img',
      ),
    ],
  },
  'RHEL 9: its boot partition by itself, kdump images beside': {
    tree: {
      ...kernels('', 'vmlinuz-', '5.14.0-70.el9.x86_64', '5.14.0-427.13.1.el9_4.x86_64'),
      ...files('initrd', '/initramfs-5.14.0-70.el9.x86_64.img', '/initramfs-5.14.0-427.13.1.el9_4.x86_64.img'),
      ...files('initrd', '/initramfs-5.14.0-427.13.1.el9_4.x86_64kdump.img'),
      ...files('directory', '/grub2', '/loader', '/efi'),
      '/boot': { link: '.' },
    },
    entries: [
      entry(
        '5.14.0-427.13.1.el9_4.x86_64',
        '/vmlinuz-5.14.0-427.13.1.el9_4.x86_64',
        '/initramfs-5.14.0-427.13.1.el9_4.x86_64.img',
      ),
      entry('5.14.0-70.el9.x86_64', '/vmlinuz-5.14.0-70.el9.x86_64', '/initramfs-5.14.0-70.el9.x86_64.img'),
    ],
  },
  'CentOS 5': {
    tree: {
      ...kernels('/boot', 'vmlinuz-', '2.6.18-194.11.3.el5', '2.6.18-194.11.4.el5'),
      ...files('initrd', '/boot/initrd-2.6.18-194.11.3.el5.img', '/boot/initrd-2.6.18-194.11.4.el5.img'),
    },
    entries: [
      entry('2.6.18-194.11.4.el5', '/boot/vmlinuz-2.6.18-194.11.4.el5', '/boot/initrd-2.6.18-194.11.4.el5.img'),
      entry('2.6.18-194.11.3.el5', '/boot/vmlinuz-2.6.18-194.11.3.el5', '/boot/initrd-2.6.18-194.11.3.el5.img'),
    ],
  },
  'openSUSE Tumbleweed: kernels are links into /usr/lib/modules, unstripped vmlinux beside': {
    tree: {
      '/boot/vmlinuz-6.11.5-1-default': { link: '../usr/lib/modules/6.11.5-1-default/vmlinuz' },
      '/usr/lib/modules/6.11.5-1-default/vmlinuz': { kernel: '6.11.5-1-default' },
      '/boot/vmlinux-6.11.5-1-default.gz': 'gzip',
      '/boot/initrd-6.11.5-1-default': 'initrd',
      '/boot/vmlinuz': { link: 'vmlinuz-6.11.5-1-default' },
      '/boot/initrd': { link: 'initrd-6.11.5-1-default' },
      '/boot/.vmlinuz-6.11.5-1-default.hmac': { text: 'x' },
    },
    entries: [entry('6.11.5-1-default', '/boot/vmlinuz-6.11.5-1-default', '/boot/initrd-6.11.5-1-default')],
  },
  'Arch: microcode first, fallback image not taken, version only in the image': {
    tree: {
      '/boot/vmlinuz-linux': { kernel: '6.11.5-arch1-1' },
      '/boot/vmlinuz-linux-lts': { kernel: '6.6.58-1-lts' },
      ...files(
        'initrd',
        '/boot/initramfs-linux.img',
        '/boot/initramfs-linux-fallback.img',
        '/boot/initramfs-linux-lts.img',
      ),
      ...files('initrd', '/boot/intel-ucode.img', '/boot/amd-ucode.img'),
      '/usr/lib/modules/6.11.5-arch1-1/vmlinuz': { kernel: '6.11.5-arch1-1' },
      '/usr/lib/modules/6.6.58-1-lts/vmlinuz': { kernel: '6.6.58-1-lts' },
    },
    entries: [
      entry(
        '6.11.5-arch1-1',
        '/boot/vmlinuz-linux',
        '/boot/intel-ucode.img',
        '/boot/amd-ucode.img',
        '/boot/initramfs-linux.img',
      ),
      entry(
        '6.6.58-1-lts',
        '/boot/vmlinuz-linux-lts',
        '/boot/intel-ucode.img',
        '/boot/amd-ucode.img',
        '/boot/initramfs-linux-lts.img',
      ),
    ],
  },
  'Arch: only the fallback image is left': {
    tree: {
      '/boot/vmlinuz-linux': { kernel: '6.11.5-arch1-1' },
      '/boot/initramfs-linux-fallback.img': 'initrd',
    },
    entries: [entry('6.11.5-arch1-1', '/boot/vmlinuz-linux', '/boot/initramfs-linux-fallback.img')],
  },
  'Arch: /boot not mounted, kernels only in the modules directory': {
    tree: {
      '/usr/lib/modules/6.11.5-zen1-1-zen/vmlinuz': { kernel: '6.11.5-zen1-1-zen' },
      '/usr/lib/modules/6.11.5-zen1-1-zen/pkgbase': { text: 'linux-zen\n' },
      '/boot/initramfs-linux-zen.img': 'initrd',
    },
    entries: [
      entry('6.11.5-zen1-1-zen', '/usr/lib/modules/6.11.5-zen1-1-zen/vmlinuz', '/boot/initramfs-linux-zen.img'),
    ],
  },
  Alpine: {
    tree: {
      '/boot/vmlinuz-lts': { kernel: '6.6.58-0-lts' },
      '/boot/vmlinuz-virt': { kernel: '6.6.60-0-virt' },
      ...files('initrd', '/boot/initramfs-lts', '/boot/initramfs-virt', '/boot/intel-ucode.img'),
      '/boot/config-6.6.58-0-lts': { text: 'x' },
      ...files('directory', '/lib/modules/6.6.58-0-lts', '/lib/modules/6.6.60-0-virt'),
    },
    entries: [
      entry('6.6.60-0-virt', '/boot/vmlinuz-virt', '/boot/intel-ucode.img', '/boot/initramfs-virt'),
      entry('6.6.58-0-lts', '/boot/vmlinuz-lts', '/boot/intel-ucode.img', '/boot/initramfs-lts'),
    ],
  },
  'Gentoo: genkernel, and a kernel installed by hand with the one it replaced': {
    tree: {
      '/boot/kernel-genkernel-x86_64-6.6.9-gentoo': { kernel: '6.6.9-gentoo-x86_64' },
      '/boot/initramfs-genkernel-x86_64-6.6.9-gentoo': 'initrd',
      '/boot/kernel-6.6.58-gentoo-r1': { kernel: '6.6.58-gentoo-r1' },
      '/boot/kernel-6.6.58-gentoo-r1.old': { kernel: '6.6.58-gentoo-r1' },
      '/boot/initramfs-6.6.58-gentoo-r1.img': 'initrd',
      '/boot/early_ucode.cpio': 'initrd',
      '/boot/System.map-genkernel-x86_64-6.6.9-gentoo': { text: 'x' },
    },
    entries: [
      entry(
        '6.6.58-gentoo-r1',
        '/boot/kernel-6.6.58-gentoo-r1',
        '/boot/early_ucode.cpio',
        '/boot/initramfs-6.6.58-gentoo-r1.img',
      ),
      entry(
        '6.6.58-gentoo-r1',
        '/boot/kernel-6.6.58-gentoo-r1.old',
        '/boot/early_ucode.cpio',
        '/boot/initramfs-6.6.58-gentoo-r1.img',
      ),
      entry(
        '6.6.9-gentoo-x86_64',
        '/boot/kernel-genkernel-x86_64-6.6.9-gentoo',
        '/boot/early_ucode.cpio',
        '/boot/initramfs-genkernel-x86_64-6.6.9-gentoo',
      ),
    ],
  },
  Void: {
    tree: {
      ...kernels('/boot', 'vmlinuz-', '6.6.9_1', '6.6.58_1'),
      ...files('initrd', '/boot/initramfs-6.6.9_1.img', '/boot/initramfs-6.6.58_1.img'),
    },
    entries: [
      entry('6.6.58_1', '/boot/vmlinuz-6.6.58_1', '/boot/initramfs-6.6.58_1.img'),
      entry('6.6.9_1', '/boot/vmlinuz-6.6.9_1', '/boot/initramfs-6.6.9_1.img'),
    ],
  },
  'Slackware: one kernel, everything built in, under three names': {
    tree: {
      '/boot/vmlinuz-huge-5.15.19': { kernel: '5.15.19' },
      '/boot/vmlinuz-huge': { link: 'vmlinuz-huge-5.15.19' },
      '/boot/vmlinuz': { link: 'vmlinuz-huge-5.15.19' },
      '/boot/initrd-huge-5.15.19.gz': 'initrd',
    },
    entries: [entry('5.15.19', '/boot/vmlinuz-huge-5.15.19', '/boot/initrd-huge-5.15.19.gz')],
  },
  'Yocto: a bare bzImage and no initrd is how it should be': {
    tree: {
      '/boot/bzImage-6.6.32-yocto-standard': { kernel: '6.6.32-yocto-standard' },
      '/boot/bzImage': { link: 'bzImage-6.6.32-yocto-standard' },
      '/lib/modules/6.6.32-yocto-standard': 'directory',
    },
    entries: [entry('6.6.32-yocto-standard', '/boot/bzImage-6.6.32-yocto-standard')],
  },
  'an appliance: bare names, kernel and initrd': {
    tree: { '/boot/vmlinuz': { kernel: '6.6.32' }, '/boot/initrd.img': 'initrd' },
    entries: [entry('6.6.32', '/boot/vmlinuz', '/boot/initrd.img')],
  },
  'Debian from 7.x on: unpacked, not yet installed to /boot': {
    tree: {
      '/usr/lib/modules/7.2.3+deb14-amd64/vmlinuz': { kernel: '7.2.3+deb14-amd64' },
      '/boot/initrd.img-7.2.3+deb14-amd64': 'initrd',
      '/boot/vmlinuz-7.1.9+deb14-amd64': { kernel: '7.1.9+deb14-amd64' },
      '/boot/initrd.img-7.1.9+deb14-amd64': 'initrd',
      '/usr/lib/modules/7.1.9+deb14-amd64/vmlinuz': { kernel: '7.1.9+deb14-amd64' },
    },
    entries: [
      entry('7.2.3+deb14-amd64', '/usr/lib/modules/7.2.3+deb14-amd64/vmlinuz', '/boot/initrd.img-7.2.3+deb14-amd64'),
      entry('7.1.9+deb14-amd64', '/boot/vmlinuz-7.1.9+deb14-amd64', '/boot/initrd.img-7.1.9+deb14-amd64'),
    ],
  },
}

describe('every distribution', () => {
  test.each(Object.entries(distributions))('%s', async (_name, { tree, entries }) => {
    const found = await discoverTree(tree)
    expect(summary(found)).toEqual(entries.map((expected) => ({ ...expected, problems: [] })))
    expect(found.map(({ isNewest }) => isNewest)).toEqual(entries.map((_, index) => index === 0))
    expect(found.some(({ isDefault, isRunning }) => isDefault || isRunning)).toBe(false)
    expect(new Set(found.map(({ id }) => id)).size).toBe(found.length)
  })
})
