import { createHash } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileBytes } from '../../src/bytes/bytes.ts'
import { readBootMenu } from '../../src/entries/discover.ts'
import type { BootLoader } from '../../src/entries/model/boot-menu.ts'
import type { BootEntry } from '../../src/entries/model/entry.ts'
import { unifiedKernel } from '../../src/plan/unified/unified-kernel.ts'
import { System } from '../../src/system/system.ts'
import { candidatesFor } from '../../src/trial/loader/candidates.ts'
import { makeChange } from '../../src/trial/loader/change.ts'
import type { LoaderChange } from '../../src/trial/model/loader-change.ts'
import { writeCpio } from '../../src/vm/index.ts'
import { findUkify, type Ukify } from '../unit/image/ukify.ts'
import { untested } from '../untested.ts'
import { RealFirmware, tailOf } from './real-stub.ts'

/**
 * systemd-stub is the judge: real firmware starts a real systemd-boot, which starts a profile of a UKI made by the real
 * ukify, and the kernel inside tells what it was given. It has to be what src/plan/unified makes of the same tree.
 */
const BASE = 'console=ttyS0 retain_initrd panic=-1 no_timer_check'

let firmware: RealFirmware | undefined
const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-unified-'))
beforeAll(async () => {
  firmware = await RealFirmware.open()
})
afterAll(() => {
  firmware?.close()
  rmSync(directory, { recursive: true })
})

/** The suites of Debian whose systemd knows profiles: version 257, and whatever is the newest. */
const judges = await Promise.all(['trixie', 'unstable'].map(async (suite) => [suite, await findUkify(suite)] as const))
for (const [, ukify] of judges) if (typeof ukify === 'string') untested(`comparison with systemd-stub: ${ukify}`)

const secret = 'a credential'

/** An ESP with one image of three profiles and everything that may lie beside it. */
async function layTree(ukify: Ukify, { kernel, initrd }: RealFirmware, esp: string): Promise<string> {
  const put = (path: string, content: string) => {
    mkdirSync(dirname(join(esp, path)), { recursive: true })
    writeFileSync(join(esp, path), content)
    return join(esp, path)
  }
  const piece = (name: string, content: string) => {
    const file = join(directory, `${ukify.version}-${name}`)
    writeFileSync(file, content)
    return file
  }
  const archive = async (name: string, path: string, content: string) => {
    const file = join(directory, `${ukify.version}-${name}`)
    await writeCpio(file, [{ path, data: content }])
    return file
  }
  const microcode = (content: string) => archive(`microcode of ${content}`, 'early', content)
  const further = await archive('more', 'more', 'of the profile')
  // systemd-boot 257 calls all profiles of a file with a boot count the same.
  const path = `/EFI/Linux/debian${ukify.version > 257 ? '+3-1' : ''}.efi`
  const image = put(path, '')
  const profiles = [
    ['reset', 'TITLE=Factory reset', `${BASE} reset`],
    ['other', '', `\t${BASE}\n other \n`],
  ].map(([id, more, commandLine]) => {
    const output = join(directory, `${ukify.version}-${id}.efi`)
    const own = id === 'other' ? [`--initrd=${initrd}`, `--initrd=${further}`] : []
    ukify.build([
      `--profile=ID=${id}\n${more}`,
      `--cmdline=@${piece(`${id}.txt`, commandLine ?? '')}`,
      ...own,
      `--output=${output}`,
    ])
    return `--join-profile=${output}`
  })
  ukify.build([
    `--linux=${kernel}`,
    `--initrd=${initrd}`,
    `--microcode=${await microcode('the image')}`,
    `--cmdline=${BASE} base`,
    '--uname=6.12.1-test',
    '--os-release=ID=debian\nPRETTY_NAME="Debian"\nVERSION_ID=13\n',
    `--section=.pcrsig:@${piece('pcrsig', '{"sha256":[]}')}`,
    `--section=.pcrpkey:@${piece('pcrpkey', '-----BEGIN PUBLIC KEY-----\n')}`,
    '--profile=ID=main\n',
    ...profiles,
    `--output=${image}`,
  ])
  const addon = (path: string, options: readonly string[]) => ukify.build([...options, `--output=${put(path, '')}`])
  const shared = 'loader/addons'
  const own = 'EFI/Linux/debian.efi.extra.d'
  addon(`${shared}/b.addon.efi`, ['--cmdline=shared-b', `--microcode=${await microcode('b')}`])
  addon(`${shared}/a.addon.efi`, ['--cmdline= shared-a ', `--initrd=${await archive('a', 'a', 'of the addon a')}`])
  addon(`${own}/1.addon.efi`, ['--cmdline=own-1', `--microcode=${await microcode('1')}`])
  addon(`${own}/2.ADDON.efi`, ['--cmdline=own-2', '--uname=6.12.1-test'])
  addon(`${own}/3.addon.efi`, ['--cmdline=never', '--uname=6.1.0'])
  addon(`${own}/4.addon.efi`, ['--cmdline=prefix', '--uname=6.12'])
  put(`${own}/.hidden.addon.efi`, 'nothing')
  put(`${own}/5.addon.efi`, 'nothing')
  put(`${own}/b.cred`, secret)
  put(`${own}/a.CRED`, `${secret} more`)
  put(`${own}/tools.raw`, 'an extension')
  put(`${own}/tools.sysext.raw`, 'another extension')
  put(`${own}/settings.confext.raw`, 'a configuration extension')
  put(`${own}/readme.txt`, 'nothing')
  put('loader/credentials/global.cred', 'for all')
  put('loader/extensions/global.sysext.raw', 'an extension for all')
  put('loader/extensions/global.confext.raw', 'a configuration extension for all')
  mkdirSync(join(esp, 'EFI/BOOT'), { recursive: true })
  copyFileSync(join(ukify.stubs, 'systemd-bootx64.efi'), join(esp, 'EFI/BOOT/BOOTX64.EFI'))
  return path
}

/** What we would load of it. */
function ours(esp: string, path: string, profile: number | null) {
  const fd = openSync(join(esp, path), 'r')
  try {
    const source = fileBytes(fd, fstatSync(fd).size)
    const unified = unifiedKernel(new System(esp), { source, path, profile })
    const pieces = unified.initrds.flatMap(({ source: { read, size } }) => [
      read(0, size),
      Buffer.alloc((4 - (size % 4)) % 4),
    ])
    unified.close()
    return { ...unified, initrd: Buffer.concat(pieces) }
  } finally {
    closeSync(fd)
  }
}

describe.each(judges.filter((judge): judge is [string, Ukify] => typeof judge[1] !== 'string'))(
  "systemd-stub of Debian's %s",
  (suite, ukify) => {
    const esp = join(directory, suite)
    let path: string
    beforeAll(async () => {
      path = await layTree(ukify, firmware as RealFirmware, esp)
    })

    test.each([
      ['the first profile', 'debian.efi', null, 'base'],
      ['a profile by its name', 'debian.efi@reset', 1, 'reset'],
      ['a profile with initrds of its own', 'debian.efi@other', 2, 'other'],
    ])('%s', async (_name, id, profile, word) => {
      writeFileSync(join(esp, 'loader/loader.conf'), `timeout 0\ndefault ${id}\n`)
      const given = await (firmware as RealFirmware).boot(esp)
      const mine = ours(esp, path, profile)
      expect(mine.problems).toEqual([])
      expect(given.entries.filter((entry) => !entry.startsWith('auto-'))).toEqual([
        'debian.efi',
        'debian.efi@reset',
        'debian.efi@other',
      ])
      expect(given.commandLine.split(' ')).toContain(word)
      expect(mine.commandLine).toBe(given.commandLine)
      expect({ size: mine.initrd.length, tail: tailOf(mine.initrd).toString('latin1') }).toEqual({
        size: given.initrd.size,
        tail: given.initrd.tail.toString('latin1'),
      })
      expect(createHash('sha256').update(mine.initrd).digest('hex')).toBe(given.initrd.sha256)
    })

    // One suite is enough: loader.conf is older than profiles.
    test.runIf(suite === 'trixie')('starts the profile that linux-kexec has chosen in loader.conf', async () => {
      const conf = join(esp, 'loader/loader.conf')
      writeFileSync(conf, '# ours\ntimeout 0\ndefault debian.efi \n')
      const system = new System(esp)
      const menu = await readBootMenu({ system })
      const loader = menu.loaders.find(({ inCharge }) => inCharge) as BootLoader
      const entry = menu.entries.find(({ id }) => id === 'debian.efi@reset') as BootEntry
      const [candidate] = candidatesFor(system, { menu, loader, entry, isLasting: true })?.list ?? []
      makeChange(system, candidate?.change as LoaderChange)
      expect(readFileSync(conf, 'utf8')).toBe('# ours\ntimeout 0\ndefault debian.efi@reset \n')
      const given = await (firmware as RealFirmware).boot(esp)
      expect(given.commandLine.split(' ')).toContain('reset')
    })

    test('of several sections .initrd it gives the first to the kernel; we give all, and say so', async () => {
      const tree = join(directory, `${suite}-two`)
      const file = join(tree, 'EFI/BOOT/BOOTX64.EFI')
      mkdirSync(dirname(file), { recursive: true })
      const { kernel, initrd } = firmware as RealFirmware
      const second = join(directory, `${suite}-second`)
      await writeCpio(second, [{ path: 'second', data: 'second' }])
      ukify.build([
        `--linux=${kernel}`,
        `--initrd=${initrd}`,
        `--section=.initrd2:@${second}`,
        `--cmdline=${BASE}`,
        '--uname=6.12.1-test',
        '--os-release=',
        `--output=${file}`,
      ])
      // ukify refuses two of one name.
      const bytes = readFileSync(file)
      bytes[bytes.indexOf('.initrd2') + '.initrd'.length] = 0
      writeFileSync(file, bytes)
      const given = await (firmware as RealFirmware).boot(tree)
      const mine = ours(tree, '/EFI/BOOT/BOOTX64.EFI', null)
      expect(mine.initrd.length).toBe(Math.ceil(given.initrd.size / 4) * 4 + statSync(second).size)
      expect(mine.warnings).toMatchObject([{ code: 'several-initrds' }])
    })
  },
)
