import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readBootMenu } from '../../../../src/entries/discover.ts'
import type { BootEntry } from '../../../../src/entries/model/entry.ts'
import type { System } from '../../../../src/system/system.ts'
import { planFallback, setFallback } from '../../../../src/trial/fallback/fallback.ts'
import { undoChange } from '../../../../src/trial/loader/change.ts'
import { setVariable, variableIn } from '../../../../src/trial/loader/environment-block.ts'
import type { LoaderChange } from '../../../../src/trial/model/loader-change.ts'
import { fixtureSystem } from '../../entries/fixtures.ts'
import { kernelOf } from '../../entries/tree.ts'
import { firmware, lay, numbers, setup } from '../firmware/efi-variables.ts'
import { machineWith, triedOf } from '../tried.ts'

const fixture = (name: string) => join(import.meta.dirname, '../../../fixtures/boot', name)
const GRUBENV = 'boot/grub/grubenv'

/** A trial of the entry that the boot loader boots by itself, with another entry as its fallback. */
async function trialOfDefault(system: System, choose: (entry: BootEntry) => boolean) {
  const menu = await readBootMenu({ system })
  const tried = triedOf(menu.entries.find(({ isDefault }) => isDefault) as BootEntry)
  const fallback = menu.entries.find((entry) => !entry.isDefault && choose(entry)) as BootEntry
  return { menu, tried, fallback, plan: planFallback(system, menu, fallback.id, tried) }
}

/** What is different in a block, variable by variable; everything else must be the same, byte for byte. */
function changeOf(before: Buffer, after: Buffer, name: string): [string | null, string | null] {
  expect(after.length).toBe(before.length)
  const others = (block: Buffer) =>
    block
      .toString('latin1')
      .split('\n')
      .filter((line) => !line.startsWith(`${name}=`) && !/^#*$/.test(line))
  expect(others(after)).toEqual(others(before))
  return [variableIn(before, name), variableIn(after, name)]
}

test('Debian with GRUB_DEFAULT=saved: saved_entry, through the submenu; the plan writes nothing, and undoing is exact', async () => {
  const system = machineWith('debian-saved-submenu')
  const file = join(system.root, GRUBENV)
  const before = readFileSync(file)
  const { tried, fallback, plan } = await trialOfDefault(system, ({ version, submenus }) => {
    return version === '6.1.0-50-amd64' && submenus.length > 0
  })
  const planned = await plan
  expect(readFileSync(file)).toEqual(before)
  expect(planned).toMatchObject({
    rollback: { entry: fallback.id, reason: 'saved_entry in /boot/grub/grubenv names it' },
    change: { path: '/boot/grub/grubenv', variable: 'saved_entry' },
  })
  const { ino } = statSync(file)
  expect(await setFallback(system, planned, tried)).toEqual(planned.rollback)
  // In place: GRUB does not see what only the journal has.
  expect(statSync(file).ino).toBe(ino)
  const [was, is] = changeOf(before, readFileSync(file), 'saved_entry')
  expect({ was, is }).toEqual({ was: planned.change?.before, is: planned.change?.value })
  expect((await readBootMenu({ system })).entries.find(({ isDefault }) => isDefault)?.id).toBe(fallback.id)
  const change = planned.change as LoaderChange
  expect(undoChange(system, change)).toBe(true)
  expect(readFileSync(file)).toEqual(before)
  expect(undoChange(system, change)).toBe(false)
})

test('stock Debian, whose default is a number: next_entry, for one boot', async () => {
  const system = machineWith('debian-three-kernels')
  const block = readFileSync(join(fixture('debian-custom'), 'root', GRUBENV))
  writeFileSync(join(system.root, GRUBENV), setVariable(block, 'next_entry', null))
  const { tried, fallback, plan } = await trialOfDefault(system, ({ version }) => version === '6.1.0-50-amd64')
  const planned = await plan
  expect(planned).toMatchObject({
    rollback: { entry: fallback.id, reason: 'next_entry in /boot/grub/grubenv names it' },
    change: { variable: 'next_entry', before: null },
  })
  await setFallback(system, planned, tried)
  expect(undoChange(system, planned.change as LoaderChange)).toBe(true)
  expect(variableIn(readFileSync(join(system.root, GRUBENV)), 'next_entry')).toBe(null)
})

test('Red Hat’s GRUB takes the id of a Boot Loader Specification entry', async () => {
  const system = machineWith('rhel-9')
  const { tried, fallback, plan } = await trialOfDefault(system, ({ kernel, problems }) => {
    return kernel !== null && problems.length === 0
  })
  const planned = await plan
  expect(planned.change?.variable).toBe('saved_entry')
  expect((await setFallback(system, planned, tried)).entry).toBe(fallback.id)
})

test('an entry that a reset boots anyway needs no change', async () => {
  const system = machineWith('debian-saved-submenu')
  const menu = await readBootMenu({ system })
  const tried = triedOf(menu.entries.find(({ version }) => version === '6.1.0-50-amd64') as BootEntry)
  const planned = await planFallback(system, menu, 'default', tried)
  expect(planned).toMatchObject({ change: null, rollback: { title: 'Debian GNU/Linux, with Linux 6.1.0-49-amd64' } })
  expect(await setFallback(system, planned, tried)).toEqual(planned.rollback)
})

test('what cannot be made the fallback is refused, and nothing is written', async () => {
  const noBlock = machineWith('debian-three-kernels')
  const other = ({ version }: BootEntry) => version === '6.1.0-50-amd64'
  await expect((await trialOfDefault(noBlock, other)).plan).rejects.toMatchObject({
    reason: 'no-rollback',
    refused: true,
    summary: expect.stringContaining('no environment block'),
  })
  const fixed = machineWith('debian-three-kernels')
  copyFileSync(join(fixture('debian-custom'), 'root', GRUBENV), join(fixed.root, GRUBENV))
  const config = join(fixed.root, 'boot/grub/grub.cfg')
  writeFileSync(config, readFileSync(config, 'utf8').replace(/^ *load_env.*$/m, 'true'))
  const before = readFileSync(join(fixed.root, GRUBENV))
  await expect((await trialOfDefault(fixed, other)).plan).rejects.toMatchObject({
    summary: expect.stringContaining('does not choose its default by saved_entry or next_entry'),
  })
  expect(readFileSync(join(fixed.root, GRUBENV))).toEqual(before)
  // The kernel on trial is no fallback for itself.
  const saved = machineWith('debian-saved-submenu')
  const menu = await readBootMenu({ system: saved })
  const tried = triedOf(menu.entries.find(({ isDefault }) => isDefault) as BootEntry)
  await expect(planFallback(saved, menu, 'default', tried)).rejects.toMatchObject({ reason: 'no-rollback' })
  await expect(planFallback(saved, menu, 'no such entry', tried)).rejects.toMatchObject({ reason: 'no-such-entry' })
  const pi = fixtureSystem('raspberry-pi-os')
  const kernels = await readBootMenu({ system: pi })
  await expect(planFallback(pi, kernels, kernels.entries[0]?.id as string, tried)).rejects.toMatchObject({
    summary: expect.stringMatching(
      /of GRUB, extlinux and systemd-boot only, and this machine boots with .*raspberry-pi/,
    ),
  })
})

test('no fallback is sure where the firmware starts something else first', async () => {
  const system = machineWith('debian-saved-submenu')
  lay(system, firmware({ Boot0000: setup, BootNext: numbers(0) }))
  await expect(
    (await trialOfDefault(system, ({ version }) => version === '6.1.0-50-amd64')).plan,
  ).rejects.toMatchObject({
    reason: 'no-rollback',
    refused: true,
    summary: expect.stringContaining('the EFI variable BootNext names it'),
    hint: 'Remove it: efibootmgr --delete-bootnext',
  })
})

test('the entry of a boot loader that does not start this machine is no fallback, and the reason is said', async () => {
  const system = machineWith('debian-saved-submenu')
  const file = { file: Buffer.from('default own\nlabel own\nlinux /boot/own\nappend root=/dev/sda1 single\n') }
  lay(system, { '/boot/extlinux/extlinux.conf': file, '/boot/own': { file: kernelOf('5.10.0-9-amd64') } })
  await expect((await trialOfDefault(system, ({ id }) => id === 'own')).plan).rejects.toMatchObject({
    reason: 'no-rollback',
    summary: expect.stringContaining(
      'it is an entry of /boot/extlinux/extlinux.conf (extlinux), and this machine boots with /boot/grub/grub.cfg (grub)',
    ),
  })
})

test('a change that does not lead there after all is taken back', async () => {
  const system = machineWith('debian-saved-submenu')
  const { tried, plan } = await trialOfDefault(system, ({ version }) => version === '6.1.0-50-amd64')
  const planned = await plan
  const before = readFileSync(join(system.root, GRUBENV))
  // Between the plan and the change, the configuration is written anew.
  const config = join(system.root, 'boot/grub/grub.cfg')
  writeFileSync(config, readFileSync(config, 'utf8').replace(/set default="\$\{saved_entry\}"/, 'set default="1>2"'))
  await expect(setFallback(system, planned, tried)).rejects.toMatchObject({ reason: 'no-rollback' })
  expect(readFileSync(join(system.root, GRUBENV))).toEqual(before)
  rmSync(join(system.root, GRUBENV))
  await expect(setFallback(system, planned, tried)).rejects.toThrow()
})

test('another program’s later choice is not taken back', async () => {
  const system = machineWith('debian-saved-submenu')
  const { tried, plan } = await trialOfDefault(system, ({ version }) => version === '6.1.0-50-amd64')
  const planned = await plan
  await setFallback(system, planned, tried)
  const file = join(system.root, GRUBENV)
  writeFileSync(file, setVariable(readFileSync(file), 'saved_entry', '0'))
  expect(undoChange(system, planned.change as LoaderChange)).toBe(false)
  expect(variableIn(readFileSync(file), 'saved_entry')).toBe('0')
})

test('a block keeps its length and its other bytes, whatever is set; one that is none stays untouched', () => {
  const text = '# GRUB Environment Block\n# WARNING: do not edit\na=1\nb=two\\\nlines\\\\\nnext_entry=\nc=\xff\n'
  const block = Buffer.from(text.padEnd(1024, '#'), 'latin1')
  const set = (name: string, value: string | null, into = block) => {
    const result = setVariable(into, name, value)
    if (typeof result === 'string') throw new Error(result)
    return result
  }
  expect(variableIn(block, 'b')).toBe('two\nlines\\')
  for (const value of ['', 'x', 'a>b', 'with \\ and\nbreak', 'ä', '#'.repeat(40)]) {
    for (const name of ['a', 'b', 'c', 'next_entry', 'new']) {
      const changed = set(name, value)
      expect(changed.length).toBe(1024)
      expect(variableIn(changed, name)).toBe(value)
      for (const other of ['a', 'b', 'c', 'next_entry'])
        if (other !== name) expect(variableIn(changed, other)).toBe(variableIn(block, other))
      const before = variableIn(block, name)
      if (name !== 'c') expect(set(name, before, changed)).toEqual(block)
    }
  }
  expect(set('none', null)).toEqual(block)
  expect(setVariable(block, 'a', 'x'.repeat(1000))).toBe('it is full')
  const room = 1024 - text.length - 'n=\n'.length
  expect(set('n', 'x'.repeat(room)).at(-1)).toBe(0x0a)
  expect(setVariable(block, 'n', 'x'.repeat(room + 1))).toBe('it is full')
  expect(setVariable(Buffer.alloc(1024), 'a', '1')).toBe('it is not an environment block')
  const broken = Buffer.from('# GRUB Environment Block\na=1\nb=2'.padEnd(1024, '#'))
  expect(setVariable(broken, 'a', '1')).toBe('it does not end with a line break and padding')
})
