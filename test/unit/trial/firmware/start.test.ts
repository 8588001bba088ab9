import { describe, expect, test } from 'vitest'
import { readBootManager } from '../../../../src/trial/firmware/boot-manager.ts'
import { judgeFirmware } from '../../../../src/trial/firmware/start.ts'
import type { Tree } from '../../entries/tree.ts'
import { machine } from '../machine.ts'
import { fileOf, fileOfMbr, firmware, loadOption, network, numbers, partitions, setup } from './efi-variables.ts'

const [here, elsewhere] = partitions
const debian = loadOption('debian', fileOf(here, '\\EFI\\debian\\shimx64.efi'))
const windows = loadOption('Windows Boot Manager', fileOf(elsewhere, '\\EFI\\Microsoft\\Boot\\bootmgfw.efi'))
/** Debian started it; both partitions are there. */
const usual = {
  Boot0000: setup,
  Boot0001: debian,
  Boot0003: windows,
  BootCurrent: numbers(1),
  BootOrder: numbers(0, 1, 3),
}
const disks: Tree = Object.fromEntries(partitions.map((name) => [`/dev/disk/by-partuuid/${name}`, 'empty' as const]))
const none = { isOther: false, doubts: [] }

function judge(variables: Readonly<Record<string, Buffer>>, tree: Tree = disks) {
  return judgeFirmware(machine(firmware({ ...usual, ...variables }), tree))
}

test('entries are read with their partitions, as udev names them', () => {
  const variables = { ...usual, Boot000A: loadOption('disk', fileOfMbr()), BootOrder: numbers(10, 3, 0, 7) }
  const manager = readBootManager(machine(firmware(variables)))
  expect(manager?.current).toMatchObject({ number: 1, named: "'debian' (Boot0001)", path: { partition: here } })
  expect(manager?.order).toMatchObject([
    { named: "'disk' (Boot000A)", isStarted: true, path: { partition: 'deadbeef-02' } },
    { named: "'Windows Boot Manager' (Boot0003)", isStarted: true, path: { partition: elsewhere } },
    { named: "'UiApp' (Boot0000)", isStarted: false, path: { partition: null } },
  ])
})

test('damaged entries are no entries', () => {
  for (let length = 0; length < debian.length; length++) {
    const current = debian.subarray(0, length)
    expect(() => readBootManager(machine(firmware({ ...usual, Boot0001: current })))).not.toThrow()
  }
  expect(
    readBootManager(machine(firmware({ Boot0001: debian.subarray(0, 12), BootCurrent: numbers(1) })))?.current,
  ).toBe(null)
})

test('the boot loader that started the machine starts again; without EFI variables nothing is known to the contrary', () => {
  expect(judge({})).toEqual(none)
  expect(judgeFirmware(machine())).toEqual(none)
  expect(judgeFirmware(machine({ '/sys/firmware/acpi': 'directory' }))).toEqual(none)
  expect(judgeFirmware(machine({ '/sys/firmware/efi/efivars': 'directory' }))).toEqual({
    isOther: false,
    doubts: [expect.stringMatching(/^the EFI variables cannot be seen: .*BootNext may start something else$/)],
  })
})

describe('BootNext', () => {
  test('starts something else once', () => {
    expect(judge({ BootNext: numbers(3) })).toEqual({
      isOther: true,
      text: "after a reset the firmware starts 'Windows Boot Manager' (Boot0003), and not 'debian' (Boot0001), which started this machine: the EFI variable BootNext names it",
      remedy: 'Remove it: efibootmgr --delete-bootnext',
    })
    // The firmware starts even its own applications by it.
    expect(judge({ BootNext: numbers(0) })).toMatchObject({ isOther: true })
    expect(judge({ BootNext: numbers(3), BootCurrent: numbers(9) })).toMatchObject({
      text: "after a reset the firmware starts 'Windows Boot Manager' (Boot0003): the EFI variable BootNext names it",
    })
  })

  test('changes nothing where it names the same start, or an entry that is gone', () => {
    expect(judge({ BootNext: numbers(1) })).toEqual(none)
    expect(judge({ BootNext: numbers(2), Boot0002: debian })).toEqual(none)
    expect(judge({ BootNext: numbers(8) })).toEqual(none)
    const other = loadOption('debian', fileOf(here, '\\EFI\\debian\\shimx64.efi'), { data: 'other.efi' })
    expect(judge({ BootNext: numbers(2), Boot0002: other })).toMatchObject({ isOther: true })
  })
})

describe('BootOrder', () => {
  test('names another boot loader first', () => {
    expect(judge({ BootOrder: numbers(0, 3, 1) })).toEqual({
      isOther: true,
      text: "after a reset the firmware tries 'Windows Boot Manager' (Boot0003) before 'debian' (Boot0001), which started this machine",
      remedy: 'Change the order: efibootmgr --bootorder 0001,0000,0003',
    })
  })

  test('counts no entry that is inactive, or whose partition is gone; without udev any may be there', () => {
    const order = { BootOrder: numbers(0, 3, 1) }
    const inactive = loadOption('off', fileOf(elsewhere, '\\a.efi'), { attributes: 0 })
    expect(judge({ ...order, Boot0003: inactive })).toEqual(none)
    expect(judge(order, { [`/dev/disk/by-partuuid/${here}`]: 'empty' })).toEqual(none)
    expect(judge(order, {})).toMatchObject({ isOther: true })
  })

  test('names the network first, where nothing may answer', () => {
    expect(judge({ Boot0003: loadOption('UEFI PXEv4', network), BootOrder: numbers(3, 1) })).toEqual({
      isOther: false,
      doubts: [
        "after a reset the firmware tries 'UEFI PXEv4' (Boot0003) before 'debian' (Boot0001), which started this machine",
      ],
    })
  })

  test('does not name what started the machine: there is nothing to compare', () => {
    expect(judge({ BootOrder: numbers(3) })).toEqual(none)
    expect(judge({ BootOrder: numbers(3, 1), BootCurrent: numbers(9) })).toEqual(none)
  })
})

test.each([
  [0x01, 'opens its setup and waits for a key', 'Take the request back: bootctl reboot-to-firmware false'],
  [0x20, 'starts the recovery of the operating system', 'Clear the EFI variable OsIndications.'],
  [0x40, 'starts its own recovery', 'Clear the EFI variable OsIndications.'],
])('OsIndications %i', (bits, what, remedy) => {
  const indications = (value: number) => Buffer.from([value, 0, 0, 0, 0, 0, 0, 0])
  expect(judge({ OsIndications: indications(bits) })).toEqual({
    isOther: true,
    text: `after a reset the firmware ${what}, as the EFI variable OsIndications asks for it`,
    remedy,
  })
  // A capsule is installed on the way, and the machine boots as usual.
  expect(judge({ OsIndications: indications(0x04) })).toEqual(none)
})
