import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readBootMenu } from '../../../../src/entries/discover.ts'
import type { BootEntry } from '../../../../src/entries/model/entry.ts'
import { Lock } from '../../../../src/state/lock.ts'
import type { System } from '../../../../src/system/system.ts'
import { confirmTrial } from '../../../../src/trial/confirm.ts'
import { checkDefault, makeDefault } from '../../../../src/trial/default/make-default.ts'
import { setVariable, variableIn } from '../../../../src/trial/loader/environment-block.ts'
import type { LoaderChange } from '../../../../src/trial/model/loader-change.ts'
import type { TriedEntry } from '../../../../src/trial/model/trial.ts'
import { TrialRecords } from '../../../../src/trial/record/records.ts'
import { trialStatus } from '../../../../src/trial/status.ts'
import { fixtureFile, layFixture } from '../../entries/fixtures.ts'
import { before, change, during, machine, startedRecord, storedRecord } from '../machine.ts'
import { wholeKernels } from '../tried.ts'

const GRUBENV = '/boot/grub/grubenv'
const CONFIG = '/boot/grub/grub.cfg'

/** A tree of a real boot loader, whose running kernel is on trial by one of its entries. */
async function onTrial(fixture: string, choose: (entry: BootEntry) => boolean, more: Partial<TriedEntry> = {}) {
  const system = machine(before)
  layFixture(fixture, system.root)
  wholeKernels(system, 'boot')
  change(system, before)
  const { entries } = await readBootMenu({ system })
  const entry = entries.find(choose) as BootEntry
  const { id, title, kernel, initrds, commandLine } = entry
  const tried = { id, title, kernel: kernel as string, initrds, commandLine, changed: null, ...more }
  return { system, entry, tried, entries }
}

/** Records the trial, with what the load set for its fallback; the kernel on trial runs then. */
function begin(system: System, entry: TriedEntry | null, fallback: LoaderChange | null = null): void {
  const { target } = startedRecord()
  new TrialRecords(system).begin(startedRecord({ fallback, target: { ...target, entry } }))
  change(system, during)
}

const release = () => {}
const textOf = (system: System, path: string) => readFileSync(join(system.root, path), 'latin1')
const defaultOf = async (system: System) =>
  (await readBootMenu({ system })).entries.find(({ isDefault }) => isDefault)?.id

/** Confirms and makes the default, as the library does. */
async function confirmAndMake(system: System) {
  await checkDefault(system)
  confirmTrial(system, { release })
  return await makeDefault(system)
}

const tried50 = ({ version, submenus }: BootEntry) => version === '6.1.0-50-amd64' && submenus.length > 0

test('GRUB that goes by saved_entry: one variable changes, and taking the same trial again changes nothing', async () => {
  const { system, entry, tried } = await onTrial('debian-saved-submenu', tried50)
  begin(system, tried)
  const block = readFileSync(join(system.root, GRUBENV))
  const made = await confirmAndMake(system)
  expect(made).toMatchObject({
    entry: entry.id,
    title: entry.title,
    change: { variable: 'saved_entry', path: GRUBENV },
  })
  expect(await defaultOf(system)).toBe(entry.id)
  const now = readFileSync(join(system.root, GRUBENV))
  expect(setVariable(now, 'saved_entry', variableIn(block, 'saved_entry'))).toEqual(block)
  expect(await confirmAndMake(system)).toEqual({ ...made, change: null })
  expect(readFileSync(join(system.root, GRUBENV))).toEqual(now)
})

test('a fallback in saved_entry is replaced; one in next_entry goes, and what remains is the default', async () => {
  const saved = await onTrial('debian-saved-submenu', tried50)
  const other = saved.entries.find(({ version }) => version === '6.1.0-49-amd64') as BootEntry
  const fallback = [...other.submenus, other.id].join('>')
  const path = join(saved.system.root, GRUBENV)
  writeFileSync(path, setVariable(readFileSync(path), 'saved_entry', fallback))
  begin(saved.system, saved.tried, { path: GRUBENV, variable: 'saved_entry', value: fallback, before: null })
  expect(await defaultOf(saved.system)).toBe(other.id)
  await confirmAndMake(saved.system)
  expect(await defaultOf(saved.system)).toBe(saved.entry.id)

  // Stock Debian: its default is the first entry, the newest kernel.
  const stock = await onTrial('debian-three-kernels', ({ isDefault }) => isDefault)
  const stockPath = join(stock.system.root, GRUBENV)
  const empty = setVariable(readFileSync(fixtureFile('debian-custom', `root${GRUBENV}`)), 'next_entry', null) as Buffer
  writeFileSync(stockPath, setVariable(empty, 'next_entry', '1>2'))
  begin(stock.system, stock.tried, { path: GRUBENV, variable: 'next_entry', value: '1>2', before: null })
  expect(await defaultOf(stock.system)).not.toBe(stock.entry.id)
  expect(await confirmAndMake(stock.system)).toMatchObject({ entry: stock.entry.id, change: null })
  expect(readFileSync(stockPath)).toEqual(empty)
  expect(await defaultOf(stock.system)).toBe(stock.entry.id)
})

test('what a user chose for one boot stays, and does not count', async () => {
  const { system, entry, tried } = await onTrial('debian-saved-submenu', tried50)
  const path = join(system.root, GRUBENV)
  writeFileSync(path, setVariable(readFileSync(path), 'next_entry', '0'))
  begin(system, tried)
  expect(await confirmAndMake(system)).toMatchObject({ change: { variable: 'saved_entry' } })
  const block = readFileSync(path)
  expect(variableIn(block, 'next_entry')).toBe('0')
  writeFileSync(path, setVariable(block, 'next_entry', null))
  expect(await defaultOf(system)).toBe(entry.id)
})

test('GRUB with a fixed default is refused before the confirmation, with what to do; grub.cfg stays', async () => {
  const { system, tried } = await onTrial('debian-three-kernels', tried50)
  begin(system, tried)
  const config = textOf(system, CONFIG)
  writeFileSync(join(system.root, GRUBENV), readFileSync(fixtureFile('debian-custom', `root${GRUBENV}`)))
  const block = textOf(system, GRUBENV)
  await expect(checkDefault(system)).rejects.toMatchObject({
    reason: 'default-unchanged',
    refused: true,
    summary: expect.stringContaining('does not choose its default by saved_entry'),
    hint: expect.stringMatching(/^Set GRUB_DEFAULT=saved in \/etc\/default\/grub, then: update-grub && /),
  })
  expect(trialStatus(system).outcome).toBe('running')
  expect({ config: textOf(system, CONFIG), block: textOf(system, GRUBENV) }).toEqual({ config, block })
})

test.each([
  [
    'u-boot-menu',
    'debian-u-boot-menu',
    '/boot/extlinux/extlinux.conf',
    'l1',
    (text: string) => text.replace('default l0', 'default l1'),
  ],
  [
    'extlinux with a menu',
    'alpine-extlinux',
    '/boot/extlinux.conf',
    'virt',
    (text: string) => `ONTIMEOUT virt\n${text}`,
  ],
  [
    'systemd-boot',
    'esp-and-xbootldr',
    '/efi/loader/loader.conf',
    '6f2b1c0de4a94c4f8d6f5e3a2b1c0d9e-6.1.0-49-amd64.conf',
    (text: string) => text.replace('@saved', '6f2b1c0de4a94c4f8d6f5e3a2b1c0d9e-6.1.0-49-amd64.conf'),
  ],
])('%s: one line changes', async (_, fixture, path, wanted, expected) => {
  const { system, tried } = await onTrial(fixture, ({ id }) => id === wanted)
  begin(system, tried)
  const text = textOf(system, path)
  expect(await confirmAndMake(system)).toMatchObject({ entry: wanted, change: { path } })
  expect(textOf(system, path)).toBe(expected(text))
  expect(await defaultOf(system)).toBe(wanted)
})

test.each<[string, Partial<TriedEntry> | null, string]>([
  ['a file', null, 'no boot entry was tried: /boot/vmlinuz-'],
  ['another command line', { changed: 'command line' }, 'was tried with another command line than the entry has'],
  ['another initrd', { changed: 'initrd' }, 'was tried with another initrd than the entry has'],
  ['an entry that starts something else now', { commandLine: 'quiet' }, 'starts something else than trial'],
  ['an entry that is gone', { id: 'gone', kernel: '/boot/gone' }, 'is gone'],
])('%s is refused before the confirmation', async (_, more, message) => {
  const { system, tried } = await onTrial('debian-saved-submenu', tried50, more ?? {})
  begin(system, more === null ? null : tried)
  const block = textOf(system, GRUBENV)
  const failure = { reason: 'default-unchanged', refused: true, summary: expect.stringContaining(message) }
  await expect(checkDefault(system)).rejects.toMatchObject(failure)
  expect(storedRecord(system).state).toBe('started')
  // After the confirmation it is a failure, and the trial stays confirmed.
  confirmTrial(system, { release })
  await expect(makeDefault(system)).rejects.toMatchObject({
    reason: 'default-unchanged',
    refused: false,
    summary: expect.stringMatching(/^the trial is confirmed, and /),
  })
  expect(trialStatus(system).outcome).toBe('confirmed')
  expect(textOf(system, GRUBENV)).toBe(block)
})

test('an entry whose label has changed since is found by what it starts', async () => {
  const { system, tried } = await onTrial('debian-u-boot-menu', ({ id }) => id === 'l1')
  begin(system, { ...tried, id: 'l0' })
  expect(await confirmAndMake(system)).toMatchObject({ entry: 'l1' })
})

test('a power cut between the confirmation and the default: the old default boots, and the running kernel can repeat it', async () => {
  const { system, entry, tried } = await onTrial('debian-saved-submenu', tried50)
  begin(system, tried)
  const old = await defaultOf(system)
  const block = textOf(system, GRUBENV)
  confirmTrial(system, { release })
  expect(await defaultOf(system)).toBe(old)
  expect(textOf(system, GRUBENV)).toBe(block)
  expect(trialStatus(system)).toMatchObject({ outcome: 'confirmed', isRunning: true })
  // The process was killed: again, in the same kernel.
  expect(await confirmAndMake(system)).toMatchObject({ entry: entry.id })
  expect(await defaultOf(system)).toBe(entry.id)
})

test('a power cut before a fallback for one boot was removed: it goes when the command is repeated', async () => {
  const { system, entry, tried } = await onTrial('debian-saved-submenu', tried50)
  const path = join(system.root, GRUBENV)
  const fallback = { path: GRUBENV, variable: 'next_entry', value: '0', before: null } as const
  begin(system, tried, fallback)
  confirmTrial(system, { release })
  writeFileSync(path, setVariable(readFileSync(path), 'next_entry', '0'))
  await confirmAndMake(system)
  expect(variableIn(readFileSync(path), 'next_entry')).toBe(null)
  expect(await defaultOf(system)).toBe(entry.id)
})

test('a trial that is not confirmed changes no default', async () => {
  const { system, tried } = await onTrial('debian-saved-submenu', tried50)
  begin(system, tried)
  const block = textOf(system, GRUBENV)
  await expect(makeDefault(system)).rejects.toMatchObject({ reason: 'not-the-trial' })
  const failure = new Error('the watchdog cannot be stopped')
  await checkDefault(system)
  const throwing = () => {
    throw failure
  }
  expect(() => confirmTrial(system, { release: throwing })).toThrow(failure)
  change(system, { '/proc/uptime': { text: '500.00 1.00\n' } })
  await expect(makeDefault(system)).rejects.toMatchObject({ refused: true, reason: 'trial-state' })
  expect(textOf(system, GRUBENV)).toBe(block)
})

test('a confirmed trial whose kernel no longer runs changes no default, and another release with its id neither', async () => {
  const { system, tried } = await onTrial('debian-saved-submenu', tried50)
  begin(system, tried)
  confirmTrial(system, { release })
  const block = textOf(system, GRUBENV)
  change(system, { '/proc/sys/kernel/osrelease': { text: '6.1.0\n' } })
  await expect(makeDefault(system)).rejects.toMatchObject({ reason: 'not-the-trial' })
  change(system, { ...during, '/proc/cmdline': { text: 'quiet\n' } })
  await expect(makeDefault(system)).rejects.toMatchObject({ reason: 'no-trial' })
  expect(textOf(system, GRUBENV)).toBe(block)
})

const withFixedDefault = (config: string) => config.replace(/set default="\$\{saved_entry\}"/, 'set default="1>2"')

test('what changes while it waits for another load counts', async () => {
  const { system, tried } = await onTrial('debian-saved-submenu', tried50)
  begin(system, tried)
  confirmTrial(system, { release })
  const block = textOf(system, GRUBENV)
  const lock = await Lock.take(system, 'load')
  const making = makeDefault(system)
  writeFileSync(join(system.root, CONFIG), withFixedDefault(textOf(system, CONFIG)))
  lock.release()
  await expect(making).rejects.toMatchObject({ reason: 'default-unchanged', refused: false })
  expect(textOf(system, GRUBENV)).toBe(block)
})

test('a change that does not lead there after all is taken back', async () => {
  const { system, tried } = await onTrial('debian-saved-submenu', tried50)
  begin(system, tried)
  confirmTrial(system, { release })
  const block = textOf(system, GRUBENV)
  const pathForWriting = system.pathForWriting.bind(system)
  // Right before it is written, the configuration is written anew.
  system.pathForWriting = (path) => {
    if (path === GRUBENV) writeFileSync(join(system.root, CONFIG), withFixedDefault(textOf(system, CONFIG)))
    return pathForWriting(path)
  }
  await expect(makeDefault(system)).rejects.toMatchObject({
    reason: 'default-unchanged',
    refused: false,
    summary: expect.stringMatching(/^the trial is confirmed, and .* after the change: it boots '/),
  })
  expect(textOf(system, GRUBENV)).toBe(block)
})

test('a block that is full is a failure after the confirmation, and nothing changes', async () => {
  const { system, tried } = await onTrial('debian-saved-submenu', tried50)
  const text = '# GRUB Environment Block\nsaved_entry=x\n'
  writeFileSync(join(system.root, GRUBENV), text)
  begin(system, tried)
  await expect(checkDefault(system)).rejects.toMatchObject({ summary: expect.stringContaining('it is full') })
  confirmTrial(system, { release })
  await expect(makeDefault(system)).rejects.toMatchObject({ reason: 'default-unchanged', refused: false })
  expect(textOf(system, GRUBENV)).toBe(text)
})
