import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readBootMenu } from '../../src/entries/discover.ts'
import type { BootEntry } from '../../src/entries/model/entry.ts'
import type { System } from '../../src/system/system.ts'
import { confirmTrial } from '../../src/trial/confirm.ts'
import { makeDefault } from '../../src/trial/default/make-default.ts'
import { planFallback, setFallback } from '../../src/trial/fallback/fallback.ts'
import { setVariable, variableIn } from '../../src/trial/loader/environment-block.ts'
import { TrialRecords } from '../../src/trial/record/records.ts'
import { execute } from '../../src/vm/host/process.ts'
import { fixtureFile, layFixture } from '../unit/entries/fixtures.ts'
import { before, change, during, machine, startedRecord } from '../unit/trial/machine.ts'
import { triedOf, wholeKernels } from '../unit/trial/tried.ts'
import { blankDisk, findDisk } from './disk.ts'
import { startedByDefault } from './grub-judge.ts'
import { machineForFile } from './guests.ts'
import { INTERNALS, internals } from './internals.ts'
import { RealGrub } from './real-grub.ts'

// Whether the boot loaders themselves start the entry that a trial's fallback, or its confirmation, has chosen in their files.

const changes = await internals({
  'system/system.ts': 'System',
  'trial/loader/change.ts': 'makeChange, undoChange',
  'trial/firmware/start.ts': 'judgeFirmware',
})

/** The tree of a real boot loader, whose older kernel runs, and where trials are recorded. */
function machineOf(fixture: string): System {
  const system = machine(before)
  layFixture(fixture, system.root)
  wholeKernels(system, 'boot')
  change(system, before)
  return system
}

/** Makes the fallback of a trial of the default entry, as a load does. @returns the way to it in the menu */
async function fallBack(system: System, choose: (entry: BootEntry) => boolean) {
  const menu = await readBootMenu({ system })
  const preset = menu.entries.find(({ isDefault }) => isDefault) as BootEntry
  const entry = menu.entries.find((each) => each !== preset && choose(each)) as BootEntry
  const planned = await planFallback(system, menu, entry.id, triedOf(preset))
  await setFallback(system, planned, triedOf(preset))
  return { entry, preset, change: planned.change, path: pathOf(entry) }
}

/** Confirms a trial of an entry, and makes it the default, as the command does in the new kernel. */
async function keep(system: System, entry: BootEntry, record = {}) {
  const { id, title, kernel, initrds, commandLine } = entry
  const tried = { id, title, kernel: kernel as string, initrds, commandLine, changed: null }
  const { target } = startedRecord()
  new TrialRecords(system).begin(startedRecord({ ...record, target: { ...target, entry: tried } }))
  change(system, during)
  confirmTrial(system, { release: () => {} })
  return await makeDefault(system)
}

const pathOf = ({ submenus, title }: BootEntry) => [...submenus, title]

describe("Debian's GRUB", () => {
  const GRUBENV = 'boot/grub/grubenv'
  let grub: RealGrub
  beforeAll(async () => {
    grub = await RealGrub.open()
  })
  afterAll(() => grub?.close())

  const started = (fixture: string, { root }: System) =>
    startedByDefault(fixture, grub, (tree) => {
      mkdirSync(dirname(join(tree, GRUBENV)), { recursive: true })
      copyFileSync(join(root, GRUBENV), join(tree, GRUBENV))
    })

  const advanced50 = ({ version, submenus }: BootEntry) => version === '6.1.0-50-amd64' && submenus.length > 0

  test('starts the fallback in saved_entry, and then the entry that was kept', async () => {
    const fixture = 'debian-saved-submenu'
    const system = machineOf(fixture)
    const { preset, path, change: fallback } = await fallBack(system, advanced50)
    expect(fallback?.variable).toBe('saved_entry')
    expect(await started(fixture, system)).toEqual(path)
    expect(await keep(system, preset, { fallback })).toMatchObject({ change: { variable: 'saved_entry' } })
    expect(await started(fixture, system)).toEqual(pathOf(preset))
  })

  test('starts the fallback in next_entry, and after the confirmation its own default', async () => {
    const fixture = 'debian-three-kernels'
    const system = machineOf(fixture)
    const block = readFileSync(join(fixtureFile('debian-custom', 'root'), GRUBENV))
    writeFileSync(join(system.root, GRUBENV), setVariable(block, 'next_entry', null))
    const { preset, path, change: fallback } = await fallBack(system, advanced50)
    expect(fallback?.variable).toBe('next_entry')
    expect(await started(fixture, system)).toEqual(path)
    expect(await keep(system, preset, { fallback })).toMatchObject({ change: null })
    expect(variableIn(readFileSync(join(system.root, GRUBENV)), 'next_entry')).toBe(null)
    expect(await started(fixture, system)).toEqual(pathOf(preset))
  })
})

const disk = blankDisk()

describe('on a machine', () => {
  const machine = machineForFile(
    { bootLoader: 'uefi', disks: [disk] },
    { packages: ['e2fsprogs'], modules: ['efivarfs'], files: [changes] },
  )
  const PATH = '/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f'

  test('an EFI variable in efivarfs is changed and changed back, and stays protected', async () => {
    const { vm } = machine
    const look = `lsattr ${PATH} | cut -d' ' -f1; od -An -tx1 ${PATH} | tr -d ' \n'; echo`
    const change = JSON.stringify({
      path: PATH,
      variable: 'LoaderEntryDefault',
      value: 'longer.conf',
      before: 'old.conf',
    })
    const call = (text: string) =>
      `node --input-type=module -e 'import { System, makeChange, undoChange } from "${INTERNALS}"; console.log(${text})'`
    // UTF-16, behind the attributes of a variable that stays and that the running system sees.
    const made = await vm.run(`node --input-type=module -e '
      import { writeFileSync } from "node:fs"
      writeFileSync("${PATH}", Buffer.concat([Buffer.from([7, 0, 0, 0]), Buffer.from("old.conf\\0", "utf16le")]))'
      ${look}
      ${call(`makeChange(new System(), ${change})`)}
      ${look}
      ${call(`undoChange(new System(), ${change})`)}
      ${look}`)
    expect(made, made.stderr).toMatchObject({ status: 0 })
    const bytes = (text: string) => `07000000${Buffer.from(`${text}\0`, 'utf16le').toString('hex')}`
    const [flags, old, one, flagsThen, changed, two, flagsAfter, after] = made.stdout.split(/\n/)
    expect({ old, one, changed, two, after }).toEqual({
      old: bytes('old.conf'),
      one: 'undefined',
      changed: bytes('longer.conf'),
      two: 'true',
      after: bytes('old.conf'),
    })
    expect(flags).toContain('i')
    expect([flagsThen, flagsAfter]).toEqual([flags, flags])
  })

  test('what somebody asked of real firmware for the next start is found: BootNext, and its setup', async () => {
    const { vm } = machine
    const made = await vm.run(`node --input-type=module -e '
      import { rmSync, writeFileSync } from "node:fs"
      import { judgeFirmware, System } from "${INTERNALS}"
      const path = (name) => "/sys/firmware/efi/efivars/" + name + "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
      const judged = () => console.log(JSON.stringify(judgeFirmware(new System())))
      judged()
      writeFileSync(path("BootNext"), Buffer.from([7, 0, 0, 0, 0, 0]))
      judged()
      rmSync(path("BootNext"))
      writeFileSync(path("OsIndications"), Buffer.from([7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))
      judged()
      rmSync(path("OsIndications"))
      judged()'`)
    expect(made, made.stderr).toMatchObject({ status: 0 })
    const usual = { isOther: false, doubts: [] }
    expect(
      made.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      usual,
      { text: "after a reset the firmware starts 'UiApp' (Boot0000): the EFI variable BootNext names it" },
      { text: expect.stringContaining('opens its setup and waits for a key') },
      usual,
    ])
  })

  test.each([
    { file: 'extlinux.conf', variable: 'DEFAULT', text: (value: string) => `DEFAULT ${value}\n` },
    {
      file: 'grubenv',
      variable: 'saved_entry',
      text: (value: string) => `# GRUB Environment Block\nsaved_entry=${value}\n`.padEnd(1024, '#'),
    },
  ])(
    'a boot loader that replays no journal reads a changed $file at once, in ext4',
    async ({ file, variable, text }) => {
      const { vm } = machine
      const path = `/mnt/${file}`
      const change = JSON.stringify({ path, variable, value: 'new', before: 'renamed' })
      const made = await vm.run(`${findDisk}
      mkfs.ext4 -q -F $d && mount $d /mnt && printf %s '${text('old')}' > ${path} && umount /mnt && mount $d /mnt
      printf %s '${text('renamed')}' > /mnt/other && sync -f /mnt/other && mv /mnt/other ${path}
      node -e 'const fs = require("fs"); fs.fsyncSync(fs.openSync("/mnt"))'`)
      expect(made, made.stderr).toMatchObject({ status: 0 })
      // debugfs -c reads as such boot loaders do. That the other way does not suffice shows that this looks behind the journal.
      expect(await onDisk(file)).toBe(text('old'))
      const changed = await vm.run(`node --input-type=module -e '
      import { System, makeChange } from "${INTERNALS}"; makeChange(new System(), ${change})'`)
      expect(changed, changed.stderr).toMatchObject({ status: 0 })
      expect(await onDisk(file)).toBe(text('new'))
      expect(await vm.run('umount /mnt')).toMatchObject({ status: 0 })
    },
  )
})

async function onDisk(file: string): Promise<string> {
  return (await execute('debugfs', ['-c', '-R', `cat /${file}`, disk.path])).toString()
}
