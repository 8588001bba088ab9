import { describe, expect, test } from 'vitest'
import { selectEntry } from '../../../../src/entries/select.ts'
import { kernelOf, type Tree } from '../tree.ts'
import { type ImageParts, peImage } from './image.ts'
import { menuOf, type1 } from './tree.ts'

const debian = 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'
const sections: ImageParts['sections'] = [
  ['.osrel', debian],
  ['.uname', '6.12.48+deb13-amd64'],
  ['.cmdline', 'root=LABEL=root\nquiet \n\0'],
  ['.linux', kernelOf('6.12.48+deb13-amd64')],
  ['.initrd', '070701'],
]
const image = (parts: Partial<ImageParts> = {}) => ({ file: peImage({ sections, ...parts }) })

async function entriesOf(tree: Tree) {
  return (await menuOf(tree)).entries
}

test('a unified kernel image says everything by itself', async () => {
  expect(await entriesOf({ '/efi/EFI/Linux/debian+2-1.efi': image() })).toEqual([
    {
      id: 'debian.efi',
      title: 'Debian GNU/Linux 13 (trixie)',
      submenus: [],
      version: '6.12.48+deb13-amd64',
      source: 'uki',
      sources: ['uki'],
      config: '/efi/EFI/Linux/debian+2-1.efi',
      kernel: '/efi/EFI/Linux/debian+2-1.efi',
      initrds: [],
      commandLine: 'root=LABEL=root quiet',
      deviceTree: null,
      profile: null,
      architecture: 'x86_64',
      isDefault: true,
      isRunning: false,
      isNewest: true,
      passedOver: null,
      problems: [],
    },
  ])
})

test('FAT tells no letter case, and the file systems of the ESP and /boot make one menu', async () => {
  const tree = { '/efi/efi/linux/A.EFI': image(), '/boot/EFI/Linux/b.efi': image({ machine: 0xaa64 }) }
  expect(await entriesOf(tree)).toMatchObject([
    { id: 'b.efi', title: 'Debian GNU/Linux 13 (trixie) (13) (b.efi)', architecture: 'aarch64' },
    { id: 'A.EFI', title: 'Debian GNU/Linux 13 (trixie) (13) (A.EFI)', isDefault: false },
  ])
})

test('without .uname the kernel inside tells its version', async () => {
  const bare = sections.filter(([name]) => name !== '.uname')
  const [entry] = await entriesOf({ '/efi/EFI/Linux/a.efi': image({ sections: bare }) })
  expect(entry).toMatchObject({ version: '6.12.48+deb13-amd64', problems: [] })
})

test('each profile is an entry, with what it does not bring itself from the image', async () => {
  const profiles: ImageParts['sections'] = [
    ...sections,
    ['.profile', 'ID=main\nTITLE=Normal\n'],
    ['.profile', 'ID=reset\nTITLE="Factory reset"\n'],
    ['.cmdline', 'root=LABEL=root systemd.unit=factory-reset.target'],
    ['.profile', 'ID=storage\n'],
    ['.cmdline', 'storage-target-mode'],
    ['.profile', ''],
  ]
  expect(await entriesOf({ '/efi/EFI/Linux/a.efi': image({ sections: profiles }) })).toMatchObject([
    {
      id: 'a.efi',
      title: 'Debian GNU/Linux 13 (trixie) (Normal)',
      commandLine: 'root=LABEL=root quiet',
      profile: 0,
      isDefault: true,
    },
    {
      id: 'a.efi@reset',
      profile: 1,
      title: 'Debian GNU/Linux 13 (trixie) (Factory reset)',
      commandLine: 'root=LABEL=root systemd.unit=factory-reset.target',
    },
    { id: 'a.efi@storage', title: 'Debian GNU/Linux 13 (trixie) (storage)', commandLine: 'storage-target-mode' },
    {
      id: 'a.efi@3',
      title: 'Debian GNU/Linux 13 (trixie) (Profile #4)',
      profile: 3,
      commandLine: 'root=LABEL=root quiet',
    },
  ])
})

test('a profile is selected by its id or, as bootctl names those without one, by its number', async () => {
  const entries = await entriesOf({
    '/efi/EFI/Linux/a.efi': image({
      sections: [
        ...sections,
        ['.profile', 'ID=main'],
        ['.profile', 'ID=reset'],
        ['.cmdline', 'reset'],
        ['.profile', ''],
      ],
    }),
    '/efi/EFI/Linux/b.efi': image(),
    '/efi/EFI/Linux/b.efi@0.efi': image({ sections: [...sections.slice(1), ['.osrel', 'ID=other']] }),
  })
  const listed = entries.map((entry) => ({ ...entry, problems: [] }))
  const chosen = (selector: string) => selectEntry(listed, selector).id
  expect(['a.efi', 'a', 'a.efi@0', 'a@0'].map(chosen)).toEqual(['a.efi', 'a.efi', 'a.efi', 'a.efi'])
  expect(['a.efi@reset', 'a.efi@1', 'a@1', 'a.efi@2'].map(chosen)).toEqual([
    'a.efi@reset',
    'a.efi@reset',
    'a.efi@reset',
    'a.efi@2',
  ])
  // A file that is really named so comes first.
  expect(chosen('b.efi@0')).toBe('b.efi@0.efi')
  expect(() => chosen('a.efi@3')).toThrow("there is no boot entry 'a.efi@3'")
  expect(() => chosen('b.efi@1')).toThrow("there is no boot entry 'b.efi@1'")
})

test('an empty section of a profile hides that of the image', async () => {
  const hiding: ImageParts['sections'] = [...sections, ['.profile', 'ID=none'], ['.cmdline', '']]
  const [entry] = await entriesOf({ '/efi/EFI/Linux/a.efi': image({ sections: hiding }) })
  expect(entry).toMatchObject({ commandLine: '', profile: 0 })
})

describe('addons', () => {
  const addon = (options: string, ...more: ImageParts['sections']) =>
    image({ sections: [['.cmdline', options], ...more] })

  test('for all images come first, then those of the image, by name; those for another kernel not at all', async () => {
    const [entry] = await entriesOf({
      '/efi/EFI/Linux/a+3.efi': image(),
      '/efi/EFI/Linux/a.efi.extra.d/2.addon.efi': addon('three'),
      '/efi/EFI/Linux/a.efi.extra.d/1.addon.efi': addon(' two '),
      '/efi/EFI/Linux/a.efi.extra.d/3.addon.efi': addon('never', ['.uname', '6.1.0']),
      '/efi/EFI/Linux/a.efi.extra.d/4.cred': { text: 'a credential' },
      '/efi/EFI/Linux/b.efi.extra.d/1.addon.efi': addon('other'),
      '/efi/loader/addons/z.addon.efi': addon('one'),
      '/boot/loader/addons/z.addon.efi': addon('elsewhere'),
      '/boot/loader/loader.conf': { text: '' },
    })
    expect(entry).toMatchObject({ commandLine: 'root=LABEL=root quiet one two three', problems: [] })
  })

  test('that cannot be read are told', async () => {
    const [entry] = await entriesOf({
      '/efi/EFI/Linux/a.efi': image(),
      '/efi/EFI/Linux/a.efi.extra.d/1.addon.efi': { text: 'nothing' },
    })
    expect(entry).toMatchObject({
      commandLine: 'root=LABEL=root quiet',
      problems: ['The addon /efi/EFI/Linux/a.efi.extra.d/1.addon.efi is not a PE file.'],
    })
  })
})

describe('a broken image is listed last to none, and is no default', () => {
  const broken: readonly (readonly [string, Tree[string], RegExp])[] = [
    ['a text', { text: 'hello' }, /is not a PE file\.$/],
    ['an empty file', 'empty', /is empty\.$/],
    ['a FIFO', 'fifo', /is a FIFO, not a file\.$/],
    ['a link that leads nowhere', { link: 'nowhere' }, /cannot be read \(ENOENT\)\.$/],
    ['without a system', image({ sections: [['.linux', 'x']] }), /no \.osrel section that names a system/],
    ['without a kernel', image({ sections: [['.osrel', debian]] }), /holds no kernel: it has no section \.linux\.$/],
    ['cut in a section', image({ spoil: (bytes) => bytes.subarray(0, 1100) }), /ends before its section \.\w+ does/],
    ['cut in the section table', image({ spoil: (bytes) => bytes.subarray(0, 340) }), /within its section table/],
    [
      'a header that points beyond the end',
      image({ spoil: (bytes) => patched(bytes, 0x3c, 0xfffffff0) }),
      /not a PE file/,
    ],
    [
      'sections without end',
      image({ spoil: (bytes) => patched(bytes, 0x44, 0xffff8664) }),
      /has? ?65535|65535 sections/,
    ],
    ['a size beyond 4 GiB', image({ spoil: hugeSizes }), /is truncated/],
  ]
  test.each(broken)('%s', async (_name, content, sentence) => {
    const entries = await entriesOf({ '/efi/EFI/Linux/z.efi': content, '/efi/EFI/Linux/a.efi': image() })
    const entry = entries.find(({ id }) => id === 'z.efi')
    expect(entry?.problems).toEqual(expect.arrayContaining([expect.stringMatching(sentence)]))
    expect(entries.find(({ id }) => id === 'a.efi')?.problems).toEqual([])
  })

  function patched(bytes: Buffer, offset: number, value: number): Buffer {
    const copy = Buffer.from(bytes)
    copy.writeUInt32LE(value, offset)
    return copy
  }

  function hugeSizes(bytes: Buffer): Buffer {
    const table = 0x40 + 24 + 240
    return [0, 1, 2, 3, 4].reduce((copy, index) => {
      const once = patched(copy, table + index * 40 + 8, 0xffffffff)
      return patched(once, table + index * 40 + 16, 0xffffffff)
    }, bytes)
  }
})

test('sections that are too long are read in part, and hundreds of profiles in no time', async () => {
  const profiles = Array.from({ length: 1000 }, (): [string, string] => ['.profile', 'TITLE=x'])
  const long = sections.map(([name, content]): [string, string | Buffer] =>
    name === '.cmdline' ? [name, 'a '.repeat(1_000_000)] : [name, content],
  )
  const entries = await entriesOf({ '/efi/EFI/Linux/a.efi': image({ sections: [...long, ...profiles] }) })
  expect(entries).toHaveLength(256)
  expect(entries[0]?.commandLine).toHaveLength(65_535)
  expect(entries[0]?.problems).toEqual([expect.stringMatching(/2000000 bytes in its section \.cmdline/)])
})

describe('type 1 files may name EFI programs', () => {
  test('a unified kernel image, whose command line their options replace', async () => {
    const entries = await entriesOf({
      ...type1('/efi', {
        a: 'title Ours\nuki /images/a.efi\n',
        b: 'title Theirs\nefi /images/a.efi\noptions rescue\n',
        c: 'title Absent\nuki /images/c.efi\n',
      }),
      '/efi/images/a.efi': image(),
    })
    expect(entries).toMatchObject([
      { id: 'c.conf', kernel: '/efi/images/c.efi', isDefault: false, problems: ['/efi/images/c.efi does not exist.'] },
      {
        id: 'b.conf',
        kernel: '/efi/images/a.efi',
        commandLine: 'rescue',
        version: '6.12.48+deb13-amd64',
        isDefault: true,
      },
      { id: 'a.conf', kernel: '/efi/images/a.efi', commandLine: 'root=LABEL=root quiet', problems: [] },
    ])
  })

  test('a profile of an image, and under Secure Boot no other command line than that of the image', async () => {
    const [entry] = await entriesOf({
      ...type1('/efi', { a: 'uki /images/a.efi\nprofile 1\noptions rescue\n' }),
      '/efi/images/a.efi': image({ sections: [...sections, ['.profile', 'ID=x'], ['.profile', 'ID=y']] }),
      '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c': { text: '\x06\0\0\0\x01' },
    })
    expect(entry).toMatchObject({ profile: 1, commandLine: 'root=LABEL=root quiet' })
    expect(entry?.problems).toEqual([expect.stringMatching(/a\.conf has options, which systemd-stub ignores/)])
  })

  test('a kernel, which the firmware starts by its own stub', async () => {
    const [entry] = await entriesOf({
      ...type1('/efi', { a: 'efi /vmlinuz\noptions root=/dev/sda2 initrd=\\initrd.img\n' }),
      '/efi/vmlinuz': { kernel: '6.1.0' },
      '/efi/initrd.img': 'initrd',
    })
    expect(entry).toMatchObject({
      kernel: '/efi/vmlinuz',
      initrds: ['/efi/initrd.img'],
      commandLine: 'root=/dev/sda2 initrd=\\initrd.img',
      problems: [],
    })
  })

  test('anything else starts no kernel', async () => {
    const entries = await entriesOf({
      ...type1('/efi', { a: 'efi /EFI/grub/grubx64.efi\n', b: 'uki-url https://example.org/a.efi\n' }),
      '/efi/EFI/grub/grubx64.efi': image({ sections: [['.text', 'x']] }),
    })
    expect(entries).toMatchObject([
      { id: 'b.conf', kernel: null, problems: [expect.stringMatching(/network: https:\/\/example\.org\/a\.efi/)] },
      { id: 'a.conf', kernel: null, problems: [expect.stringMatching(/EFI program \/efi\/EFI\/grub\/grubx64\.efi/)] },
    ])
  })
})
