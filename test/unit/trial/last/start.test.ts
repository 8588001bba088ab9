import { expect, test } from 'vitest'
import { writeDeviceTree } from '../../../../src/device-tree/write.ts'
import { khoMetadata } from '../../../../src/trial/last/kho.ts'
import { rateBetween, takeMeasured, takeStamp } from '../../../../src/trial/last/stamp.ts'
import { kernelStart } from '../../../../src/trial/last/start.ts'
import type { Tree } from '../../entries/tree.ts'
import { machine } from '../machine.ts'
import { stampAt } from './machine.ts'

const LOADER = '/proc/sys/kernel/bootloader_type'
const CHOSEN = '/proc/device-tree/chosen'

test('what started a kernel: x86 by its boot loader’s number, others by the device tree', () => {
  const by = (tree: Tree) => kernelStart(machine(tree)).by
  // GRUB, the EFI stub, QEMU, kexec-tools and the kernel itself.
  const loaders = ['114', '33', '176', '208', '209'].map((text) => by({ [LOADER]: { text: `${text}\n` } }))
  expect(loaders).toEqual(['firmware', 'firmware', 'firmware', 'kexec', 'kexec'])
  expect(by({ [`${CHOSEN}/bootargs`]: { text: 'ro' } })).toBe('firmware')
  expect(by({ [`${CHOSEN}/linux,booted-from-kexec`]: { text: '' } })).toBe('kexec')
  expect(by({ '/proc/vmcore': { text: '' }, [LOADER]: { text: '208\n' } })).toBe('crash')
  expect(by({ [LOADER]: { text: 'none' } })).toBe('unknown')
  expect(by({})).toBe('unknown')
  expect(by({ '/sys/firmware/fdt': { text: 'damaged' } })).toBe('unknown')
})

test('where ACPI describes the machine, the blob of the device tree is read', () => {
  const blob = (properties: readonly string[]) =>
    writeDeviceTree({
      bootProcessor: 0,
      names: Buffer.alloc(0),
      reservations: [],
      root: {
        name: '',
        properties: new Map(),
        children: [
          { name: 'chosen', properties: new Map(properties.map((name) => [name, Buffer.alloc(0)])), children: [] },
        ],
      },
    })
  const start = (properties: readonly string[]) =>
    kernelStart(machine({ '/sys/firmware/fdt': { file: blob(properties) } }))
  expect(start(['linux,booted-from-kexec'])).toEqual({
    by: 'kexec',
    evidence: [{ source: '/sys/firmware/fdt', value: 'linux,booted-from-kexec' }],
  })
  expect(start(['bootargs']).by).toBe('firmware')
})

test('the kernel’s own count is read only as the version that is known', () => {
  const metadata = (version: number, release: string, length = 73) => {
    const bytes = Buffer.alloc(length)
    bytes.writeUInt32LE(version, 0)
    bytes.write(release, 4, 65)
    if (length >= 73) bytes.writeUInt32LE(7, 69)
    return khoMetadata(machine({ '/sys/kernel/debug/kho/in/sub_fdts/kexec-metadata': { file: bytes } }))
  }
  // The kernel takes a longer one of the same version.
  for (const length of [73, 80]) expect(metadata(1, '7.2.13', length)).toEqual({ previousRelease: '7.2.13', kexecs: 7 })
  for (const other of [metadata(2, '7.2.13'), metadata(1, ''), metadata(1, 'x'.repeat(65)), metadata(1, '7.2.13', 72)])
    expect(other).toBeNull()
  expect(khoMetadata(machine({}))).toBeNull()
})

test('the counter and the clocks of this machine go on together', () => {
  const first = takeStamp()
  const { stamp, rate } = takeMeasured()
  expect(first.counter === null).toBe(!['x64', 'ia32', 'arm64'].includes(process.arch))
  if (first.counter === null || stamp.counter === null || first.raw === null || stamp.raw === null) return
  expect(BigInt(stamp.counter) > BigInt(first.counter)).toBe(true)
  expect(stamp.raw).toBeGreaterThan(first.raw)
  expect(Math.abs(Date.parse(first.at) - Date.now())).toBeLessThan(60_000)
  // Slower than a tenth of a megahertz, and faster than 100 GHz, there is none.
  expect(rate?.perMillisecond).toBeGreaterThan(100)
  expect(rate?.perMillisecond).toBeLessThan(100_000_000)
  expect(rate?.error).toBeLessThan(0.1)
})

test('a rate is measured, or stated, and of a counter that stands still there is none', () => {
  expect(rateBetween(stampAt(1000), stampAt(2000))).toEqual({ perMillisecond: 1000, error: 0.00001 })
  expect(rateBetween(stampAt(1, 0, { frequency: 24_000_000 }), stampAt(1))).toEqual({
    perMillisecond: 24_000,
    error: 0,
  })
  expect(rateBetween(stampAt(2000), stampAt(1000))).toBeNull()
  expect(rateBetween(stampAt(1000), stampAt(1000))).toBeNull()
  expect(rateBetween(stampAt(1000, 0, { counter: null }), stampAt(2000))).toBeNull()
  expect(rateBetween(stampAt(1000), { ...stampAt(2000), counter: stampAt(1000).counter })).toBeNull()
})
