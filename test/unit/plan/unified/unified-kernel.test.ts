import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fileBytes, memoryBytes } from '../../../../src/bytes/bytes.ts'
import { hardwareId } from '../../../../src/plan/unified/hardware-ids.ts'
import { explicitCommandLineWarning, splitProfile, unifiedKernel } from '../../../../src/plan/unified/unified-kernel.ts'
import { System } from '../../../../src/system/system.ts'
import { untested } from '../../../untested.ts'
import { type ImageParts, peImage } from '../../entries/bls/image.ts'
import { kernelOf, makeTree, type Tree } from '../../entries/tree.ts'
import { file, path as temporary, tool } from '../../image/tools.ts'
import { findUkify } from '../../image/ukify.ts'

const texts = ({ warnings }: { warnings: readonly { text: string }[] }) => warnings.map(({ text }) => text)

type Sections = ImageParts['sections']

const IMAGE = '/efi/EFI/Linux/debian+2.efi'
const OWN = '/efi/EFI/Linux/debian.efi.extra.d'
const kernel: Sections[number] = ['.linux', kernelOf('6.12.48+deb13-amd64')]
const sections: Sections = [
  ['.osrel', 'ID=debian\nNAME=Debian\n'],
  ['.uname', '6.12.48+deb13-amd64'],
  ['.cmdline', ' root=LABEL=root\tquiet\n'],
  kernel,
  ['.initrd', 'initrd of the image'],
]
const image = (parts: Partial<ImageParts> = {}) => ({ file: peImage({ sections, ...parts }) })
const addon = (...more: Sections) => image({ sections: more })

interface Options {
  readonly profile?: number
  readonly path?: string | null
}

/** What is made of the image in a tree, with its parts read. */
function unify(tree: Tree, { profile, path = IMAGE }: Options = {}) {
  const root = makeTree(tree)
  const fd = openSync(join(root, IMAGE), 'r')
  try {
    const source = fileBytes(fd, fstatSync(fd).size)
    const unified = unifiedKernel(new System(root), { source, path, profile: profile ?? null })
    const initrds = unified.initrds.map((part) => ({ ...part, text: part.source.read(0, part.source.size).toString() }))
    const before = readdirSync('/proc/self/fd').length
    unified.close()
    expect(readdirSync('/proc/self/fd')).toHaveLength(before - unified.files.length)
    return { ...unified, initrds, names: initrds.map(({ name }) => name) }
  } finally {
    closeSync(fd)
  }
}

test('an image by itself: its command line without control characters, its initrd, its os-release', () => {
  const unified = unify({ [IMAGE]: image() })
  expect(unified).toMatchObject({
    commandLine: 'root=LABEL=root quiet',
    commandLineFrom: ['.cmdline'],
    isCommandLineFixed: false,
    names: [`${IMAGE}:.initrd`, '/.extra/os-release'],
    deviceTree: null,
    warnings: [],
    problems: [],
  })
  expect(unified.initrds[0]?.text).toBe('initrd of the image')
  expect(explicitCommandLineWarning(unified)).toBe(null)
})

test('cpio unpacks what goes to /.extra', () => {
  const { initrds } = unify({
    [IMAGE]: image(),
    [`${OWN}/b.cred`]: { text: 'secret' },
    [`${OWN}/a.cred`]: { text: '' },
  })
  const listings = initrds.slice(1).map(({ text }) => tool('cpio', ['-tvn', '--quiet'], Buffer.from(text)).toString())
  const lines = listings.map((listing) =>
    listing
      .trim()
      .split('\n')
      .map((line) => line.split(/ +/)),
  )
  expect(lines.map((listing) => listing.map((words) => [words[0], words[4], words.at(-1)]))).toEqual([
    [
      ['dr-xr-xr-x', '0', '.extra'],
      ['dr-x------', '0', '.extra/credentials'],
      ['-r--------', '0', '.extra/credentials/a.cred'],
      ['-r--------', '6', '.extra/credentials/b.cred'],
    ],
    [
      ['dr-xr-xr-x', '0', '.extra'],
      ['-r--r--r--', '22', '.extra/os-release'],
    ],
  ])
})

test('the order of systemd-stub, of everything there may be', () => {
  const { names, commandLine, commandLineFrom, warnings } = unify({
    [IMAGE]: image({
      sections: [
        ...sections,
        ['.ucode', 'microcode of the image'],
        ['.pcrsig', '{}'],
        ['.pcrpkey', 'a key'],
        ['.profile', 'ID=main'],
      ],
    }),
    '/efi/loader/addons/a.addon.efi': addon(['.cmdline', 'one'], ['.ucode', 'a'], ['.initrd', 'a']),
    [`${OWN}/b.addon.efi`]: addon(['.cmdline', '\n two \n'], ['.ucode', 'b']),
    [`${OWN}/c.addon.efi`]: addon(['.initrd', 'c'], ['.initrd', 'never']),
    [`${OWN}/own.cred`]: { text: '' },
    [`${OWN}/own.raw`]: { text: '' },
    [`${OWN}/own.confext.raw`]: { text: '' },
    '/efi/loader/credentials/shared.cred': { text: '' },
    '/efi/loader/extensions/shared.sysext.raw': { text: '' },
    '/efi/loader/extensions/shared.confext.raw': { text: '' },
  })
  expect(names).toEqual([
    `${OWN}/b.addon.efi:.ucode`,
    '/efi/loader/addons/a.addon.efi:.ucode',
    `${IMAGE}:.ucode`,
    `${IMAGE}:.initrd`,
    '/.extra/credentials',
    '/.extra/global_credentials',
    '/.extra/sysext',
    '/.extra/global_sysext',
    '/.extra/confext',
    '/.extra/global_confext',
    '/.extra/tpm2-pcr-signature.json',
    '/.extra/tpm2-pcr-public-key.pem',
    '/.extra/os-release',
    '/.extra/profile',
    '/efi/loader/addons/a.addon.efi:.initrd',
    `${OWN}/c.addon.efi:.initrd`,
  ])
  expect(commandLine).toBe('root=LABEL=root quiet one two')
  expect(commandLineFrom).toEqual(['.cmdline', '/efi/loader/addons/a.addon.efi', `${OWN}/b.addon.efi`])
  expect(warnings).toEqual([])
})

test('a stub that is too old for a directory leaves it alone', () => {
  const tree = (stub: string): Tree => ({
    [IMAGE]: image({ sections: [...sections, ['.sdmagic', `#### LoaderInfo: ${stub} ####`]] }),
    [`${OWN}/own.confext.raw`]: { text: '' },
    '/efi/loader/extensions/shared.sysext.raw': { text: '' },
  })
  const directories = (stub: string) => unify(tree(stub)).names.filter((name) => name.endsWith('ext'))
  expect(directories('systemd-stub 255.4-1')).toEqual([])
  expect(directories('systemd-stub 257.13-1~deb13u1')).toEqual(['/.extra/confext'])
  expect(directories('systemd-stub 262.1-1')).toEqual(['/.extra/global_sysext', '/.extra/confext'])
})

test('an image from memory has nothing beside it', () => {
  const tree = { [IMAGE]: image(), [`${OWN}/a.cred`]: { text: '' }, [`${OWN}/a.addon.efi`]: addon(['.cmdline', 'a']) }
  const unified = unify(tree, { path: null })
  expect(unified).toMatchObject({ commandLine: 'root=LABEL=root quiet', files: [] })
  expect(unified.names).toEqual(['(image):.initrd', '/.extra/os-release'])
})

describe('profiles', () => {
  const profiles = image({
    sections: [
      ...sections,
      ['.profile', 'ID=main'],
      ['.profile', 'ID=other'],
      ['.cmdline', 'other'],
      ['.initrd', 'other initrd'],
      ['.profile', 'ID=bare'],
      ['.cmdline', ''],
      ['.initrd', ''],
    ],
  })
  test.each([
    [undefined, 'root=LABEL=root quiet', 'initrd of the image', 'ID=main'],
    [0, 'root=LABEL=root quiet', 'initrd of the image', 'ID=main'],
    [1, 'other', 'other initrd', 'ID=other'],
    [2, null, undefined, 'ID=bare'],
  ])('profile %s', (profile, commandLine, initrd, text) => {
    const unified = unify({ [IMAGE]: profiles }, profile === undefined ? {} : { profile })
    expect(unified.commandLine).toBe(commandLine)
    expect(unified.initrds.find(({ name }) => name.endsWith(':.initrd'))?.text).toBe(initrd)
    expect(unified.initrds.find(({ name }) => name === '/.extra/profile')?.text).toContain(text)
  })

  test('that are not there are a problem', () => {
    expect(unify({ [IMAGE]: profiles }, { profile: 3 }).problems).toEqual(['it has no profile 3: there are 3'])
    expect(unify({ [IMAGE]: image() }, { profile: 1 }).problems).toEqual(['it has no profile 1: there are 0'])
    expect(unify({ [IMAGE]: image() }, { profile: 0 }).problems).toEqual([])
  })

  test('are named behind the file, unless a file is really named so', () => {
    const system = new System(makeTree({ '/a.efi': 'empty', '/b.efi': 'empty', '/b.efi@1': 'empty' }))
    expect(splitProfile(system, '/a.efi')).toEqual({ path: '/a.efi', profile: null })
    expect(splitProfile(system, '/a.efi@1')).toEqual({ path: '/a.efi', profile: 1 })
    expect(splitProfile(system, '/b.efi@1')).toEqual({ path: '/b.efi@1', profile: null })
    expect(splitProfile(system, '/c.efi@1')).toEqual({ path: '/c.efi@1', profile: null })
    for (const path of ['/a.efi@x', '/a.efi@1x', '/a.efi@12345', '/a.efi@'])
      expect(splitProfile(system, path)).toEqual({ path, profile: null })
  })
})

describe('addons that are passed over are told', () => {
  const secureBoot: Tree = {
    '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c': { text: '\x06\0\0\0\x01' },
  }
  const cases: readonly (readonly [string, Tree[string], Tree, RegExp])[] = [
    [
      'for another machine',
      image({ machine: 0xaa64, sections: [['.cmdline', 'x']] }),
      {},
      /is for aarch64, and the image for x86_64/,
    ],
    ['with a kernel', addon(['.cmdline', 'x'], kernel), {}, /holds a kernel, which an addon may not/],
    [
      'for another kernel',
      addon(['.cmdline', 'x'], ['.uname', '6.1.0']),
      {},
      /is for "6\.1\.0", and the kernel is "6\.12\.48/,
    ],
    [
      'unsigned, under Secure Boot',
      addon(['.cmdline', 'x']),
      secureBoot,
      /is not signed, and this machine has Secure Boot/,
    ],
    ['no PE file', { text: 'hello' }, {}, /is not a PE file/],
    ['empty', 'empty', {}, /is empty/],
    ['a FIFO', 'fifo', {}, /is left out: it is a FIFO/],
    ['a link to nowhere', { link: 'nowhere' }, {}, /is left out: no such file/],
    [
      'cut',
      image({ sections: [['.cmdline', 'x'.repeat(600)]], spoil: (bytes) => bytes.subarray(0, 600) }),
      {},
      /is truncated/,
    ],
  ]
  test.each(cases)('%s', (_name, content, more, sentence) => {
    const unified = unify({ [IMAGE]: image(), [`${OWN}/a.addon.efi`]: content, ...more })
    expect(texts(unified)).toEqual([expect.stringMatching(sentence)])
    expect(unified.commandLine).toBe('root=LABEL=root quiet')
  })

  test('but one for the start of the release is used, as systemd-stub does', () => {
    const unified = unify({ [IMAGE]: image(), [`${OWN}/a.addon.efi`]: addon(['.cmdline', 'x'], ['.uname', '6.12']) })
    expect(unified).toMatchObject({ commandLine: 'root=LABEL=root quiet x', warnings: [] })
  })

  test('under Secure Boot the stub would take no other command line', () => {
    const unified = unify({ [IMAGE]: image(), ...secureBoot })
    expect(explicitCommandLineWarning(unified)).toMatch(/under Secure Boot systemd-stub takes no other command line/)
    const bare = sections.filter(([name]) => name !== '.cmdline')
    expect(unify({ [IMAGE]: image({ sections: bare }), ...secureBoot })).toMatchObject({
      commandLine: null,
      isCommandLineFixed: false,
    })
  })
})

test('what a hypervisor adds to the command line comes last', () => {
  const strings = 'first\0io.systemd.stub.kernel-cmdline-extra=from the\thost\0\0'
  const { commandLine, commandLineFrom } = unify({
    [IMAGE]: image(),
    '/sys/firmware/dmi/entries/11-0/raw': { text: `\x0b\x05\x00\x0b\x02${strings}` },
  })
  expect(commandLine).toBe('root=LABEL=root quiet from the host')
  expect(commandLineFrom).toEqual(['.cmdline', 'SMBIOS'])
})

/** A device tree made by dtc. */
function deviceTree(...compatible: string[]): Buffer {
  const names = compatible.map((name) => `"${name}"`).join(', ')
  return tool('dtc', ['-q', '-O', 'dtb'], Buffer.from(`/dts-v1/; / { model = "x"; compatible = ${names}; };`))
}

describe('device trees', () => {
  const trees: Sections = [
    ['.dtb', deviceTree('acme,fixed')],
    ['.dtbauto', deviceTree('acme,one', 'acme,chip')],
    ['.dtbauto', deviceTree('acme,two', 'acme,chip')],
  ]
  const machine = (...names: string[]): Tree => ({
    '/sys/firmware/devicetree/base/compatible': { text: names.map((name) => `${name}\0`).join('') },
  })
  const arm: Tree = { [IMAGE]: image({ machine: 0xaa64, sections: [...sections, ...trees] }) }
  const bytes = (tree: ReturnType<typeof unify>['deviceTree']) => tree?.source.read(0, tree.source.size)

  test('the one for this machine, by the first name of each, and that the kernel will not get it', () => {
    const unified = unify({ ...arm, ...machine('acme,two', 'acme,one') })
    expect(unified.deviceTree).toMatchObject({ name: `${IMAGE}:.dtbauto` })
    expect(texts(unified)).toEqual([
      `kexec_file_load takes no device tree: the new kernel gets the running one (acme,two), not ${IMAGE}:.dtbauto, ` +
        'which the firmware would give it because this machine is acme,two by its own device tree',
    ])
  })

  test('else the one for any machine', () => {
    expect(unify({ ...arm, ...machine('acme,chip') }).deviceTree?.name).toBe(`${IMAGE}:.dtb`)
  })

  test('of a profile first, and of an addon before all', () => {
    const source = peImage({
      machine: 0xaa64,
      sections: [...sections, ...trees, ['.profile', 'ID=x'], ['.dtbauto', deviceTree('acme,three')]],
    })
    const chosen = (tree: Tree, name: string) => {
      const system = new System(makeTree({ [IMAGE]: { file: source }, ...tree, ...machine(name) }))
      const unified = unifiedKernel(system, { source: memoryBytes(source), path: IMAGE, profile: 0 })
      const found = bytes(unified.deviceTree)
      unified.close()
      return found
    }
    expect(chosen({}, 'acme,three')).toEqual(deviceTree('acme,three'))
    expect(chosen({}, 'acme,one')).toEqual(deviceTree('acme,one', 'acme,chip'))
    const addons = {
      [`${OWN}/a.addon.efi`]: image({ machine: 0xaa64, sections: [['.dtb', deviceTree('acme,addon-a')]] }),
      [`${OWN}/b.addon.efi`]: image({ machine: 0xaa64, sections: [['.dtb', deviceTree('acme,addon-b')]] }),
      [`${OWN}/c.addon.efi`]: image({ machine: 0xaa64, sections: [['.dtbauto', deviceTree('acme,other')]] }),
    }
    expect(chosen(addons, 'acme,three')).toEqual(deviceTree('acme,addon-b'))
  })

  test('on a machine of x86 nothing need be said', () => {
    expect(unify({ [IMAGE]: image({ sections: [...sections, ...trees] }) }).warnings).toEqual([])
  })

  test('hardware IDs are those of the field', () => {
    // HardwareID-14 of all machines of this manufacturer, 6de5d951-d755-576b-bd09-c5cf66b27234 in fwupd's documentation.
    expect(hardwareId(['LENOVO'])).toBe('51d9e56d55d76b57bd09c5cf66b27234')
    expect(hardwareId(['LENOVO', ''])).toBe(null)
  })
})

const ukify = await findUkify('trixie')
if (typeof ukify === 'string') untested(`.hwids of the real ukify: ${ukify}`)

test.skipIf(typeof ukify === 'string')(
  '.hwids of the real ukify chooses among .dtbauto where firmware has no tree',
  () => {
    if (typeof ukify === 'string') return
    const id = hardwareId(['ACME', 'Laptop 5']) as string
    const guid = Buffer.from(id, 'hex')
    guid.subarray(0, 4).swap32()
    guid.subarray(4, 8).swap16()
    const uuid = guid.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    mkdirSync(temporary('hwids'), { recursive: true })
    const description = { type: 'devicetree', name: 'ACME Laptop', compatible: 'acme,laptop-5', hwids: [uuid] }
    writeFileSync(temporary('hwids/acme.json'), JSON.stringify(description))
    ukify.build([
      `--linux=${file('linux', kernelOf('6.12.48'))}`,
      '--uname=6.12.48',
      '--os-release=ID=debian',
      `--devicetree-auto=${file('one.dtb', deviceTree('acme,laptop-4'))}`,
      `--devicetree-auto=${file('two.dtb', deviceTree('acme,laptop-5', 'acme,chip'))}`,
      `--hwids=${temporary('hwids')}`,
      `--output=${temporary('hwids.efi')}`,
    ])
    const made = readFileSync(temporary('hwids.efi'))
    const dmi = (name: string): Tree => ({
      '/sys/class/dmi/id/sys_vendor': { text: ' ACME \n' },
      '/sys/class/dmi/id/product_name': { text: `${name}\n` },
    })
    const chosen = (name: string) => {
      const unified = unify({ [IMAGE]: { file: made }, ...dmi(name) })
      return unified.deviceTree === null ? null : unified.deviceTree.reason
    }
    expect(chosen('Laptop 5')).toBe('this machine is acme,laptop-5 by .hwids')
    expect(chosen('00Laptop 5 ')).toBe('this machine is acme,laptop-5 by .hwids')
    expect(chosen('Laptop 6')).toBe(null)
  },
)

describe('measurement', () => {
  const tpm: Tree = { '/sys/class/tpm/tpm0/dev': { text: '' } }
  const signed: Tree = { [IMAGE]: image({ sections: [...sections, ['.pcrsig', '{}']] }) }
  const crypttab: Tree = {
    '/etc/crypttab': { text: '# a disk\nroot UUID=1 none luks,tpm2-device=auto\nswap UUID=2 none luks\n' },
  }

  test('is told where signed values or a disk that the TPM opens will notice', () => {
    expect(texts(unify({ ...tpm, ...signed }))).toEqual([
      expect.stringMatching(
        /PCR 11, 12 and 13 .* the image brings signed values for PCR 11 .* recovery key at hand\.$/,
      ),
    ])
    expect(texts(unify({ ...tpm, [IMAGE]: image(), ...crypttab }))).toEqual([
      expect.stringMatching(/the TPM opens root \(\/etc\/crypttab\)\./),
    ])
    const commandLine = sections.map(([name, text]): [string, string | Buffer] =>
      name === '.cmdline' ? [name, 'rd.luks.options=1234=tpm2-device=auto,discard'] : [name, text],
    )
    expect(unify({ ...tpm, [IMAGE]: image({ sections: commandLine }) }).warnings).toHaveLength(1)
  })

  test('is not where nothing will', () => {
    expect(unify({ ...tpm, [IMAGE]: image() }).warnings).toEqual([])
    expect(unify({ ...signed, ...crypttab }).warnings).toEqual([])
  })
})

test('two sections .initrd are both loaded, and that the stub would not is told', () => {
  const { initrds, warnings } = unify({ [IMAGE]: image({ sections: [...sections, ['.initrd', 'second']] }) })
  expect(initrds.slice(0, 2).map(({ text }) => text)).toEqual(['initrd of the image', 'second'])
  expect(texts({ warnings })).toEqual([expect.stringMatching(/has 2 sections \.initrd/)])
})

test('whatever byte is changed in the headers, nothing is thrown and nothing reads outside', () => {
  const bytes = peImage({
    sections: [...sections, ['.hwids', 'x'.repeat(80)], ['.dtbauto', deviceTree('a')], ['.profile', '']],
  })
  const system = new System(makeTree({ '/sys/class/dmi/id/sys_vendor': { text: 'x' } }))
  for (let at = 0; at < 0x40 + 24 + 240 + 8 * 40; at++) {
    for (const value of [0, 0xff]) {
      const changed = Buffer.from(bytes)
      changed[at] = value
      const unified = unifiedKernel(system, { source: memoryBytes(changed), path: null, profile: null })
      for (const { source } of unified.initrds) expect(source.size).toBeLessThan(2 * bytes.length)
    }
  }
})
