import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../src/bytes/bytes.ts'
import { readBootMenu } from '../../../src/entries/discover.ts'
import type { BootEntry } from '../../../src/entries/model/entry.ts'
import type { System } from '../../../src/system/system.ts'
import { judgeRollback, type Tried } from '../../../src/trial/rollback.ts'
import { fixtureSystem } from '../entries/fixtures.ts'
import { firmware, lay, numbers, setup } from './firmware/efi-variables.ts'
import { machineWith, triedOf } from './tried.ts'

async function judge(system: System, choose: (entries: readonly BootEntry[]) => Tried) {
  const menu = await readBootMenu({ system })
  return judgeRollback(system, menu, choose(menu.entries))
}

const ofVersion = (version: string) => (entries: readonly BootEntry[]) =>
  triedOf(entries.find((entry) => entry.version === version) as BootEntry)
const ofDefault = (entries: readonly BootEntry[]) => triedOf(entries.find(({ isDefault }) => isDefault) as BootEntry)

function variable(system: System, name: string, text: string): void {
  const path = join(system.root, `sys/firmware/efi/efivars/${name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f`)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, Buffer.concat([Buffer.from([7, 0, 0, 0]), Buffer.from(`${text}\0`, 'utf16le')]))
}

test('Debian’s freshly installed kernel is the default: a reset would start it again; with another kernel it would not', async () => {
  const system = machineWith('debian-three-kernels')
  expect(await judge(system, ofVersion('6.12.107+deb12-amd64'))).toEqual({
    verdict: 'same-kernel',
    rollback: {
      entry: expect.any(String),
      title: 'Debian GNU/Linux',
      kernel: '/boot/vmlinuz-6.12.107+deb12-amd64',
      reason: expect.stringContaining('/boot/grub/grub.cfg names it'),
    },
    text: expect.stringContaining('is the very kernel that is to be tried'),
    remedy: expect.stringContaining('the default of the boot loader'),
  })
  expect(await judge(system, ofVersion('6.1.0-50-amd64'))).toMatchObject({
    verdict: 'sure',
    rollback: { kernel: '/boot/vmlinuz-6.12.107+deb12-amd64' },
  })
})

test('the same kernel with another command line or initrd is a way back; a copy of its file is the same kernel', async () => {
  const system = machineWith('debian-three-kernels')
  const changed = (changes: Partial<Tried>) => (entries: readonly BootEntry[]) => ({
    ...ofDefault(entries),
    ...changes,
  })
  expect(await judge(system, changed({ commandLine: 'root=/dev/sda1 ro mitigations=off' }))).toMatchObject({
    verdict: 'sure',
  })
  expect(await judge(system, changed({ initrds: ['/boot/initrd.img-6.1.0-50-amd64'] }))).toMatchObject({
    // In these trees all initrds have the same content.
    verdict: 'same-kernel',
  })
  writeFileSync(join(system.root, 'boot/other.img'), 'another initrd')
  expect(await judge(system, changed({ initrds: ['/boot/other.img'] }))).toMatchObject({ verdict: 'sure' })
  expect(await judge(system, changed({ initrds: [] }))).toMatchObject({ verdict: 'sure' })
  expect(await judge(system, changed({ initrds: null }))).toMatchObject({ verdict: 'same-kernel' })
  mkdirSync(join(system.root, 'slot'))
  const [original, copy] = ['boot/vmlinuz-6.12.107+deb12-amd64', 'slot/vmlinuz'].map((path) => join(system.root, path))
  copyFileSync(original as string, copy as string)
  expect(await judge(system, changed({ kernel: '/slot/vmlinuz' }))).toMatchObject({ verdict: 'same-kernel' })
  const bytes = readFileSync(copy as string)
  bytes[bytes.length - 1] = 1
  writeFileSync(copy as string, bytes)
  expect(await judge(system, changed({ kernel: '/slot/vmlinuz' }))).toMatchObject({ verdict: 'sure' })
})

test('the default of a menu that keeps its last selection is not known', async () => {
  const system = machineWith('alpine-extlinux')
  const file = join(system.root, 'boot/extlinux.conf')
  const other = (entries: readonly BootEntry[]) => ({ ...ofDefault(entries), commandLine: 'root=/dev/other' })
  expect(await judge(system, other)).toMatchObject({ verdict: 'sure' })
  writeFileSync(
    file,
    readFileSync(file, 'latin1').replace('DEFAULT menu.c32\n', 'DEFAULT menu.c32\nMENU SAVE\n'),
    'latin1',
  )
  expect(await judge(system, other)).toMatchObject({ verdict: 'unknown', text: expect.stringContaining('MENU SAVE') })
})

test('a kernel in memory is compared by its release, then by its bytes and those of its initrd', async () => {
  const system = machineWith('debian-three-kernels')
  const release = '6.12.107+deb12-amd64'
  const bytesOf = (path: string) => readFileSync(join(system.root, path))
  const [kernel, initrd] = [bytesOf(`boot/vmlinuz-${release}`), bytesOf(`boot/initrd.img-${release}`)]
  const inMemory = (changes: Partial<Tried>) => (entries: readonly BootEntry[]) => ({
    ...ofDefault(entries),
    ...{ kernel: null, initrds: null, inMemory: { kernel: memoryBytes(kernel), initrds: [memoryBytes(initrd)] } },
    ...changes,
  })
  const withInitrds = (...initrds: Buffer[]) => ({
    inMemory: { kernel: memoryBytes(kernel), initrds: initrds.map((bytes) => memoryBytes(bytes)) },
  })
  expect(await judge(system, inMemory({ release: '6.13.0' }))).toMatchObject({ verdict: 'sure' })
  for (const its of [release, null])
    expect(await judge(system, inMemory({ release: its }))).toMatchObject({ verdict: 'same-kernel' })

  const flipped = Buffer.from(kernel)
  flipped[flipped.length - 1] = 1
  const rebuilt = { kernel: memoryBytes(flipped), initrds: null }
  expect(await judge(system, inMemory({ inMemory: rebuilt }))).toMatchObject({ verdict: 'sure' })
  for (const initrds of [[], [initrd, initrd], [Buffer.from('another initrd')]])
    expect(await judge(system, inMemory(withInitrds(...initrds)))).toMatchObject({ verdict: 'sure' })
  const unknownInitrd = { kernel: memoryBytes(kernel), initrds: null }
  expect(await judge(system, inMemory({ inMemory: unknownInitrd }))).toMatchObject({ verdict: 'same-kernel' })
  expect(await judge(system, inMemory({ inMemory: null }))).toMatchObject({
    verdict: 'unknown',
    text: expect.stringContaining('may be the very kernel'),
  })
})

test('the saved entry of GRUB’s environment block is the way back, by its own evidence', async () => {
  const system = machineWith('debian-saved-submenu')
  expect(await judge(system, ofVersion('6.1.0-50-amd64'))).toMatchObject({
    verdict: 'sure',
    rollback: {
      title: 'Debian GNU/Linux, with Linux 6.1.0-49-amd64',
      reason: 'saved_entry in /boot/grub/grubenv names it',
    },
  })
  expect(await judge(system, ofDefault)).toMatchObject({ verdict: 'same-kernel' })
})

test('an entry that may not boot is no way back, nor is a menu without a default, nor no menu', async () => {
  const system = machineWith('debian-three-kernels')
  const other = ofVersion('6.1.0-50-amd64')
  truncateSync(join(system.root, 'boot/vmlinuz-6.12.107+deb12-amd64'), 10_000)
  expect(await judge(system, other)).toMatchObject({
    verdict: 'unknown',
    text: expect.stringContaining('may not boot'),
  })
  rmSync(join(system.root, 'boot/initrd.img-6.12.107+deb12-amd64'))
  lengthenAgain(system)
  expect(await judge(system, other)).toMatchObject({
    verdict: 'unknown',
    text: expect.stringContaining('may not boot'),
  })
  rmSync(join(system.root, 'boot/grub'), { recursive: true })
  expect(await judge(system, other)).toMatchObject({
    verdict: 'unknown',
    text: expect.stringContaining('no boot loader'),
  })
})

function lengthenAgain(system: System): void {
  copyFileSync(join(system.root, 'boot/vmlinuz-6.1.0-50-amd64'), join(system.root, 'boot/vmlinuz-6.12.107+deb12-amd64'))
}

test('a default that depends on something unknown is unknown, and so is an entry that starts no kernel', async () => {
  const system = machineWith('debian-three-kernels')
  const config = join(system.root, 'boot/grub/grub.cfg')
  const text = readFileSync(config, 'utf8')
  writeFileSync(
    config,
    text.replace(
      '### END /etc/grub.d/00_header ###',
      'probe --set=label -l (hd7,gpt1)\nif [ $label = b ]; then set default=1; fi\n',
    ),
  )
  expect(await judge(system, ofVersion('6.1.0-50-amd64'))).toMatchObject({
    verdict: 'unknown',
    text: expect.stringMatching(/^which entry \/boot\/grub\/grub.cfg boots after a reset is unknown: /),
  })
  writeFileSync(config, `menuentry 'Windows' { chainloader +1 }\n${text}`)
  expect(await judge(system, ofVersion('6.1.0-50-amd64'))).toMatchObject({
    verdict: 'unknown',
    text: expect.stringContaining('starts no Linux kernel'),
  })
})

test('a menu that waits for a key is no way back', async () => {
  const system = machineWith('debian-three-kernels')
  const config = join(system.root, 'boot/grub/grub.cfg')
  writeFileSync(config, readFileSync(config, 'utf8').replaceAll(/set timeout=\d+/g, 'set timeout=-1'))
  expect(await judge(system, ofVersion('6.1.0-50-amd64'))).toMatchObject({
    verdict: 'unknown',
    text: expect.stringMatching(/^after a reset nothing boots until somebody touches a key: timeout is '-1'/),
    remedy: 'Set a timeout in it.',
  })
})

test('a choice of systemd-boot for one boot is overwritten by the kexec; the kernel’s own trace of one is not a choice', async () => {
  const system = fixtureSystem('unified-images')
  const tried = () => ({ kernel: '/x', release: null, initrds: null, inMemory: null, commandLine: '' })
  variable(system, 'LoaderEntryOneShot', 'kexec reboot')
  expect(await judge(system, tried)).toMatchObject({ verdict: 'sure' })
  variable(system, 'LoaderEntryOneShot', 'debian-6.1.0-50.efi')
  expect(await judge(system, tried)).toMatchObject({
    verdict: 'unknown',
    text: expect.stringContaining('LoaderEntryOneShot'),
    remedy: "Remove it: bootctl set-oneshot ''",
  })
})

test('a default of systemd-boot is not known where the EFI variables cannot be seen', async () => {
  const system = fixtureSystem('unified-images')
  const tried = () => ({ kernel: '/x', release: null, initrds: null, inMemory: null, commandLine: '' })
  expect(await judge(system, tried)).toMatchObject({ verdict: 'sure' })
  mkdirSync(join(system.root, 'sys/firmware/efi/efivars'), { recursive: true })
  expect(await judge(system, tried)).toMatchObject({
    verdict: 'unknown',
    text: expect.stringContaining('efivarfs is not mounted'),
  })
})

test('a reset that the firmware leads elsewhere takes nothing back', async () => {
  const system = machineWith('debian-three-kernels')
  const tried = ofVersion('6.1.0-50-amd64')
  lay(system, firmware({ Boot0000: setup, BootOrder: numbers(0) }))
  expect(await judge(system, tried)).toMatchObject({ verdict: 'sure' })
  lay(system, firmware({ BootNext: numbers(0) }))
  expect(await judge(system, tried)).toMatchObject({
    verdict: 'unknown',
    text: "after a reset the firmware starts 'UiApp' (Boot0000): the EFI variable BootNext names it",
    remedy: 'Remove it: efibootmgr --delete-bootnext',
  })
})

test('boot loaders that disagree count only when each of them would take the trial back', async () => {
  const system = machineWith('debian-three-kernels')
  const entries = join(system.root, 'boot/extlinux')
  mkdirSync(entries)
  const label = (version: string) =>
    `default l0\nlabel l0\n  linux /boot/vmlinuz-${version}\n  initrd /boot/initrd.img-${version}\n  append root=/dev/sda1 ro\n`
  writeFileSync(join(entries, 'extlinux.conf'), label('6.1.0-50-amd64'))
  const tried = (version: string) => () => ({
    kernel: `/boot/vmlinuz-${version}`,
    release: version,
    initrds: [`/boot/initrd.img-${version}`],
    inMemory: null,
    commandLine: 'root=/dev/sda1 ro',
  })
  expect(await judge(system, tried('6.1.0-49-amd64'))).toMatchObject({ verdict: 'sure' })
  expect(await judge(system, tried('6.1.0-50-amd64'))).toMatchObject({
    verdict: 'unknown',
    text: expect.stringContaining('the boot loaders disagree'),
  })
})
