import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../../src/bytes/bytes.ts'
import { readDeviceTree } from '../../../../src/device-tree/read.ts'
import { addressIn, chosenNode } from '../../../../src/device-tree/tree.ts'
import { arm } from '../../../../src/engine/layout/arm.ts'
import { riscv64 as architecture } from '../../../../src/engine/layout/riscv64.ts'
import type { SegmentImage } from '../../../../src/engine/layout/segments/segment.ts'
import { inspectImage } from '../../../../src/image/formats/inspect.ts'
import { type ZImageNeeds, zImageNeeds } from '../../../../src/image/formats/zimage.ts'
import { segmentMachine } from './machines.ts'

// Architectures whose running kernel enters the new one as its boot protocol has it, by the device tree among the segments.

const MEBIBYTE = 2 ** 20

/** Debian's kernels, as long as they are, with nothing behind their heads. */
function kernelOf(file: string, size: number) {
  const head = readFileSync(`test/fixtures/kernels/${file}`)
  const bytes = Buffer.alloc(size)
  head.copy(bytes)
  return { bytes, image: inspectImage(head, size) }
}

const riscv64 = kernelOf('riscv64-6.12.107+deb13.head', 31_165_952)
const armhf = kernelOf('armhf-6.1.0-50-rt-armmp.head', 6_046_208)
const initrd = Buffer.alloc(5000, 'initrd')
const commandLine = 'root=/dev/vda1 ro'

function treeOf({ segments }: SegmentImage) {
  const blob = segments.find(({ bytes }) => Buffer.from(bytes.subarray(0, 4)).readUInt32BE(0) === 0xd00dfeed)
  return { address: blob?.address ?? 0, chosen: chosenNode(readDeviceTree(Buffer.from(blob?.bytes ?? []), 'x')) }
}

function expectInitrdTold(made: SegmentImage): void {
  const { chosen } = treeOf(made)
  const start = Number(addressIn(chosen, 'linux,initrd-start'))
  expect(Number(addressIn(chosen, 'linux,initrd-end'))).toBe(start + 5000)
  expect(made.segments.find(({ address }) => address === start)?.bytes).toEqual(initrd)
  expect(chosen.properties.get('bootargs')?.toString()).toBe(`${commandLine}\0`)
}

test('riscv64: the kernel takes the running one’s place, all else lies above it, and the running kernel’s reservations stay', () => {
  const machine = architecture.readMachine(segmentMachine('riscv64-6.12'), { deviceTree: null })
  expect(architecture.isLoadable(riscv64.image)).toBe(true)
  const made = architecture.build(machine, { image: riscv64.image, kernel: riscv64.bytes, initrd, commandLine })
  // Seen in /proc/iomem: the firmware's 512 KiB, then the running kernel from 0x80200000 on.
  expect(made.entry).toBe(0x80200000)
  const [kernel, ...others] = made.segments
  expect(kernel?.address).toBe(made.entry)
  expect(riscv64.bytes.equals(kernel?.bytes ?? Buffer.alloc(0))).toBe(true)
  expect(kernel?.size).toBeGreaterThanOrEqual(riscv64.image.memoryNeeded ?? Number.NaN)
  for (const { address } of others) expect(address).toBeGreaterThanOrEqual(made.entry + (kernel?.size ?? 0))
  expect(treeOf(made).address % (2 * MEBIBYTE)).toBe(0)
  expectInitrdTold(made)
  // KEXEC_ARCH_RISCV is EM_RISCV in the upper half.
  expect(made.flags >>> 16).toBe(243)
})

test('riscv64: a header with impossible numbers is told', () => {
  const machine = architecture.readMachine(segmentMachine('riscv64-6.12'), { deviceTree: null })
  const sizes = { commandLine, kernelLength: riscv64.bytes.length, initrdLength: 0 }
  for (const wrong of [{ memoryNeeded: null }, { imageHeader: { textOffset: 0x80000, runsAnywhere: true } }]) {
    const image = { ...riscv64.image, ...wrong }
    expect(() => architecture.layOut(machine, { image, ...sizes })).toThrow(
      expect.objectContaining({ reason: 'damaged-image', refused: true }),
    )
  }
  expect(() => architecture.layOut(machine, { image: riscv64.image, ...sizes, initrdLength: 2 ** 31 })).toThrow(
    expect.objectContaining({ reason: 'no-memory-hole', summary: expect.stringContaining('the initrd') }),
  )
})

/** What Debian's 6.12.107 armmp says in its table: 6 words from 0xda18 on. */
const words = [6, 0x5a534c4b, 0x5c359c, 0x6ace8, 0x208000, 0x10000]
const unpackedSize = 0x15b94a8

function withTable(table: readonly number[], at = 0xda18): Buffer {
  const bytes = Buffer.from(armhf.bytes)
  for (const [index, word] of [0x45454545, at].entries()) bytes.writeUInt32LE(word, 0x34 + index * 4)
  for (const [index, word] of table.entries()) {
    if (at + index * 4 + 4 <= bytes.length) bytes.writeUInt32LE(word, at + index * 4)
  }
  bytes.writeUInt32LE(unpackedSize, 0x5c359c)
  return bytes
}

const needsOf = (bytes: Buffer): ZImageNeeds => zImageNeeds(memoryBytes(bytes))

test('arm: what a zImage says of its sizes, and what is assumed of one that does not', () => {
  const told = { textOffset: 0x208000, unpacked: unpackedSize + 0x6ace8 }
  expect(needsOf(withTable(words))).toMatchObject(told)
  // Kernels before 5.10 say neither the text offset nor the heap.
  expect(needsOf(withTable([4, ...words.slice(1, 4)]))).toMatchObject(told)
  const assumed = { textOffset: 0x208000, unpacked: armhf.bytes.length * 5 }
  expect(needsOf(Buffer.alloc(armhf.bytes.length))).toMatchObject(assumed)
  for (const hostile of [
    withTable(words, 0xfffffff0),
    withTable(words, armhf.bytes.length - 6),
    withTable([6, 0x5a534c4b, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff]),
    withTable([0xffffffff, 0x5a534c4b, 0x5c359c, 0xffffffff]),
  ]) {
    expect(needsOf(hostile)).toMatchObject(assumed)
  }
})

test('arm: the zImage lies behind what it unpacks to, in its window of 128 MiB, and all else behind it in low memory', () => {
  const system = segmentMachine('armhf-6.12')
  expect(arm.isLoadable(armhf.image)).toBe(true)
  const kernel = withTable(words)
  const made = arm.build(arm.readMachine(system, { deviceTree: null }), { kernel, initrd, commandLine })
  // The machine's memory begins at 1 GiB.
  const base = 0x40000000
  expect(made.entry).toBeGreaterThanOrEqual(base + 0x208000 + unpackedSize + 0x6ace8)
  expect(made.entry + kernel.length).toBeLessThanOrEqual(base + 128 * MEBIBYTE)
  const [first, ...others] = made.segments
  expect(first?.address).toBe(made.entry)
  expect(kernel.equals(first?.bytes ?? Buffer.alloc(0))).toBe(true)
  for (const { address, size } of others) {
    expect(address).toBeGreaterThanOrEqual(made.entry + (first?.size ?? 0))
    expect(address + size).toBeLessThanOrEqual(base + 512 * MEBIBYTE)
  }
  expectInitrdTold(made)
  expect(made.flags >>> 16).toBe(40)
})

test('arm: a machine too small for the unpacked kernel and its zImage is told beforehand', () => {
  const system = segmentMachine('armhf-6.12', { '/proc/iomem': { text: '40000000-417fffff : System RAM\n' } })
  const load = { source: memoryBytes(withTable(words)), commandLine, kernelLength: armhf.bytes.length, initrdLength: 0 }
  expect(() => arm.layOut(arm.readMachine(system, { deviceTree: null }), load)).toThrow(
    expect.objectContaining({ reason: 'no-memory-hole', summary: expect.stringContaining('the kernel') }),
  )
})
