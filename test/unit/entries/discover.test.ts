import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { discover } from '../../../src/entries/discover.ts'
import { System } from '../../../src/system/system.ts'
import { discoverTree, files, identify, kernelOf, kernels, makeTree, realHeads, type Tree } from './tree.ts'

const debian: Tree = {
  '/boot/vmlinuz-6.1.0-50-cloud-amd64': { file: realHeads['6.1.0-50-cloud-amd64'] },
  '/boot/initrd.img-6.1.0-50-cloud-amd64': 'initrd',
  '/boot/vmlinuz-6.12.107+deb12-cloud-amd64': { file: realHeads['6.12.107+deb12-cloud-amd64'] },
  '/boot/initrd.img-6.12.107+deb12-cloud-amd64': 'initrd',
  '/etc/os-release': { text: 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n' },
  '/proc/sys/kernel/osrelease': { text: '6.1.0-50-cloud-amd64\n' },
}

test('two real Debian kernels', async () => {
  expect(await discoverTree(debian)).toEqual([
    {
      id: 'vmlinuz-6.12.107+deb12-cloud-amd64',
      title: 'Debian GNU/Linux 12 (bookworm), Linux 6.12.107+deb12-cloud-amd64',
      submenus: [],
      version: '6.12.107+deb12-cloud-amd64',
      source: 'boot-dir',
      sources: ['boot-dir'],
      config: '/boot',
      kernel: '/boot/vmlinuz-6.12.107+deb12-cloud-amd64',
      initrds: ['/boot/initrd.img-6.12.107+deb12-cloud-amd64'],
      commandLine: null,
      deviceTree: null,
      profile: null,
      architecture: 'x86_64',
      isDefault: false,
      isRunning: false,
      isNewest: true,
      passedOver: null,
      problems: [],
    },
    expect.objectContaining({ version: '6.1.0-50-cloud-amd64', isRunning: true, isNewest: false }),
  ])
})

test('nothing to boot is no failure', async () => {
  expect(await discoverTree({})).toEqual([])
})

test('a root that is no directory is', () => {
  expect(() => new System('/nonexistent')).toThrow(expect.objectContaining({ reason: 'not-found', refused: true }))
})

test('the running machine can be looked at by anyone', async () => {
  for (const { kernel } of await discover()) expect(kernel).toMatch(/^\//)
})

describe('what is broken is listed and says so', () => {
  const broken: readonly [string, Tree, RegExp][] = [
    ['a directory', files('directory', '/boot/vmlinuz-9.9'), /^\/boot\/vmlinuz-9.9 is a directory, not a file\.$/],
    ['a FIFO', files('fifo', '/boot/vmlinuz-9.9'), /is a FIFO, not a file\.$/],
    ['an empty file', files('empty', '/boot/vmlinuz-9.9'), /^\/boot\/vmlinuz-9.9 is empty\.$/],
    ['not a kernel', files('gzip', '/boot/vmlinuz-9.9'), /is gzip-compressed data, not a kernel\.$/],
    [
      'a dangling link',
      { '/boot/vmlinuz-9.9': { link: 'vmlinuz-9.8' } },
      /is a link to a file that does not exist in this root/,
    ],
    ['a link to itself', { '/boot/vmlinuz-9.9': { link: 'vmlinuz-9.9' } }, /is a link that leads back to itself/],
    [
      'a link through a file',
      { '/boot/vmlinuz-9.9': { link: 'x/y' }, '/boot/x': 'empty' },
      /does not exist in this root/,
    ],
    ['an absolute link out', { '/boot/vmlinuz-9.9': { link: import.meta.filename } }, /does not exist in this root/],
    [
      'a relative link out',
      { '/boot/vmlinuz-9.9': { link: `../../../../../..${import.meta.filename}` } },
      /does not exist in this/,
    ],
  ]
  test.each(broken)('kernel: %s', async (_name, tree, sentence) => {
    const found = await discoverTree({ ...debian, '/boot/initrd.img-9.9': 'initrd', ...tree })
    expect(found).toHaveLength(3)
    expect(found[0]).toMatchObject({ kernel: '/boot/vmlinuz-9.9', version: '9.9', isNewest: false })
    expect(found[0]?.problems).toEqual([expect.stringMatching(sentence)])
    expect(found[1]).toMatchObject({ version: '6.12.107+deb12-cloud-amd64', isNewest: true, problems: [] })
  })

  const newKernel = kernels('/boot', 'vmlinuz-', '9.9')
  const brokenInitrds: readonly [string, Tree, RegExp][] = [
    [
      'absent',
      {},
      /^No initrd was found for \/boot\/vmlinuz-9.9; looked for initrd\.img-9\.9, initramfs-9\.9\.img, initrd-9\.9 and the like in \/boot\.$/,
    ],
    ['empty', files('empty', '/boot/initrd.img-9.9'), /^\/boot\/initrd.img-9.9 is empty\.$/],
    [
      'a directory',
      files('directory', '/boot/initrd.img-9.9'),
      /^\/boot\/initrd.img-9.9 is a directory, not a file\.$/,
    ],
    [
      'a dangling link',
      { '/boot/initrd.img-9.9': { link: '/nowhere' } },
      /^\/boot\/initrd.img-9.9 is a link to a file that/,
    ],
  ]
  test.each(brokenInitrds)('initrd: %s', async (_name, tree, sentence) => {
    const [first] = await discoverTree({ ...debian, ...newKernel, ...tree })
    expect(first).toMatchObject({ version: '9.9', isNewest: false, problems: [expect.stringMatching(sentence)] })
  })

  test('a kernel without initrd is right on its own, and odd where the others have one', async () => {
    const kernel = kernels('/boot', 'bzImage-', '9.9')
    expect((await discoverTree(kernel))[0]?.problems).toEqual([])
    expect((await discoverTree({ ...debian, ...kernel }))[0]?.problems).toHaveLength(1)
  })

  test('the modules of a kernel are absent', async () => {
    const tree = { ...debian, '/lib/modules/6.1.0-50-cloud-amd64': 'directory' } as const
    const [first, second] = await discoverTree(tree)
    expect(first?.problems).toEqual([expect.stringMatching(/no modules directory for 6\.12\.107\+deb12-cloud-amd64/)])
    expect(second).toMatchObject({ problems: [], isNewest: true })
  })

  test('a rescue kernel does without them, its initrd has them all', async () => {
    const found = await discoverTree({
      '/boot/vmlinuz-0-rescue-abc': { kernel: '6.5.0' },
      '/boot/vmlinuz-6.4.0': { kernel: '6.4.0' },
      ...files('initrd', '/boot/initramfs-0-rescue-abc.img', '/boot/initramfs-6.4.0.img'),
      '/lib/modules/6.1.0': 'directory',
    })
    const lacking = found.filter(({ problems }) => JSON.stringify(problems).includes('no modules'))
    expect(found).toHaveLength(2)
    expect(lacking.map(({ id }) => id)).toEqual(['vmlinuz-6.4.0'])
  })

  test('when every entry has problems, the newest of them is the newest', async () => {
    const found = await discoverTree({ ...kernels('/boot', 'vmlinuz-', '6.1.0', '6.2.0') })
    expect(found.map(({ version, isNewest }) => [version, isNewest])).toEqual([
      ['6.2.0', true],
      ['6.1.0', false],
    ])
  })
})

describe('links stay in the root', () => {
  test('an absolute link leads to the file of the root', async () => {
    const tree: Tree = {
      '/store/abc-linux/bzImage': { kernel: '6.6.58' },
      '/boot/vmlinuz': { link: '/store/abc-linux/bzImage' },
      '/boot/vmlinuz.old': { link: '../../../../store/abc-linux/bzImage' },
      '/boot/initrd.img': { link: '/store/initrd' },
      '/store/initrd': 'initrd',
    }
    expect(await discoverTree(tree)).toMatchObject([{ kernel: '/boot/vmlinuz', version: '6.6.58', problems: [] }])
  })

  test('/boot itself as a link out leads nowhere', async () => {
    const outside = makeTree(debian)
    const inside = makeTree({ '/boot': { link: join(outside, 'boot') } })
    expect(await discover({ system: new System(inside), identify })).toEqual([])
  })
})

describe('which entry runs', () => {
  const release = { '/proc/sys/kernel/osrelease': { text: '6.11.4\n' } } as const
  const twice: Tree = {
    ...kernels('/boot', 'vmlinuz-', '6.11.4'),
    '/boot/vmlinuz-0-rescue-abc': { kernel: '6.11.4' },
    ...files('initrd', '/boot/initramfs-6.11.4.img', '/boot/initramfs-0-rescue-abc.img'),
    ...release,
  }
  const running = async (tree: Tree) =>
    (await discoverTree(tree)).filter(({ isRunning }) => isRunning).map(({ id }) => id)

  test('not the rescue kernel of the same release', async () => {
    expect(await running(twice)).toEqual(['vmlinuz-6.11.4'])
  })

  test('unless the boot loader says that it was', async () => {
    const commandLine = 'BOOT_IMAGE=(hd0,gpt2)/vmlinuz-0-rescue-abc root=/dev/sda2 ro\n'
    expect(await running({ ...twice, '/proc/cmdline': { text: commandLine } })).toEqual(['vmlinuz-0-rescue-abc'])
  })

  test('a rescue kernel is the newest only when there is nothing else', async () => {
    const [only] = await discoverTree({ '/boot/vmlinuz-0-rescue-abc': { kernel: '6.11.4' } })
    expect(only).toMatchObject({ isNewest: true, title: 'Linux 6.11.4 (rescue)' })
  })
})

test('names that two directories share give two ids', async () => {
  const found = await discoverTree({ '/boot/vmlinuz': { kernel: '6.2.0' }, '/vmlinuz': { kernel: '6.1.0' } })
  expect(found.map(({ id }) => id)).toEqual(['vmlinuz', '/vmlinuz'])
})

test('microcode is for x86', async () => {
  const tree = makeTree({
    ...kernels('/boot', 'vmlinuz-', '6.1.0'),
    ...files('initrd', '/boot/initrd.img-6.1.0', '/boot/amd-ucode.img'),
  })
  const on = async (architecture: string | null) => {
    const version = null
    const found = await discover({
      system: new System(tree),
      identify: () => ({ architecture, version, bootable: true, description: '' }),
    })
    return found[0]?.initrds.length
  }
  expect([await on('x86_64'), await on('i386'), await on(null), await on('aarch64')]).toEqual([2, 2, 2, 1])
})

test('a thousand kernels are listed', async () => {
  const root = makeTree({ '/boot/grub': 'directory' })
  for (let build = 0; build < 1000; build++) {
    const version = `6.1.0-${build}-amd64`
    writeFileSync(join(root, `boot/vmlinuz-${version}`), kernelOf(version))
    writeFileSync(join(root, `boot/initrd.img-${version}`), '070701')
  }
  const found = await discover({ system: new System(root), identify })
  expect(found).toHaveLength(1000)
  expect(found[0]?.version).toBe('6.1.0-999-amd64')
})
