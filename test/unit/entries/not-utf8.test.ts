import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { bytesOfText, pathOf } from '../../../src/exact-text.ts'
import { type PlanOptions, plan } from '../../../src/index.ts'
import { System } from '../../../src/system/system.ts'
import { cli } from '../cli/cli.ts'
import { debian, makeMachine, newer } from '../plan/debian.ts'

/** Latin-1's é, as text has a byte that is not UTF-8. */
const E = '\udce9'

const kernel = `/boot/caf${E}/vmlinuz-${E}`
const initrd = `/boot/caf${E}/initrd-${E}`

/** A Debian machine with a kernel below a directory whose name is not UTF-8, and what starts it. */
function machine(files: Readonly<Record<string, string>>): string {
  const root = makeMachine(debian)
  const put = (path: string, bytes: Uint8Array) => {
    mkdirSync(pathOf(join(root, dirname(path))), { recursive: true })
    writeFileSync(pathOf(join(root, path)), bytes)
  }
  put(kernel, readFileSync(join(root, `/boot/vmlinuz-${newer}`)))
  put(initrd, readFileSync(join(root, `/boot/initrd.img-${newer}`)))
  for (const [path, text] of Object.entries(files)) put(path, bytesOfText(text))
  return root
}

async function planned(options: PlanOptions) {
  using made = await plan(options)
  return { ...made.toJSON(), refusals: made.refusals }
}

test.each<[string, Readonly<Record<string, string>>, entry: string]>([
  [
    'GRUB',
    {
      '/boot/grub/grub.cfg': `menuentry one {\nlinux ${kernel.slice(5)} root=/dev/vda1 name=caf${E}\ninitrd ${initrd.slice(5)}\n}\n`,
    },
    'one',
  ],
  [
    'type 1 files',
    {
      '/boot/loader/entries/one.conf': `title one\nlinux ${kernel.slice(5)}\ninitrd ${initrd.slice(5)}\noptions root=/dev/vda1 name=caf${E}\n`,
    },
    'one.conf',
  ],
  [
    'extlinux',
    {
      '/boot/extlinux/extlinux.conf': `LABEL one\nLINUX ${kernel}\nINITRD ${initrd}\nAPPEND root=/dev/vda1 name=caf${E}\n`,
    },
    'one',
  ],
])('%s: names and command lines that are not UTF-8 are carried through to the byte', async (_name, files, entry) => {
  const root = machine(files)
  const made = await planned({ root, entry })
  expect(made.refusals).toEqual([])
  expect(made).toMatchObject({ kernel, initrds: [initrd], commandLine: `root=/dev/vda1 name=caf${E}` })
  expect(bytesOfText(made.commandLine)).toEqual(Buffer.from('root=/dev/vda1 name=caf\xe9', 'latin1'))
})

test('the running command line is reused to the byte, and a byte counts as one', async () => {
  const root = machine({ '/proc/cmdline': `BOOT_IMAGE=/x root=/dev/vda1 "name=caf${E} \udcff"\n` })
  expect((await planned({ root, entry: 'newest' })).commandLine).toBe(`root=/dev/vda1 "name=caf${E} \udcff"`)
  const long = await planned({ root, entry: 'newest', commandLine: E.repeat(2016) })
  expect(long.refusals).toEqual([])
})

test('directories list such names, and links lead through them', () => {
  const root = machine({})
  symlinkSync(Buffer.from('caf\xe9/vmlinuz-\xe9', 'latin1'), join(root, 'boot/link'))
  const system = new System(root)
  expect(system.list('/boot')).toContain(`caf${E}`)
  expect(system.readLink('/boot/link')).toBe(`caf${E}/vmlinuz-${E}`)
  expect(system.resolve('/boot/link')).toBe(kernel)
  expect(system.isFile('/boot/link')).toBe(true)
  expect(system.exists(`/boot/caf${E}`)).toBe(true)
  expect(system.stat('/boot/caf\ufffd')).toBeUndefined()
})

test('the command shows the bytes, and JSON keeps them', async () => {
  const root = machine({ '/boot/grub/grub.cfg': `menuentry "caf${E}" {\nlinux ${kernel.slice(5)} x=${E}\n}\n` })
  expect((await cli(['list', '--long', '--root', root])).stdout).toContain('caf\\xe9')
  const { stdout } = await cli(['list', '--json', '--root', root])
  expect(stdout).toContain('x=\\udce9')
  expect(JSON.parse(stdout).entries[0]).toMatchObject({ title: `caf${E}`, kernel, commandLine: `x=${E}` })
})
