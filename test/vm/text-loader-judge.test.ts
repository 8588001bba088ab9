import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readBootMenu } from '../../src/entries/discover.ts'
import type { IdentifyKernel } from '../../src/entries/names/identify.ts'
import { System } from '../../src/system/system.ts'
import { candidatesFor } from '../../src/trial/loader/candidates.ts'
import { makeChange } from '../../src/trial/loader/change.ts'
import { OverlaidSystem } from '../../src/trial/loader/overlaid-system.ts'
import { plainFirmware } from '../../src/vm/firmware/firmware.ts'
import { execute } from '../../src/vm/host/process.ts'
import { architectures } from '../../src/vm/machine/architectures.ts'
import { type Flash, type QemuOptions, startQemu } from '../../src/vm/machine/qemu.ts'
import { DebianMirror } from '../../src/vm/provision/debian.ts'
import { Conversation } from './conversation.ts'
import { tellingKernel, tellingProgram } from './telling-programs.ts'
import { INITRD, KERNEL, type LoaderTree, refindTrees, syslinuxTrees, uBootTrees } from './text-loader-trees.ts'

/** What a boot loader started, or would by our reading; paths from the top of the partition. */
interface Boot {
  readonly kernel: string | null
  readonly initrds: readonly string[]
  readonly options: string
}

const MEBIBYTE = 1024 * 1024
const work = mkdtempSync(join(tmpdir(), 'linux-kexec-loaders-'))
afterAll(() => rmSync(work, { recursive: true }))

const packages = new Map<string, string>()
let flash: Flash

beforeAll(async () => {
  const progress = (message: string) => console.error(`  ${message}`)
  const mirror = await DebianMirror.open({ progress })
  const names = ['syslinux', 'syslinux-common', 'u-boot-qemu']
  for (const { name, directory } of await mirror.fetch(names, { dependencies: false })) packages.set(name, directory)
  // rEFInd 0.14.2, as our reading is; bookworm's 0.13.2 does not know linux_prefixes.
  const trixie = await DebianMirror.open({ progress, suites: ['trixie'] })
  for (const { name, directory } of await trixie.fetch(['refind'], { dependencies: false }))
    packages.set(name, directory)
  flash = await plainFirmware(architectures.amd64, progress)
})

const fileOf = (name: string, path: string) => join(packages.get(name) ?? '', path)

/** Lays a tree. @returns its directory. */
function lay(tree: LoaderTree, loader: string, telling: (name: string) => Buffer): string {
  const root = join(mkdtempSync(join(work, `${loader}-`)), 'tree')
  for (const [path, text] of Object.entries(tree.files)) {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text === KERNEL ? telling(path) : text === INITRD ? `${path}\n` : text)
  }
  return root
}

const identifyAs =
  (architecture: string): IdentifyKernel =>
  (bytes) => ({
    architecture,
    version: null,
    bootable: /^(?:MZ|@k)/.test(bytes.toString('latin1', 0, 2)) || bytes.toString('latin1', 0x202, 0x206) === 'HdrS',
    description: 'a program that tells',
  })

/** What our reading of the tree boots by default. */
async function ours(root: string, source: string, architecture: string): Promise<Boot> {
  const { entries } = await readBootMenu({ system: new System(root), identify: identifyAs(architecture) })
  const chosen = entries.find((entry) => entry.isDefault && entry.sources.some((name) => name === source))
  if (chosen === undefined) throw new Error(`no default among ${JSON.stringify(entries)}`)
  return { kernel: chosen.kernel, initrds: chosen.initrds, options: plain(chosen.commandLine ?? '') }
}

/**
 * Changes the configuration so that another entry becomes the default, as a trial's fallback and its confirmation do.
 * @returns what that entry boots; undefined where there is none, or no change leads there
 */
async function chooseAnother(root: string, architecture: string): Promise<Boot | undefined> {
  const system = new System(root)
  const identify = identifyAs(architecture)
  const menu = await readBootMenu({ system, identify })
  const loader = menu.loaders.find(({ inCharge }) => inCharge)
  const entry = menu.entries.find(
    (each) => !each.isDefault && each.kernel !== null && each.sources.includes('extlinux'),
  )
  if (loader === undefined || entry === undefined) return undefined
  const { list = [] } = candidatesFor(system, { menu, loader, entry, isLasting: true }) ?? {}
  for (const { change, content } of list) {
    const then = await readBootMenu({ system: new OverlaidSystem(root, change.path, content), identify })
    if (then.entries.find(({ isDefault }) => isDefault)?.id !== entry.id) continue
    makeChange(system, change)
    return { kernel: entry.kernel, initrds: entry.initrds, options: plain(entry.commandLine ?? '') }
  }
  return undefined
}

/** Without the names of initrds and the loader's own mark. */
function plain(options: string): string {
  const words = options.split(' ').filter((word) => word !== '' && !/^(?:initrd|BOOT_IMAGE)=/.test(word))
  return words.join(' ')
}

async function fatImage(root: string): Promise<string> {
  const image = `${root}.img`
  writeFileSync(image, '')
  truncateSync(image, 16 * MEBIBYTE)
  await execute('mkfs.fat', ['-F', '16', image])
  for (const name of readdirSync(root)) await execute('mcopy', ['-s', '-Q', '-i', image, join(root, name), '::/'])
  return image
}

const FIELDS = /@kernel ([^\n]*)\n@options ([^\n]*)\n(?:@initrd ([\s\S]*))?/

/** Boots a disk until a program on it has told what it was given. */
async function boot(image: string, more: Partial<QemuOptions>): Promise<readonly [string, string, string]> {
  const qemu = startQemu({
    ...{ accelerator: 'tcg', memory: 64, cpus: 1, survivesReset: false, extra: ['-snapshot'] },
    disks: [{ path: image, readOnly: false }],
    ...more,
  })
  try {
    // A boot takes seconds; one that never comes must not hold up all others.
    const text = await new Conversation(qemu.console).expect('@end', 90_000)
    const [, kernel = '', options = '', initrd = ''] = FIELDS.exec(text) ?? []
    // Load options end with a NUL.
    return [kernel, options.replace(/\0.*$/s, ''), initrd]
  } finally {
    qemu.kill('SIGKILL')
    await qemu.exit
  }
}

describe('the real SYSLINUX', () => {
  const modules = 'ldlinux libcom32 libutil menu ifcpu64 ifcpu ifplop whichsys cmd config libgpl'.split(' ')

  async function judge(root: string): Promise<Boot> {
    const image = await fatImage(root)
    const directory = fileOf('syslinux-common', 'usr/lib/syslinux/modules/bios')
    const files = modules.map((name) => join(directory, `${name}.c32`))
    await execute('mcopy', ['-o', '-Q', '-i', image, ...files, '::/syslinux/'])
    await execute(fileOf('syslinux', 'usr/bin/syslinux'), ['--install', '--directory', '/syslinux', image])
    const [kernel, options, initrd] = await boot(image, {})
    const initrds = initrd.split(/[\0\n]+/).filter((path) => path.startsWith('/'))
    return { kernel, initrds, options: plain(options) }
  }

  test.each(syslinuxTrees)('$name', async (tree) => {
    const root = lay(tree, 'syslinux', tellingKernel)
    expect(await ours(root, 'extlinux', 'x86_64')).toEqual(await judge(root))
  })

  const changed = ['DEFAULT of the prompt', 'ONTIMEOUT', 'MENU DEFAULT', 'DEFAULT beside UI']
  test.each(syslinuxTrees.filter(({ name }) => changed.includes(name)))('$name: another default', async (tree) => {
    const root = lay(tree, 'syslinux', tellingKernel)
    const before = await ours(root, 'extlinux', 'x86_64')
    const chosen = await chooseAnother(root, 'x86_64')
    expect(chosen).toBeDefined()
    expect(chosen).not.toEqual(before)
    expect(await judge(root)).toEqual(chosen)
  })
})

describe('the real rEFInd', () => {
  async function judge(root: string): Promise<Boot> {
    const program = fileOf('refind', 'usr/share/refind/refind/refind_x64.efi')
    const image = await fatImage(root)
    await execute('mcopy', ['-o', '-Q', '-i', image, program, '::/EFI/BOOT/BOOTX64.EFI'])
    const [kernel, options] = await boot(image, { flash, memory: 128 })
    const initrds = options.split(' ').filter((word) => word.startsWith('initrd='))
    const paths = initrds.map((word) => join('/', word.slice('initrd='.length).replaceAll('\\', '/')))
    return { kernel, initrds: paths, options: plain(options) }
  }

  test.each(refindTrees)('$name', async ({ name, files }) => {
    const config = '/EFI/BOOT/refind.conf'
    const tree = { name, files: { ...files, [config]: `timeout -1\ntextonly\n${files[config]}` } }
    const root = lay(tree, 'refind', tellingProgram)
    expect(await ours(root, 'refind', 'x86_64')).toEqual(await judge(root))
  })
})

describe('the real U-Boot', () => {
  /** The trees with another label to choose. */
  const anotherDefault = [
    'the default label',
    'the first label',
    'MENU DEFAULT',
    'ONTIMEOUT',
    'a label of several words',
    'an included file',
  ]

  /** One machine for all trees, each on a disk of its own. */
  async function judgeAll(roots: readonly string[]): Promise<Boot[]> {
    const images: string[] = []
    for (const root of roots) {
      const image = `${root}.img`
      writeFileSync(image, '')
      truncateSync(image, 4 * MEBIBYTE)
      await execute('mke2fs', ['-q', '-F', '-t', 'ext2', '-d', root, image])
      images.push(image)
    }
    const rom = fileOf('u-boot-qemu', 'usr/lib/u-boot/qemu-x86_64/u-boot.rom')
    const qemu = startQemu({
      ...{ accelerator: 'tcg', memory: 256, cpus: 1, survivesReset: false },
      disks: images.map((path) => ({ path, readOnly: false })),
      extra: ['-snapshot', '-bios', rom],
    })
    try {
      const console = new Conversation(qemu.console)
      await console.expect('stop autoboot')
      console.say('\r')
      await console.expect('=> ')
      console.forget()
      console.say('virtio scan\r')
      const boots: Boot[] = []
      for (const index of roots.keys()) {
        await console.expect('=> ')
        console.forget()
        // The quotes keep what is typed from looking like what it prints.
        console.say(`sysboot virtio ${index} any 0x3000000 /extlinux/extlinux.conf; echo @""end\r`)
        boots.push(firstLabel(await console.expect('@end')))
      }
      return boots
    } finally {
      qemu.kill('SIGKILL')
      await qemu.exit
    }
  }

  /** U-Boot says what it loads, the initrd first, and goes on to the next label when the kernel is none. */
  function firstLabel(text: string): Boot {
    const [, block = ''] = text.split(/^\d+:\t/m)
    const files = [...block.matchAll(/^Retrieving file: (.*)$/gm)].map(([, path = '']) => join('/', path))
    const options = /^append: (.*)$/m.exec(block)?.[1] ?? ''
    return { kernel: files.at(-1) ?? null, initrds: files.slice(0, -1), options: plain(options) }
  }

  test('every tree', async () => {
    const roots = uBootTrees.map((tree) => lay(tree, 'u-boot', (name) => Buffer.from(`@k${name}`)))
    const named = (boots: readonly Boot[]) => uBootTrees.map(({ name }, index) => ({ name, ...boots[index] }))
    const read = await Promise.all(roots.map((root) => ours(root, 'extlinux', 'aarch64')))
    expect(named(read)).toEqual(named(await judgeAll(roots)))
  })

  test('every tree with another default', async () => {
    const trees = uBootTrees.map((tree) => ({ ...tree, root: lay(tree, 'u-boot', (name) => Buffer.from(`@k${name}`)) }))
    const chosen = await Promise.all(trees.map(({ root }) => chooseAnother(root, 'aarch64')))
    const able = trees.flatMap(({ name, root }, index) => (chosen[index] ? [{ name, root, boot: chosen[index] }] : []))
    expect(able.map(({ name }) => name)).toEqual(anotherDefault)
    expect(await judgeAll(able.map(({ root }) => root))).toEqual(able.map(({ boot }) => boot))
  })
})
