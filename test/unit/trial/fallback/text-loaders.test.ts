import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { readBootMenu } from '../../../../src/entries/discover.ts'
import type { BootEntry } from '../../../../src/entries/model/entry.ts'
import type { System } from '../../../../src/system/system.ts'
import { planFallback, setFallback } from '../../../../src/trial/fallback/fallback.ts'
import { undoChange } from '../../../../src/trial/loader/change.ts'
import type { LoaderChange } from '../../../../src/trial/model/loader-change.ts'
import { layFixture } from '../../entries/fixtures.ts'
import { machine } from '../machine.ts'
import { triedOf, wholeKernels } from '../tried.ts'

/** The entry that the boot loader boots by itself is on trial; another is its fallback. */
async function plannedFor(system: System, id: string) {
  const menu = await readBootMenu({ system })
  const tried = triedOf(menu.entries.find(({ isDefault }) => isDefault) as BootEntry)
  return { tried, planned: await planFallback(system, menu, id, tried) }
}

/** Sets a fallback, and takes it back. @returns the file's text while it is set */
async function setAndUndone(system: System, file: string, id: string): Promise<{ text: string; change: LoaderChange }> {
  const path = join(system.root, file)
  const before = readFileSync(path)
  const { mode } = statSync(path)
  const { tried, planned } = await plannedFor(system, id)
  expect(readFileSync(path)).toEqual(before)
  const change = planned.change as LoaderChange
  expect(await setFallback(system, planned, tried)).toEqual(planned.rollback)
  expect(planned.rollback.entry).toBe(id)
  expect((await readBootMenu({ system })).entries.find(({ isDefault }) => isDefault)?.id).toBe(id)
  const text = readFileSync(path, 'latin1')
  expect(undoChange(system, change)).toBe(true)
  expect(readFileSync(path)).toEqual(before)
  expect(statSync(path).mode).toBe(mode)
  expect(undoChange(system, change)).toBe(false)
  return { text, change }
}

function whole(fixture: string, directory: string): System {
  const system = machine({})
  layFixture(fixture, system.root)
  wholeKernels(system, directory)
  return system
}

test('Debian’s u-boot-menu: its line default, and nothing else', async () => {
  const file = 'boot/extlinux/extlinux.conf'
  const system = whole('debian-u-boot-menu', 'boot')
  const before = readFileSync(join(system.root, file), 'latin1')
  const { text, change } = await setAndUndone(system, file, 'l1')
  expect(text).toBe(before.replace('\ndefault l0\n', '\ndefault l1\n'))
  expect(change).toEqual({ path: `/${file}`, variable: 'DEFAULT', value: 'l1', before: 'l0' })
})

test('Alpine’s extlinux, whose DEFAULT opens a menu: the menu stays, and ONTIMEOUT names the entry', async () => {
  const file = 'boot/extlinux.conf'
  const system = whole('alpine-extlinux', 'boot')
  const before = readFileSync(join(system.root, file), 'latin1')
  const { text, change } = await setAndUndone(system, file, 'virt')
  expect(text).toBe(`ONTIMEOUT virt\n${before}`)
  expect(change).toMatchObject({ variable: 'ONTIMEOUT', before: null })
  const named = before.replace('TIMEOUT 10\n', 'TIMEOUT 10\r\n  ontimeout\tlts \t\r\n')
  writeFileSync(join(system.root, file), named, 'latin1')
  expect((await setAndUndone(system, file, 'virt')).text).toBe(named.replace('ontimeout\tlts ', 'ontimeout\tvirt '))
})

test('a menu that keeps its last selection: DEFAULT would not count, ONTIMEOUT does', async () => {
  const file = 'boot/extlinux.conf'
  const system = whole('alpine-extlinux', 'boot')
  const text = readFileSync(join(system.root, file), 'latin1')
  const saving = text.replace('DEFAULT menu.c32\n', 'UI menu.c32\nDEFAULT lts\n Menu save\n')
  writeFileSync(join(system.root, file), saving, 'latin1')
  expect((await setAndUndone(system, file, 'virt')).text).toBe(`ONTIMEOUT virt\n${saving}`)
})

test('a menu that waits for a key has no fallback', async () => {
  const system = whole('alpine-extlinux', 'boot')
  const file = join(system.root, 'boot/extlinux.conf')
  writeFileSync(file, readFileSync(file, 'latin1').replace('TIMEOUT 10\n', ''), 'latin1')
  const before = readFileSync(file)
  await expect(plannedFor(system, 'virt')).rejects.toMatchObject({
    reason: 'no-rollback',
    refused: true,
    summary: expect.stringContaining('ONTIMEOUT in /boot/extlinux.conf'),
  })
  expect(readFileSync(file)).toEqual(before)
})

const ids = [
  '6f2b1c0de4a94c4f8d6f5e3a2b1c0d9e-6.1.0-50-amd64.conf',
  '6f2b1c0de4a94c4f8d6f5e3a2b1c0d9e-6.1.0-49-amd64.conf',
]

test.each([
  ['@saved', 'default @saved\n', (id: string) => `default ${id}\n`],
  [
    'a pattern in quotes',
    '# ours\ntimeout 3\ndefault\t"*-6.1.0-50-*"',
    (id: string) => `# ours\ntimeout 3\ndefault\t${id}`,
  ],
  ['nothing', 'timeout 3\r\n', (id: string) => `default ${id}\r\ntimeout 3\r\n`],
  ['two, of which the last counts', 'default a\ndefault b\n', (id: string) => `default a\ndefault ${id}\n`],
  ['an empty file', '', (id: string) => `default ${id}\n`],
])('systemd-boot whose loader.conf has %s', async (_, text, expected) => {
  const file = 'efi/loader/loader.conf'
  const system = whole('esp-and-xbootldr', 'boot')
  writeFileSync(join(system.root, file), text)
  const { entries } = await readBootMenu({ system })
  const other = ids.find((id) => entries.find(({ isDefault }) => isDefault)?.id !== id) as string
  expect((await setAndUndone(system, file, other)).text).toBe(expected(other))
})

const textVariable = (text: string) => Buffer.concat([Buffer.from([7, 0, 0, 0]), Buffer.from(`${text}\0`, 'utf16le')])

function placeVariable(system: System, name: string, content: Buffer): string {
  const file = `sys/firmware/efi/efivars/${name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f`
  mkdirSync(join(system.root, dirname(file)), { recursive: true })
  writeFileSync(join(system.root, file), content)
  return file
}

test('systemd-boot whose EFI variable LoaderEntryDefault decides: the variable, and not the file', async () => {
  const system = whole('esp-and-xbootldr', 'boot')
  const [first, second] = ids as [string, string]
  const conf = readFileSync(join(system.root, 'efi/loader/loader.conf'))
  const file = placeVariable(system, 'LoaderEntryDefault', textVariable(first))
  const { text, change } = await setAndUndone(system, file, second)
  expect(Buffer.from(text, 'latin1')).toEqual(textVariable(second))
  expect(change).toEqual({ path: `/${file}`, variable: 'LoaderEntryDefault', value: second, before: first })
  expect(readFileSync(join(system.root, 'efi/loader/loader.conf'))).toEqual(conf)
})

test('systemd-boot that prefers another entry is refused', async () => {
  const system = whole('esp-and-xbootldr', 'boot')
  const [first, second] = ids as [string, string]
  const variable = join(system.root, placeVariable(system, 'LoaderEntryDefault', textVariable('gone.conf')))
  placeVariable(system, 'LoaderEntryPreferred', textVariable(first))
  await expect(plannedFor(system, second)).rejects.toMatchObject({
    reason: 'no-rollback',
    summary: expect.stringContaining('neither /efi/loader/loader.conf nor LoaderEntryDefault chooses the default'),
  })
  expect(readFileSync(variable)).toEqual(textVariable('gone.conf'))
})
