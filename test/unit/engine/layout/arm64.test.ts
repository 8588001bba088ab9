import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDeviceTree } from '../../../../src/device-tree/read.ts'
import { chosenNode } from '../../../../src/device-tree/tree.ts'
import { writeDeviceTree } from '../../../../src/device-tree/write.ts'
import { arm64 } from '../../../../src/engine/layout/arm64/arm64.ts'
import { readRunningTree } from '../../../../src/engine/layout/device-tree/running-tree.ts'
import type { PlannedSegment, SegmentImage } from '../../../../src/engine/layout/segments/segment.ts'
import { inspectImage } from '../../../../src/image/formats/inspect.ts'
import type { KernelImage } from '../../../../src/image/model/image.ts'
import type { MemoryRange } from '../../../../src/system/memory-ranges.ts'
import type { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'
import { type MachineName, segmentMachine } from './machines.ts'

const MEBIBYTE = 2 ** 20
const GIBIBYTE = 2 ** 30
const PAGE = 65_536

/** Debian's 6.1, as much of it as its head asks for. */
const head = readFileSync('test/fixtures/kernels/arm64-6.1.0-50-cloud.head')
const kernel = Buffer.alloc(26 * MEBIBYTE)
const image = inspectImage(head, kernel.length)
head.copy(kernel)

const load = { image, commandLine: 'ro', kernelLength: kernel.length, initrdLength: 5000 }

function build(
  system: System,
  initrd: Buffer | null = Buffer.alloc(5000, 'initrd'),
  commandLine = 'root=/dev/vda1 ro',
) {
  return arm64.build(arm64.readMachine(system), { image, kernel, initrd, commandLine })
}

/** The registers after the trampoline, as objdump's reading of its instructions says. */
function registers({ entry, segments }: SegmentImage) {
  const trampoline = segments.find(({ address }) => address === entry)
  const file = join(makeTree({}), 'trampoline')
  writeFileSync(file, trampoline?.bytes ?? Buffer.alloc(0))
  const code = execFileSync('aarch64-linux-gnu-objdump', ['-D', '-b', 'binary', '-m', 'aarch64', file], {
    encoding: 'utf8',
  })
  const values: Record<string, bigint> = {}
  for (const [, name, register, value, shift = '0'] of code.matchAll(
    /\t(movk?)\t(x\d+), #0x([0-9a-f]+)(?:, lsl #(\d+))?/g,
  )) {
    const part = BigInt(`0x${value}`) << BigInt(shift)
    values[register as string] = name === 'mov' ? part : (values[register as string] as bigint) | part
  }
  const [, target] = /\tbr\t(x\d+)\n$/.exec(code) ?? []
  const [x0, x1, x2, x3, pc] = ['x0', 'x1', 'x2', 'x3', target as string].map((name) => Number(values[name]))
  return { x0: x0 as number, x1, x2, x3, pc: pc as number }
}

/** What the new kernel finds at the address in x0. */
function treeOf(made: SegmentImage) {
  const segment = made.segments.find(({ address }) => address === registers(made).x0)
  return readDeviceTree(Buffer.from(segment?.bytes ?? []), 'x')
}

function number(made: SegmentImage, property: string): number {
  return Number(chosenNode(treeOf(made)).properties.get(property)?.readBigUInt64BE(0))
}

function linesOf(system: System): (MemoryRange & { name: string; depth: number })[] {
  return [...(system.readText('/proc/iomem') ?? '').matchAll(/^( *)([0-9a-f]+)-([0-9a-f]+) : (.*)$/gm)].map(
    ([, indent, start, last, name]) => ({
      start: Number(`0x${start}`),
      end: Number(`0x${last}`) + 1,
      name: name as string,
      depth: (indent as string).length,
    }),
  )
}

const touches = (one: MemoryRange, other: MemoryRange) => one.start < other.end && other.start < one.end
const rangeOf = ({ address, size }: { address: number; size: number }) => ({ start: address, end: address + size })

test.each<MachineName>(['arm64-tree-6.1', 'arm64-acpi-6.1'])(
  '%s: everything lies in RAM, where the boot protocol wants it, and nothing on anything else',
  (name) => {
    const system = segmentMachine(name)
    const made = build(system)
    const lines = linesOf(system)
    expect(made.segments).toHaveLength(4)
    for (const segment of made.segments) {
      expect([segment.address % PAGE, segment.size % PAGE]).toEqual([0, 0])
      expect(segment.bytes.length).toBeLessThanOrEqual(segment.size)
      const range = rangeOf(segment)
      const ram = lines.filter(({ name, depth }) => depth === 0 && name === 'System RAM')
      expect(ram.some(({ start, end }) => start <= range.start && range.end <= end)).toBe(true)
      expect(lines.filter((line) => line.name === 'reserved' && touches(line, range))).toEqual([])
      expect(made.segments.filter((other) => touches(rangeOf(other), range))).toEqual([segment])
    }
    const { x0, x1, x2, x3, pc } = registers(made)
    expect([x1, x2, x3]).toEqual([0, 0, 0])
    expect([x0 % (2 * MEBIBYTE), pc % (2 * MEBIBYTE)]).toEqual([0, 0])
    const placed = made.segments.find(({ address }) => address === pc)
    expect(placed?.bytes.subarray(0, head.length)).toEqual(head)
    expect(placed?.size).toBeGreaterThanOrEqual(image.memoryNeeded ?? Number.NaN)
  },
)

test('the new kernel’s tree is the machine’s, with its own command line and initrd, and new seeds', () => {
  const system = segmentMachine('arm64-tree-6.1')
  const initrd = Buffer.from('the initrd')
  const made = build(system, initrd, 'root=/dev/vda1 ro „ü“')
  const start = number(made, 'linux,initrd-start')
  expect(number(made, 'linux,initrd-end') - start).toBe(initrd.length)
  expect(made.segments.find(({ address }) => address === start)?.bytes).toEqual(initrd)
  const { properties } = chosenNode(treeOf(made))
  expect(properties.get('bootargs')?.toString()).toBe('root=/dev/vda1 ro „ü“\0')
  const seeds = ['kaslr-seed', 'rng-seed'].map((name) => properties.get(name))
  expect(seeds.map((seed) => seed?.length)).toEqual([8, 128])
  const others = chosenNode(treeOf(build(system))).properties
  expect(['kaslr-seed', 'rng-seed'].map((name) => others.get(name))).not.toEqual(seeds)
  const [running, told] = [readRunningTree(system), treeOf(made)]
  const without = ({ root }: typeof running) => root.children.filter(({ name }) => name !== 'chosen')
  expect(without(told)).toEqual(without(running))
})

test('without an initrd there is none', () => {
  const made = build(segmentMachine('arm64-tree-6.1'), null)
  expect(made.segments).toHaveLength(3)
  expect([...chosenNode(treeOf(made)).properties.keys()].filter((name) => name.includes('initrd'))).toEqual([])
})

test('a machine with EFI: the new kernel finds its system table and its memory map again', () => {
  const system = segmentMachine('arm64-acpi-6.1')
  const efi = (properties: ReadonlyMap<string, Buffer>) => [...properties].filter(([name]) => name.includes('uefi'))
  const told = efi(chosenNode(treeOf(build(system))).properties)
  expect(told.map(([name]) => name)).toContain('linux,uefi-mmap-start')
  expect(told).toEqual(efi(chosenNode(readRunningTree(system)).properties))
})

test('the tables that the interrupt controller uses are left alone', () => {
  const system = segmentMachine('arm64-tree-6.1')
  // What the captured kernel's log said: "GICv3: using LPI property table @", "ITS@0x0000000008080000: allocated … @".
  const tables = [0x42180000, 0x42190000, 0x421a0000, 0x421b0000, 0x421c0000].map((start) => ({
    start,
    end: start + PAGE,
  }))
  const hit = ({ segments }: SegmentImage) =>
    segments.some((segment) => tables.some((table) => touches(table, rangeOf(segment))))
  expect(hit(build(system))).toBe(false)
  // Where the kernel does not tell of pages, they cannot be known.
  expect(hit(build(segmentMachine('arm64-tree-6.1', { '/proc/kpageflags': { text: '' } })))).toBe(true)
})

/** The machine with this memory, and a tree that says of none. */
function machineWith(...ram: readonly (readonly [number, number])[]): System {
  const lines = ram.map(([start, end]) => `${start.toString(16)}-${(end - 1).toString(16)} : System RAM`)
  const text = execFileSync('dtc', ['-q', '-I', 'dts', '-O', 'dtb'], { input: '/dts-v1/; / { chosen { }; };' })
  return segmentMachine('arm64-acpi-6.1', {
    '/proc/iomem': { text: `${lines.join('\n')}\n` },
    '/sys/firmware/fdt': { file: text },
  })
}

test('kernel and initrd lie in one window of 32 GiB: in higher memory where the lowest is too small for both', () => {
  const low = [2 * GIBIBYTE, 3 * GIBIBYTE] as const
  const high = [512 * GIBIBYTE, 520 * GIBIBYTE] as const
  const machine = arm64.readMachine(machineWith(low, high))
  const placedAt = (initrdLength: number) => {
    const layout = arm64.layOut(machine, { ...load, initrdLength })
    return ['kernel', 'initrd'].map((wanted) => layout.find(({ name }) => name === wanted)?.address ?? 0)
  }
  expect(placedAt(MEBIBYTE).every((address) => address < 3 * GIBIBYTE)).toBe(true)
  const [kernelAt = 0, initrdAt = 0] = placedAt(2 * GIBIBYTE)
  expect(initrdAt + 2 * GIBIBYTE - Math.floor(kernelAt / GIBIBYTE) * GIBIBYTE).toBeLessThanOrEqual(32 * GIBIBYTE)
  expect(kernelAt).toBeGreaterThanOrEqual(512 * GIBIBYTE)
  expect(() => placedAt(8 * GIBIBYTE)).toThrow(
    expect.objectContaining({
      reason: 'no-memory-hole',
      refused: true,
      summary: expect.stringContaining('the initrd'),
    }),
  )
})

test('a kernel of the old days lies as low as can be, its text offset behind 2 MiB', () => {
  const old: KernelImage = { ...image, imageHeader: { textOffset: 0x80000, runsAnywhere: false } }
  const machine = arm64.readMachine(machineWith([GIBIBYTE, 2 * GIBIBYTE]))
  const layout = arm64.layOut(machine, { ...load, image: old })
  expect(layout.find(({ name }) => name === 'kernel')?.address).toBe(GIBIBYTE + 0x80000)
})

test('in memory that is free now, where it fits; a kernel of the old days as low as can be all the same', () => {
  const free = { start: 0x50000000, end: 0x60000000 }
  // Documentation/admin-guide/mm/pagemap.rst: eight bytes a page of 4 KiB, bit 10 for a free one, 12 for a program's.
  const flags = Buffer.alloc((free.end / 4096) * 8)
  for (let at = 0; at < flags.length; at += 8) flags.writeUInt32LE(at < (free.start / 4096) * 8 ? 1 << 12 : 1 << 10, at)
  const system = segmentMachine('arm64-tree-6.1', { '/proc/kpageflags': { file: flags } })
  const machine = arm64.readMachine(system, { inFreeMemory: true })
  expect(machine.free).toEqual(free)
  const isFree = (segment: PlannedSegment) =>
    segment.address >= free.start && segment.address + segment.size <= free.end
  const layout = (changes: Partial<typeof load>) => arm64.layOut(machine, { ...load, ...changes })
  expect(layout({}).every(isFree)).toBe(true)
  expect(layout({ initrdLength: 240 * MEBIBYTE }).every(isFree)).toBe(false)
  const old: KernelImage = { ...image, imageHeader: { textOffset: 0x80000, runsAnywhere: false } }
  expect(layout({ image: old }).find(({ name }) => name === 'kernel')?.address).toBeLessThan(free.start)
  // Where the kernel does not tell of pages, or of their size, none is known to be free.
  for (const path of ['/proc/kpageflags', '/proc/self/smaps']) {
    const system = segmentMachine('arm64-tree-6.1', { [path]: { text: '' } })
    expect(arm64.readMachine(system, { inFreeMemory: true }).free).toBeNull()
  }
})

test('a header with impossible numbers, and a tree too large for any kernel, are told', () => {
  const machine = arm64.readMachine(segmentMachine('arm64-tree-6.1'))
  for (const wrong of [
    { memoryNeeded: null },
    { imageHeader: { textOffset: null, runsAnywhere: true } },
    { imageHeader: { textOffset: 0x80010, runsAnywhere: true } },
  ]) {
    expect(() => arm64.layOut(machine, { ...load, image: { ...image, ...wrong } })).toThrow(
      expect.objectContaining({ reason: 'damaged-image', refused: true }),
    )
  }
  const tree = readRunningTree(segmentMachine('arm64-tree-6.1'))
  tree.root.properties.set('firmware', Buffer.alloc(2 * MEBIBYTE))
  expect(writeDeviceTree(tree).length).toBeGreaterThan(2 * MEBIBYTE)
  expect(() => arm64.layOut({ ...machine, tree }, load)).toThrow(/kernels map at most 2097152/)
})

test('who may not see addresses or the tree is told so', () => {
  const zeros = '00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n'
  const hidden = segmentMachine('arm64-tree-6.1', { '/proc/iomem': { text: zeros } })
  expect(() => arm64.readMachine(hidden)).toThrow(
    expect.objectContaining({ reason: 'not-readable', path: '/proc/iomem' }),
  )
})

test('what is laid out here: Images of either byte order that can be booted', () => {
  const riscv = readFileSync('test/fixtures/kernels/riscv64-6.12.107+deb13.head')
  expect(arm64.isLoadable(image)).toBe(true)
  expect(arm64.isLoadable({ ...image, bootable: false })).toBe(false)
  expect(arm64.isLoadable(inspectImage(riscv, 2 ** 25))).toBe(false)
})

/** What Debian's 6.12 shows in /proc/kcore on a machine of 1280 MiB: its own place, vmalloc, modules, memory, vmemmap. */
function kcore(): Buffer {
  const segments: readonly (readonly [virtual: bigint, physical: bigint, size: bigint])[] = [
    [0xffff800080000000n, 0x40200000n, 0x2240000n],
    [0xffff800080000000n, -1n, 0x7dff3f800000n],
    [0xffff800000000000n, -1n, 0x80000000n],
    [0xffff000000000000n, 0x40000000n, 0x50000000n],
    [0xfffffdffc0000000n, -1n, 0x1400000n],
  ]
  const bytes = Buffer.alloc(64 + segments.length * 56)
  bytes.writeUInt16LE(segments.length, 56)
  for (const [index, [virtual, physical, size]] of segments.entries()) {
    const at = 64 + index * 56
    bytes.writeUInt32LE(1, at)
    bytes.writeBigUInt64LE(virtual, at + 16)
    bytes.writeBigUInt64LE(BigInt.asUintN(64, physical), at + 24)
    bytes.writeBigUInt64LE(size, at + 40)
  }
  return bytes
}

function crashMachine(changes: Tree = {}): System {
  const iomem =
    '40000000-8fffffff : System RAM\n  40200000-41a7ffff : Kernel code\n  42090000-4243ffff : Kernel data\n  7a800000-8a7fffff : Crash kernel\n'
  return segmentMachine('arm64-tree-6.1', {
    '/proc/iomem': { text: iomem },
    '/proc/kcore': { file: kcore() },
    '/sys/devices/system/cpu/cpu0/crash_notes': { text: '4fd00000\n' },
    '/sys/devices/system/cpu/cpu0/crash_notes_size': { text: '400\n' },
    '/sys/kernel/vmcoreinfo': { text: '0x45a00000 1024\n' },
    ...changes,
  })
}

test('a crash kernel lies in what is reserved, and is told what it may use and where the memory that crashed is', () => {
  const machine = arm64.readMachine(crashMachine(), { panic: true })
  const made = arm64.build(machine, {
    image,
    kernel,
    initrd: Buffer.from('the initrd'),
    commandLine: 'nr_cpus=1',
  })
  expect(made.flags).toBe(183 * 2 ** 16 + 1)
  for (const each of made.segments) {
    const { start, end } = rangeOf(each)
    expect([start >= 0x7a800000, end <= 0x8a800000]).toEqual([true, true])
  }
  const { properties } = chosenNode(treeOf(made))
  const words = (name: string) => {
    const value = properties.get(name) ?? Buffer.alloc(0)
    return Array.from({ length: value.length / 8 }, (_, index) => Number(value.readBigUInt64BE(index * 8)))
  }
  expect(words('linux,usable-memory-range')).toEqual([0x7a800000, 0x10000000])
  const [address = 0, length = 0] = words('linux,elfcorehdr')
  const core = Buffer.from(made.segments.find((each) => each.address === address)?.bytes ?? [])
  expect(core.length).toBe(length)
  const file = join(makeTree({}), 'core')
  writeFileSync(file, core)
  const shown = execFileSync('readelf', ['--wide', '--file-header', '--segments', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  expect(shown).toMatch(/Type: +CORE[\s\S]*Machine: +AArch64/)
  const rows = [...shown.matchAll(/^ +(LOAD|NOTE) +\S+ 0x(\S+) 0x(\S+) 0x(\S+)/gm)].map((row) => row.slice(1, 5))
  const hex = (value: string) => BigInt(`0x${value}`)
  expect(rows.map(([type, ...numbers]) => [type, ...numbers.map(hex)])).toEqual([
    ['NOTE', 0n, 0x4fd00000n, 400n],
    ['NOTE', 0n, 0x45a00000n, 0x1024n],
    ['LOAD', 0xffff800080000000n, 0x40200000n, 0x2240000n],
    ['LOAD', 0xffff000000000000n, 0x40000000n, 0x3a800000n],
    ['LOAD', 0xffff00004a800000n, 0x8a800000n, 0x5800000n],
  ])
})

test('without reserved memory, or what a dump needs, a crash kernel is refused', () => {
  const refused = (system: System, reason: string) =>
    expect(() => arm64.readMachine(system, { panic: true })).toThrow(expect.objectContaining({ reason, refused: true }))
  refused(segmentMachine('arm64-tree-6.1'), 'no-crash-memory')
  refused(crashMachine({ '/proc/kcore': { text: '' } }), 'not-readable')
  refused(crashMachine({ '/sys/kernel/vmcoreinfo': { text: '' } }), 'not-readable')
})
