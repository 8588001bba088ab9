import { describe, expect, test } from 'vitest'
import { System } from '../../../../src/system/system.ts'
import { peImage } from '../bls/image.ts'
import { type1 } from '../bls/tree.ts'
import { readSentences, type SentencedEntry } from '../sentences.ts'
import { files, identify, kernelOf, makeTree, type Tree } from '../tree.ts'

const UUID = 'AAAA-0001'
const secureBoot: Tree = {
  '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c': { text: '\x06\0\0\0\x01' },
}
const initrds = ['/efi/ucode.img', '/efi/initrd.img']

const sections: readonly (readonly [string, string | Buffer])[] = [
  ['.osrel', 'PRETTY_NAME=Ours\nID=ours\n'],
  ['.cmdline', 'root=LABEL=own'],
  ['.linux', kernelOf('6.12.1')],
]
const withInitrd = [...sections, ['.initrd', 'archive'] as const]

const machine: Tree = {
  '/etc/fstab': { text: `UUID=77 / ext4 defaults 0 1\nUUID=${UUID} /efi vfat defaults 0 2\n` },
  '/efi/vmlinuz': { kernel: '6.1.0' },
  ...files('initrd', ...initrds),
  '/efi/EFI/Ours/whole.efi': { file: peImage({ sections: withInitrd }) },
  '/efi/EFI/Ours/bare.efi': { file: peImage({ sections }) },
  '/efi/EFI/Ours/two.efi': {
    file: peImage({ sections: [...withInitrd, ['.profile', 'ID=a'], ['.profile', 'ID=b'], ['.cmdline', 'second']] }),
  },
  '/efi/EFI/grub/grubx64.efi': { file: peImage({ sections: [['.text', 'x']] }) },
}

/** Each way to start an EFI program with load options, as configuration files. */
const loaders: Readonly<Record<string, (program: string, options: string) => Tree>> = {
  'systemd-boot, efi': (program, options) => type1('/efi', { a: `efi ${program}\n${optionsLine(options)}` }),
  'systemd-boot, uki': (program, options) => type1('/efi', { a: `uki ${program}\n${optionsLine(options)}` }),
  'systemd-boot, linux': (program, options) => type1('/efi', { a: `linux ${program}\n${optionsLine(options)}` }),
  'GRUB, chainloader': (program, options) => ({
    '/boot/grub/grub.cfg': {
      text: `search --no-floppy --fs-uuid --set=root ${UUID}\nmenuentry a {\nchainloader ${program} ${options.replaceAll('\\', '\\\\')}\n}\n`,
    },
  }),
  'Limine, efi': (program, options) => ({
    '/efi/limine.conf': { text: `/a\nprotocol: efi\npath: boot():${program}\ncmdline: ${options}\n` },
  }),
  'Limine 7, efi_chainload': (program, options) => ({
    '/efi/limine.cfg': { text: `:a\nPROTOCOL=efi_chainload\nIMAGE_PATH=boot:///${program}\nCMDLINE=${options}\n` },
  }),
  'rEFInd, stanza': (program, options) => ({
    '/efi/EFI/refind/refind.conf': { text: `menuentry a {\nloader ${program}\noptions "${options}"\n}\n` },
  }),
}

function optionsLine(options: string): string {
  return options === '' ? '' : `options ${options}\n`
}

async function started(loader: string, program: string, options: string, extra: Tree = {}): Promise<SentencedEntry> {
  const system = new System(makeTree({ ...machine, ...loaders[loader]?.(program, options), ...extra }))
  const { entries } = await readSentences({ system, identify })
  return entries[0] as SentencedEntry
}

describe.each(Object.keys(loaders))('%s', (loader) => {
  test('a kernel by its own stub: initrd= are its initrds, in their order', async () => {
    const options = 'initrd=\\ucode.img root=UUID=77 initrd=\\initrd.img ro'
    expect(await started(loader, '/vmlinuz', options, secureBoot)).toMatchObject({
      kernel: '/efi/vmlinuz',
      version: '6.1.0',
      initrds,
      commandLine: options,
      problems: [],
    })
  })

  test('a unified kernel image by itself', async () => {
    expect(await started(loader, '/EFI/Ours/whole.efi', '')).toMatchObject({
      kernel: '/efi/EFI/Ours/whole.efi',
      version: '6.12.1',
      initrds: [],
      commandLine: 'root=LABEL=own',
      profile: null,
      problems: [],
    })
  })

  test('a unified kernel image takes other options, but not under Secure Boot', async () => {
    expect(await started(loader, '/EFI/Ours/whole.efi', 'rescue')).toMatchObject({
      commandLine: 'rescue',
      problems: [],
    })
    expect(await started(loader, '/EFI/Ours/whole.efi', 'rescue', secureBoot)).toMatchObject({
      commandLine: 'root=LABEL=own',
      problems: [expect.stringContaining('which systemd-stub ignores under Secure Boot')],
    })
  })

  test('the initrd of a unified kernel image comes in place of initrd=; one without an initrd takes them', async () => {
    const whole = await started(loader, '/EFI/Ours/whole.efi', 'quiet initrd=\\initrd.img')
    expect(whole).toMatchObject({ initrds: [], commandLine: 'quiet initrd=\\initrd.img' })
    expect(whole.problems).toEqual([expect.stringContaining('which the kernel does not load')])
    const bare = await started(loader, '/EFI/Ours/bare.efi', 'quiet initrd=\\initrd.img')
    expect(bare).toMatchObject({ initrds: ['/efi/initrd.img'], commandLine: 'quiet initrd=\\initrd.img', problems: [] })
  })

  test('@N at the start of the options names a profile', async () => {
    expect(await started(loader, '/EFI/Ours/two.efi', '@1')).toMatchObject({ profile: 1, commandLine: 'second' })
    expect(await started(loader, '/EFI/Ours/two.efi', '@1 quiet')).toMatchObject({ profile: 1, commandLine: 'quiet' })
    expect(await started(loader, '/EFI/Ours/two.efi', '@12x')).toMatchObject({ profile: 0, commandLine: '@12x' })
    expect(await started(loader, '/EFI/Ours/two.efi', '@7')).toMatchObject({
      profile: 7,
      problems: [expect.stringContaining('asks for profile 7')],
    })
    expect(await started(loader, '/vmlinuz', '@1 quiet')).toMatchObject({ profile: null, commandLine: '@1 quiet' })
  })
})

const others = ['systemd-boot, efi', 'GRUB, chainloader', 'Limine, efi', 'rEFInd, stanza']
test.each(others)('%s: another boot loader is an entry that starts no Linux kernel', async (loader) => {
  const entry = await started(loader, '/EFI/grub/grubx64.efi', '')
  expect(entry).toMatchObject({ kernel: null, problems: [expect.stringContaining('grubx64.efi')] })
})

test('noinitrd: the stub loads none', async () => {
  const entry = await started('systemd-boot, efi', '/vmlinuz', 'initrd=\\initrd.img noinitrd')
  expect(entry).toMatchObject({ initrds: [], commandLine: 'initrd=\\initrd.img noinitrd' })
})

test('what is not there stays a problem', async () => {
  const entry = await started('systemd-boot, efi', '/vmlinuz', 'initrd=\\gone.img')
  expect(entry.problems).toEqual(['/efi/gone.img does not exist.'])
})

test('systemd-boot hands over the files of initrd lines; from 5.7 on the kernel then loads no others', async () => {
  const of = async (version: string) =>
    started('systemd-boot, linux', '/vmlinuz', 'initrd=\\late.img ro\ninitrd /initrd.img', {
      '/efi/vmlinuz': { kernel: version },
      '/efi/late.img': 'initrd',
    })
  expect(await of('5.6.19')).toMatchObject({ initrds: ['/efi/initrd.img', '/efi/late.img'], problems: [] })
  const modern = await of('5.7.0-1')
  expect(modern).toMatchObject({ initrds: ['/efi/initrd.img'], commandLine: 'initrd=\\late.img ro' })
  expect(modern.problems).toEqual([expect.stringContaining('/efi/late.img')])
})

test('rEFInd puts the initrd of a stanza behind those of its options', async () => {
  const [entry] = (
    await readSentences({
      system: new System(
        makeTree({
          ...machine,
          '/efi/EFI/refind/refind.conf': {
            text: 'menuentry a {\nloader /vmlinuz\ninitrd /initrd.img\noptions "ro initrd=\\ucode.img"\n}\n',
          },
        }),
      ),
      identify,
    })
  ).entries
  expect(entry).toMatchObject({ initrds, commandLine: 'ro initrd=\\ucode.img', problems: [] })
})

test('GRUB: on a BIOS machine chainloader starts a boot sector, and initrd belongs to no EFI program', async () => {
  const bios = await started('GRUB, chainloader', '/EFI/Ours/whole.efi', '', { '/sys/firmware/acpi': 'directory' })
  expect(bios).toMatchObject({ kernel: null, problems: [expect.stringContaining('starts another boot loader')] })
  const efi = await started('GRUB, chainloader', '/vmlinuz', 'ro\ninitrd /initrd.img')
  expect(efi).toMatchObject({ kernel: '/efi/vmlinuz', initrds: [], commandLine: 'ro' })
})

test('an image that GRUB starts and systemd-boot lists is one entry', async () => {
  const system = new System(
    makeTree({
      ...machine,
      ...loaders['GRUB, chainloader']?.('/EFI/Linux/whole.efi', ''),
      '/efi/EFI/Linux/whole.efi': { file: peImage({ sections: withInitrd }) },
    }),
  )
  const { entries } = await readSentences({ system, identify })
  expect(entries.filter(({ version }) => version === '6.12.1')).toMatchObject([{ sources: ['grub', 'uki'] }])
})

test('images that Limine starts: its default counts, unless systemd-boot is installed', async () => {
  const image = (version: string, commandLine: string) => ({
    file: peImage({
      sections: [
        ['.osrel', 'ID=ours\n'],
        ['.cmdline', commandLine],
        ['.linux', kernelOf(version)],
        ['.initrd', 'archive'],
      ],
    }),
  })
  const tree: Tree = {
    '/boot/limine.conf': {
      text: '/main\nprotocol: efi\npath: boot():/EFI/Linux/main.efi\n/before\nprotocol: efi\npath: boot():/EFI/Linux/old.efi\n',
    },
    '/boot/EFI/Linux/main.efi': image('6.1.0', 'main'),
    '/boot/EFI/Linux/old.efi': image('6.2.0', 'old'),
  }
  const chosen = async (more: Tree) => {
    const { entries } = await readSentences({ system: new System(makeTree({ ...tree, ...more })), identify })
    return entries.find(({ isDefault }) => isDefault)?.commandLine
  }
  expect(await chosen({})).toBe('main')
  expect(await chosen({ '/boot/EFI/systemd/systemd-bootx64.efi': 'empty' })).toBe('old')
})
