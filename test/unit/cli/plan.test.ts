import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeTree } from '../entries/tree.ts'
import { debian, kernelOf, makeMachine, newer, older } from '../plan/debian.ts'
import { cli, json } from './cli.ts'

test('plan, for people: each choice with its reason', async () => {
  const { status, stdout, stderr } = await cli(['plan', '--root', makeMachine()])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toBe(`kernel        /boot/vmlinuz-6.12.107+deb12-cloud-amd64
              6.12.107+deb12-cloud-amd64, bzImage for x86_64, 13.5 MiB, not signed
              entry vmlinuz-6.12.107+deb12-cloud-amd64: the newest, because no entry was named; one of 2 entries found
initrd        /boot/initrd.img-6.12.107+deb12-cloud-amd64
              124 bytes, a cpio archive, the format of initrds
              it belongs to the entry
command line  root=/dev/vda1 ro quiet
              the running kernel's without BOOT_IMAGE and initrd: the entry has none of its own
engine        file
              kexec_file_load: the kernel itself reads and checks the image
not checked:  whether a kernel for x86_64 suits the machine: the root directory has no /proc
not checked:  whether the memory is enough: there is no /proc/meminfo
`)
})

test('--json: the plan', async () => {
  const root = makeMachine()
  const options = ['--append', 'panic=10', '--append', 'single', '--remove', 'quiet']
  const { status, document } = await json(['plan', 'running', '--root', root, ...options])
  expect(status).toBe(0)
  expect(document).toMatchObject({
    root,
    entry: `vmlinuz-${older}`,
    kernel: `/boot/vmlinuz-${older}`,
    version: older,
    initrds: [`/boot/initrd.img-${older}`],
    commandLine: 'root=/dev/vda1 ro panic=10 single',
    deviceTree: null,
    panic: false,
    engine: 'file',
    image: { format: 'bzImage', version: older },
    warnings: [],
    refusals: [],
  })
})

test.each([
  ['newest', newer],
  ['#2', older],
  ['6.1', older],
  [`vmlinuz-${older}`, older],
  [`Debian GNU/Linux 12 (bookworm), Linux ${newer}`, newer],
])('plan %s', async (selector, version) => {
  const { status, document } = await json(['plan', selector, '--root', makeMachine()])
  expect({ status, version: document.version }).toEqual({ status: 0, version })
})

test('an id with a slash', async () => {
  const root = makeMachine({ ...debian, '/usr/lib/modules/6.18.0/vmlinuz': { kernel: '6.18.0' } })
  const { document } = await json(['plan', 'modules/6.18.0', '--root', root])
  expect(document).toMatchObject({ entry: 'modules/6.18.0', kernel: '/usr/lib/modules/6.18.0/vmlinuz' })
})

test('a misspelt entry suggests the nearest', async () => {
  const { status, document, stderr } = await json(['plan', 'newset', '--root', makeMachine()])
  expect(status).toBe(3)
  expect(document.error).toMatchObject({ reason: 'no-such-entry', refused: true })
  expect(document.error.hint).toContain("Did you mean 'newest'?")
  expect(document.error.hint).toContain(`vmlinuz-${older}`)
  expect(stderr).toMatch(/^refused: NO_SUCH_ENTRY: there is no boot entry 'newset'\n/)
})

test('a file needs a command line', async () => {
  const root = makeMachine()
  const file = `/boot/vmlinuz-${newer}`
  const { status, document } = await json(['plan', file, '--root', root])
  expect(status).toBe(3)
  expect(document.refusals).toMatchObject([
    { reason: 'no-initrd', path: file },
    { reason: 'no-command-line', path: file },
  ])
  const named = [file, '--root', root, '--initrd', `/boot/initrd.img-${newer}`]
  const reuse = await json(['plan', ...named, '--reuse-cmdline'])
  expect({ status: reuse.status, commandLine: reuse.document.commandLine }).toEqual({
    status: 0,
    commandLine: 'root=/dev/vda1 ro quiet',
  })
  const given = await json(['plan', ...named, '--command-line', 'root=/dev/sda2'])
  expect({ status: given.status, commandLine: given.document.commandLine }).toEqual({
    status: 0,
    commandLine: 'root=/dev/sda2',
  })
})

// Whether the machine that runs the tests has kexec at all must not matter, so only what concerns the file is looked at.
test('a relative file is looked for from the working directory, with or without a slash', async () => {
  const root = makeMachine({ '/bzImage': { kernel: '6.18.0' }, '/initrd': 'initrd' })
  for (const operand of ['./bzImage', 'bzImage']) {
    const options = ['--command-line', 'root=/dev/vda1', '--initrd', 'initrd']
    const { document } = await json(['plan', operand, ...options], { cwd: root })
    expect(document).toMatchObject({
      entry: null,
      kernel: join(root, 'bzImage'),
      version: '6.18.0',
      initrds: [join(root, 'initrd')],
    })
  }
})

test.each([
  ['a directory', '/boot', 'not-a-kernel'],
  ['a truncated kernel', '/cut', 'truncated-kernel'],
  ['an initrd', `/boot/initrd.img-${newer}`, 'not-a-kernel'],
  ['an empty file', '/none', 'not-a-kernel'],
])('%s as the kernel is refused', async (_name, file, reason) => {
  const root = makeMachine({ ...debian, '/cut': { file: kernelOf(older) }, '/none': 'empty' })
  const { status, document } = await json(['plan', file, '--root', root, '--reuse-cmdline'])
  expect(status).toBe(3)
  expect(document.refusals).toMatchObject([{ reason, path: file, refused: true, hint: expect.any(String) }])
})

test('a command line of one byte more than the kernel takes is refused', async () => {
  const root = makeMachine()
  const plan = (length: number) => json(['plan', '--root', root, '--command-line', 'x'.repeat(length)])
  expect((await plan(2016)).status).toBe(0)
  const { status, document } = await plan(2017)
  expect(status).toBe(3)
  expect(document.refusals).toMatchObject([{ reason: 'cmdline-too-long' }])
})

test('warnings and refusals are shown with their remedy', async () => {
  const root = makeMachine({ ...debian, '/notes': { text: 'text' } })
  const { status, stdout } = await cli(['plan', '--root', root, '--initrd', '/notes', '--dtb', '/boot/x.dtb'])
  expect(status).toBe(3)
  expect(stdout).toMatch(/^refused: +this is a text file, neither a cpio archive nor a compressed one \(\/notes\)/m)
  expect(stdout).toMatch(/^refused: +linux-kexec gives no device tree to a bzImage of x86_64\n +Omit --dtb/m)
})

test('nothing to plan', async () => {
  const { status, document } = await json(['plan', '--root', makeTree({ '/boot': 'directory' })])
  expect({ status, reason: document.error.reason }).toEqual({ status: 3, reason: 'no-such-entry' })
})

test('load refuses what plan refuses, with the plan beside the error', async () => {
  const root = makeMachine()
  const { status, document, stderr } = await json(['load', join(root, 'boot'), '--command-line', 'ro'])
  expect(status).toBe(3)
  expect(document).toMatchObject({ loaded: false, plan: { kernel: join(root, 'boot') } })
  expect(document.error).toEqual(document.plan.refusals[0])
  expect(document.error.reason).toBe('not-a-kernel')
  expect(stderr).toContain('refused: ENOEXEC: this is a directory')
})
