import { chmodSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../../src/index.ts'
import { measurementWarning } from '../../../../src/plan/unified/measurement.ts'
import { smbiosCommandLine } from '../../../../src/plan/unified/smbios.ts'
import { System } from '../../../../src/system/system.ts'
import { peImage } from '../../entries/bls/image.ts'
import { kernelOf, makeTree, type Tree } from '../../entries/tree.ts'
import { debian, makeMachine, newer } from '../debian.ts'

const IMAGE = '/efi/EFI/Linux/one.efi'
const OWN = `${IMAGE}.extra.d`
type Sections = Parameters<typeof peImage>[0]['sections']
const sections: Sections = [
  ['.osrel', 'ID=debian\nNAME=Debian\n'],
  ['.uname', newer],
  ['.cmdline', 'root=/dev/vda1'],
  ['.linux', kernelOf(newer)],
]
const secureBoot: Tree = {
  '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c': { text: '\x06\0\0\0\x01' },
}
const machine = (...changes: Tree[]) =>
  makeMachine(Object.assign({ ...debian, [IMAGE]: { file: peImage({ sections }) } }, ...changes))

async function planned(options: PlanOptions) {
  using made = await plan({ kernel: IMAGE, ...options })
  return {
    initrds: made.toJSON().initrds,
    line: made.commandLine,
    warnings: made.warnings.map(({ code, text }) => `${code}: ${text}`),
  }
}

describe('the files beside a unified image', () => {
  test('are loaded with it; those of other kinds are not', async () => {
    const root = machine({
      [`${OWN}/one.cred`]: { text: 'secret' },
      [`${OWN}/one.raw`]: { text: 'extension' },
      [`${OWN}/one.confext.raw`]: { text: 'configuration' },
      [`${OWN}/readme.txt`]: { text: 'hello' },
    })
    const { initrds, warnings } = await planned({ root })
    expect(initrds).toEqual(['/.extra/credentials', '/.extra/sysext', '/.extra/confext', '/.extra/os-release'])
    expect(warnings).toEqual([])
  })

  test('are left out where they are no files, with what they are', async () => {
    const root = machine({ [`${OWN}/one.cred`]: 'fifo', [`${OWN}/two.cred`]: { link: 'nowhere' } })
    const { initrds, warnings } = await planned({ root })
    expect(initrds).toEqual(['/.extra/os-release'])
    expect(warnings).toEqual([
      `file-left-out: The file ${OWN}/one.cred is left out: it is a FIFO.`,
      expect.stringMatching(/^file-left-out: The file .*two\.cred is left out: no such file/),
    ])
  })

  test('are left out where an initrd cannot hold them', async () => {
    const root = machine({ [`${OWN}/large.raw`]: 'empty', [`${OWN}/small.raw`]: { text: 'x' } })
    truncateSync(join(root, `${OWN}/large.raw`), 2 ** 32)
    const { initrds, warnings } = await planned({ root })
    expect(initrds).toEqual(['/.extra/sysext', '/.extra/os-release'])
    expect(warnings).toContain(
      `file-left-out: The file ${OWN}/large.raw is left out: an initrd cannot hold a file of 4 GiB or more.`,
    )
  })

  test('count, when every user may write them, as the image itself does', async () => {
    const root = machine({ [`${OWN}/a.addon.efi`]: { file: peImage({ sections: [['.cmdline', 'x']] }) } })
    chmodSync(join(root, OWN), 0o777)
    expect((await planned({ root })).warnings).toEqual([
      expect.stringMatching(
        /^exposed-files: .*one\.efi\.extra\.d is writable by every user: anyone could replace .*a\.addon\.efi/,
      ),
    ])
  })

  test('an addon that is passed over says why', async () => {
    const root = machine({ [`${OWN}/a.addon.efi`]: { text: 'hello' } })
    expect((await planned({ root })).warnings).toEqual([
      `addon-passed-over: The addon ${OWN}/a.addon.efi is not a PE file: systemd-stub would pass over it, and so does this plan.`,
    ])
  })
})

test('an empty command line of the image adds nothing to that of an addon', async () => {
  const blank = sections.map(([name, content]): Sections[number] => [name, name === '.cmdline' ? ' \n' : content])
  const addon = { file: peImage({ sections: [['.cmdline', 'root=/dev/vda1']] }) }
  const root = machine({ [IMAGE]: { file: peImage({ sections: blank }) }, [`${OWN}/a.addon.efi`]: addon })
  expect((await planned({ root })).line).toBe('root=/dev/vda1')
})

describe('under Secure Boot', () => {
  const warning =
    'command-line-not-signed: under Secure Boot systemd-stub takes no other command line than that of the image; kexec does'

  test('another command line than that of the image is one that the stub would not take', async () => {
    const root = machine(secureBoot)
    const warned = async (options: PlanOptions) =>
      (await planned({ root, ...options })).warnings.filter((text) => text.startsWith('command-line'))
    // What is loaded is what was signed.
    expect((await planned({ root })).line).toBe('root=/dev/vda1')
    expect(await warned({})).toEqual([])
    for (const options of [
      { commandLine: 'ro' },
      { exactCommandLine: 'ro' },
      { append: 'a' },
      { remove: 'root' },
      { reuseCommandLine: true },
    ])
      expect(await warned(options), JSON.stringify(options)).toEqual([warning])
  })

  test('without it nothing is said', async () => {
    expect((await planned({ root: machine() })).warnings).toEqual([])
  })
})

describe('what a hypervisor adds', () => {
  const entry = (number: number, ...strings: string[]): Tree => ({
    [`/sys/firmware/dmi/entries/11-${number}/raw`]: { text: `\x0b\x05\x00\x0b\x02${strings.join('\0')}\0\0` },
  })
  const extra = 'io.systemd.stub.kernel-cmdline-extra='
  const of = (...trees: Tree[]) => smbiosCommandLine(new System(makeTree(Object.assign({}, ...trees))))

  test('is the first text of this kind, in any of the structures of that type', () => {
    expect(of(entry(0, 'other', `${extra}one`), entry(1, `${extra}two`))).toBe('one')
    expect(of(entry(0, 'other'), entry(1, `${extra}two`))).toBe('two')
    expect(of(entry(0, 'other', `not ${extra}one`))).toBeNull()
    expect(of({ '/sys/firmware/dmi/entries/1-0/raw': { text: `\x01\x02${extra}one\0\0` } })).toBeNull()
    expect(of({ '/sys/firmware/dmi/entries/11-0/raw': 'empty' }, entry(1, `${extra}two`))).toBe('two')
    expect(of({ '/sys/firmware/dmi/entries/11-0/other': 'empty' })).toBeNull()
  })
})

describe('the measurement that kexec leaves out', () => {
  const tpm: Tree = { '/sys/class/tpm/tpm0/dev': { text: '' } }
  const crypttab = (...lines: string[]): Tree => ({ '/etc/crypttab': { text: `${lines.join('\n')}\n` } })
  const sealed = (name: string) => `${name} UUID=1 none luks,tpm2-device=auto`
  const warn = (tree: Tree, { pcrs = false, line = 'ro' } = {}) =>
    measurementWarning(new System(makeTree(tree)), pcrs, line)
  const banks = (value: string): Tree => ({
    '/sys/firmware/efi/efivars/LoaderTpm2ActivePcrBanks-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f': {
      file: Buffer.concat([Buffer.from([7, 0, 0, 0]), Buffer.from(`${value}\0`, 'utf16le')]),
    },
  })

  test('is told with all that will notice', () => {
    expect(
      warn({ ...tpm, ...crypttab(sealed('root')) }, { pcrs: true, line: 'rd.luks.options=tpm2-device=auto' }),
    ).toBe(
      'kexec does not run systemd-stub, so PCR 11, 12 and 13 of the TPM keep what this boot measured, and nothing of the new image is added; the image brings signed values for PCR 11 (.pcrsig), and the TPM opens root (/etc/crypttab), a disk of luks.options=. What is sealed to these PCRs will not open by itself: have the password or recovery key at hand.',
    )
  })

  test('names up to four disks, and counts more', () => {
    const disks = ['a', 'b', 'c', 'd', 'e', 'f']
    const opened = (count: number) =>
      /the TPM opens (.*?)\. What/.exec(warn({ ...tpm, ...crypttab(...disks.slice(0, count).map(sealed)) }) ?? '')?.[1]
    expect(opened(4)).toBe('a (/etc/crypttab), b (/etc/crypttab), c (/etc/crypttab), d (/etc/crypttab)')
    expect(opened(6)).toBe('a (/etc/crypttab), b (/etc/crypttab), c (/etc/crypttab), d (/etc/crypttab), 2 more')
  })

  test('counts only disks that the TPM opens', () => {
    for (const line of [
      `#${sealed('root')}`,
      ` # ${sealed('root')}`,
      'root UUID=1 none luks',
      'root UUID=1 none xtpm2-device=auto',
      'root',
    ])
      expect(warn({ ...tpm, ...crypttab(line) }), line).toBeNull()
    for (const line of [`  ${sealed('root')}`, 'root\tUUID=1\tnone\tluks,1234=tpm2-device=auto'])
      expect(warn({ ...tpm, ...crypttab(line) }), line).not.toBeNull()
    expect(warn({ ...tpm, '/etc/crypttab.initramfs': { text: sealed('root') } })).toContain(
      'root (/etc/crypttab.initramfs)',
    )
    for (const line of ['luks.options=tpm2-device=auto', 'ro  rd.luks.options=1-2=tpm2-device=/dev/tpmrm0,discard'])
      expect(warn(tpm, { line }), line).toContain('a disk of luks.options=')
    for (const line of ['luks.options=discard', 'xluks.options=tpm2-device=auto', 'tpm2-device=auto'])
      expect(warn(tpm, { line }), line).toBeNull()
  })

  test('needs a TPM, by the kernel or by the boot loader', () => {
    expect(warn({}, { pcrs: true })).toBeNull()
    expect(warn({ '/sys/class/tpm/other/dev': { text: '' } }, { pcrs: true })).toBeNull()
    expect(warn(banks('0x00000002'), { pcrs: true })).not.toBeNull()
    expect(warn(banks('0x00000000'), { pcrs: true })).toBeNull()
  })
})
