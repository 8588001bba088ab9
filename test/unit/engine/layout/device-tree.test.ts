import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readDeviceTree } from '../../../../src/device-tree/read.ts'
import { childNamed, type DeviceTree, type TreeNode } from '../../../../src/device-tree/tree.ts'
import { writeDeviceTree } from '../../../../src/device-tree/write.ts'
import { adopted } from '../../../../src/engine/layout/device-tree/given-tree.ts'
import { handOver, staleProperties, withoutBoot } from '../../../../src/engine/layout/device-tree/handed-over.ts'
import { memoryRanges, reservedRanges } from '../../../../src/engine/layout/device-tree/memory.ts'
import { readRunningTree } from '../../../../src/engine/layout/device-tree/running-tree.ts'
import { KexecError } from '../../../../src/errors.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree } from '../../entries/tree.ts'

/** A board with all that a boot loader leaves in its tree. */
const board = `/dts-v1/;
/memreserve/ 0x40000000 0x10000;
/memreserve/ 0x48000000 0x200000;
/ {
  #address-cells = <2>; #size-cells = <2>;
  compatible = "acme,board", "acme,chip"; model = "Board";
  chosen {
    bootargs = "console=ttyAMA0 root=/dev/old"; stdout-path = "/serial@9000000";
    linux,initrd-start = <0x48000000>; linux,initrd-end = <0x481ff123>;
    kaslr-seed = <0 0>; linux,elfcorehdr = <0 0x50000000 0 0x1000>; linux,usable-memory-range = <0 0x50000000 0 0x1000000>;
  };
  memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x40000000>, <1 0 2 0>; };
  reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;
    firmware@60000000 { reg = <0 0x60000000 0 0x100000>; no-map; };
    pool { size = <0 0x4000000>; };
  };
  serial@9000000 { compatible = "arm,pl011"; reg = <0 0x9000000 0 0x1000>; status = "okay"; odd = [01 02 03]; empty; };
};`

function dtc(input: string | Buffer, from: 'dts' | 'dtb', to: 'dts' | 'dtb', ...options: string[]): Buffer {
  const quiet = ['-q', '-q', '-I', from, '-O', to]
  return execFileSync('dtc', [...quiet, ...options], { input, maxBuffer: 2 ** 26, stdio: ['pipe', 'pipe', 'ignore'] })
}

const blob = dtc(board, 'dts', 'dtb')
const told = { kaslrSeed: Buffer.alloc(8, 7), rngSeed: Buffer.alloc(128, 9), crash: null }
const source = (tree: DeviceTree) => dtc(writeDeviceTree(tree), 'dtb', 'dts').toString()

test('what dtc made comes out byte for byte', () => {
  expect(writeDeviceTree(readDeviceTree(blob, 'x'))).toEqual(blob)
  expect(writeDeviceTree(readDeviceTree(dtc(board, 'dts', 'dtb', '-S', '65536'), 'x'))).toEqual(blob)
})

test('QEMU’s own tree, with a megabyte of room in it, means the same afterwards', () => {
  const file = join(makeTree({}), 'virt.dtb')
  execFileSync('qemu-system-aarch64', ['-M', `virt,dumpdtb=${file}`, '-cpu', 'cortex-a57'], { stdio: 'ignore' })
  const given = execFileSync('cat', [file], { maxBuffer: 2 ** 24 })
  const written = writeDeviceTree(readDeviceTree(given, file))
  expect(written.length).toBeLessThan(given.length / 10)
  expect(dtc(written, 'dtb', 'dts').toString()).toBe(dtc(given, 'dtb', 'dts').toString())
})

// The initrd is not reserved: the kernel does that, and kexec-tools would take the reservation over for ever.
test('the new kernel is told its command line, its initrd and new seeds, and nothing of the boot that was', () => {
  const initrd = { address: 0x4a000000, length: 0x1234 }
  const made = source(handOver(readDeviceTree(blob, 'x'), { ...told, commandLine: 'root=/dev/new', initrd }))
  expect(made).toContain('bootargs = "root=/dev/new";')
  expect(made).toContain('linux,initrd-start = <0x00 0x4a000000>;')
  expect(made).toContain('linux,initrd-end = <0x00 0x4a001234>;')
  expect(made).toContain('kaslr-seed = <0x7070707 0x7070707>;')
  expect(made).toContain('linux,booted-from-kexec;')
  expect(made).not.toMatch(/elfcorehdr|usable-memory-range/)
  expect(made).toContain('stdout-path = "/serial@9000000";')
  const reserved = made.split('\n').filter((line) => line.startsWith('/memreserve/'))
  expect(reserved.map((line) => line.replace(/\s+/g, ' '))).toEqual([
    '/memreserve/ 0x0000000040000000 0x0000000000010000;',
  ])
})

test('the hundredth kexec has a tree of the same size as the first', () => {
  let tree = readDeviceTree(blob, 'x')
  const sizes = new Set<number>()
  for (let round = 0; round < 100; round++) {
    const initrd = { address: 0x4a000000 + round * 0x10000, length: 50_000 }
    tree = readDeviceTree(writeDeviceTree(handOver(tree, { ...told, commandLine: 'ro', initrd })), 'x')
    sizes.add(writeDeviceTree(tree).length)
  }
  expect(sizes.size).toBe(1)
  const last = source(handOver(tree, { ...told, commandLine: '', initrd: null }))
  expect(last).not.toMatch(/bootargs|initrd/)
})

test('a tree without /chosen gets one', () => {
  const bare = dtc('/dts-v1/; / { };', 'dts', 'dtb')
  const made = source(handOver(readDeviceTree(bare, 'x'), { ...told, commandLine: 'quiet', initrd: null }))
  expect(made).toMatch(/chosen \{[^}]*bootargs = "quiet";/)
})

test('nothing of the boot that was is handed on: each property of the list by itself', () => {
  const unchanged = ['stdout-path', 'linux,uefi-system-table', 'linux,uefi-mmap-start', 'u-boot,version']
  for (const name of [...staleProperties, ...unchanged]) {
    const chosen = { name: 'chosen', properties: new Map([[name, Buffer.from('of before\0')]]), children: [] }
    const root = { name: '', properties: new Map(), children: [chosen] }
    const tree = { reservations: [], bootProcessor: 0, names: Buffer.alloc(0), root }
    const left = withoutBoot(tree).root.children[0]?.properties
    expect([...(left?.keys() ?? [])], name).toEqual(unchanged.includes(name) ? [name] : [])
    // What is told anew is not what was.
    const made = handOver(tree, { ...told, commandLine: '', initrd: null }).root.children[0]?.properties
    expect(made?.get(name)?.toString() === 'of before\0', name).toBe(unchanged.includes(name))
  }
  for (const name of ['linux,kho-fdt', 'linux,kho-scratch', 'linux,ima-kexec-buffer', 'linux,elfcorehdr']) {
    expect(staleProperties).toContain(name)
  }
})

test('memory and what is reserved in it, as the kernel reads them', () => {
  const tree = readDeviceTree(blob, 'x')
  expect(memoryRanges(tree)).toEqual([
    { start: 0x40000000, end: 0x80000000 },
    { start: 0x100000000, end: 0x300000000 },
  ])
  expect(reservedRanges(tree)).toContainEqual({ start: 0x60000000, end: 0x60100000 })
  expect(reservedRanges(tree)).toHaveLength(3)
})

test('a tree of a file is completed by what only this machine’s boot loader knows', () => {
  const built = `/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; compatible = "acme,new";
    chosen { stdout-path = "/s"; linux,initrd-start = <1>; linux,initrd-end = <2>; };
    memory { device_type = "memory"; reg = <0 0>; }; };`.replace(/<1>; #size-cells = <1>/, '<2>; #size-cells = <2>')
  const given = readDeviceTree(dtc(built.replace('<0 0>', '<0 0 0 0>'), 'dts', 'dtb'), 'x')
  const running = readDeviceTree(blob, 'x')
  childNamed(running.root, 'chosen').properties.set('linux,uefi-system-table', Buffer.alloc(8, 1))
  const made = adopted(given, running)
  expect(memoryRanges(made)).toEqual(memoryRanges(running))
  expect(made.root.properties.get('compatible')?.toString()).toBe('acme,new\0')
  expect(source(made)).toContain('linux,uefi-system-table = <0x1010101 0x1010101>;')
  expect(source(made)).not.toContain('initrd')
  // The old initrd need not be left alone any more; what firmware holds must.
  expect(reservedRanges(made)).toEqual([
    { start: 0x40000000, end: 0x40010000 },
    { start: 0x60000000, end: 0x60100000 },
  ])
})

test('memory is given in the cells that the file has', () => {
  const narrow =
    '/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; memory { device_type = "memory"; reg = <0 0>; }; };'
  const low = readDeviceTree(dtc(board.replace(', <1 0 2 0>', ''), 'dts', 'dtb'), 'x')
  expect(memoryRanges(adopted(readDeviceTree(dtc(narrow, 'dts', 'dtb'), 'x'), low))).toEqual(memoryRanges(low))
})

/** Lays a tree out as the kernel shows it in /sys/firmware/devicetree/base. */
function layDirectory(root: string, node: TreeNode, path = '/sys/firmware/devicetree/base'): void {
  mkdirSync(join(root, path), { recursive: true })
  writeFileSync(join(root, path, 'name'), `${node.name.split('@')[0]}\0`)
  for (const [name, value] of node.properties) writeFileSync(join(root, path, name), value)
  for (const child of node.children) layDirectory(root, child, `${path}/${child.name}`)
}

test('the running tree: the blob, else directories and files; else there is none', () => {
  const root = makeTree({})
  expect(() => readRunningTree(new System(root))).toThrow(
    expect.objectContaining({ reason: 'not-found', path: '/sys/firmware/fdt', refused: true }),
  )
  layDirectory(root, readDeviceTree(blob, 'x').root)
  const sorted = (tree: DeviceTree) => dtc(writeDeviceTree(tree), 'dtb', 'dts', '-s').toString()
  const withoutReservations = { ...readDeviceTree(blob, 'x'), reservations: [] }
  expect(sorted(readRunningTree(new System(root)))).toBe(sorted(withoutReservations))
  const file = join(root, 'sys/firmware/fdt')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, blob)
  expect(writeDeviceTree(readRunningTree(new System(root)))).toEqual(blob)
})

test('whatever bytes a tree has, it is read or refused with a reason, and what was read can be written', () => {
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(fc.tuple(fc.nat(blob.length - 1), fc.nat(255)), { minLength: 1, maxLength: 12 })
      .map((changes) => changed(changes)),
    // Header words and tokens are where a change counts most.
    fc
      .array(fc.tuple(fc.nat(200), fc.constantFrom(0, 1, 2, 3, 4, 9, 255)), { minLength: 1, maxLength: 4 })
      .map((changes) => changed(changes)),
    fc.nat(blob.length).map((length) => blob.subarray(0, length)),
  )
  fc.assert(
    fc.property(hostile, (bytes) => {
      let tree: DeviceTree
      try {
        tree = readDeviceTree(bytes, '/x.dtb')
      } catch (error) {
        expect(error).toBeInstanceOf(KexecError)
        expect(error).toMatchObject({ reason: 'damaged-image', path: '/x.dtb', refused: true })
        return
      }
      const written = writeDeviceTree(handOver(tree, { ...told, commandLine: 'x', initrd: null }))
      expect(readDeviceTree(written, 'y').root.children.length).toBeGreaterThan(0)
      memoryRanges(tree)
      reservedRanges(tree)
    }),
    { numRuns: 2000 },
  )
})

function changed(changes: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.from(blob)
  for (const [at, value] of changes) bytes[at] = value
  return bytes
}

test('a tree that would take more than it weighs is refused', () => {
  const begin = Buffer.from('0000000100000000', 'hex')
  const head = Buffer.alloc(56)
  const make = (structure: Buffer, names: Buffer) => {
    const words = [0xd00dfeed, 56 + structure.length + names.length, 56, 56 + structure.length, 40, 17, 16, 0]
    const all = Buffer.from(head)
    for (const [index, word] of [...words, names.length, structure.length].entries()) all.writeUInt32BE(word, index * 4)
    return Buffer.concat([all, structure, names])
  }
  const end = Buffer.from('00000002', 'hex')
  const flat = Buffer.concat([begin, ...Array.from({ length: 300_000 }, () => Buffer.concat([begin, end])), end])
  expect(() => readDeviceTree(make(flat, Buffer.alloc(0)), 'x')).toThrow('has more nodes than any machine')
  const deep = Buffer.concat(Array.from({ length: 100_000 }, () => begin))
  expect(() => readDeviceTree(make(deep, Buffer.alloc(0)), 'x')).toThrow('64 levels deep')
  const property = Buffer.from('000000030000000000000000', 'hex')
  const named = Buffer.concat([begin, ...Array.from({ length: 100_000 }, () => property), end])
  const names = Buffer.concat([Buffer.alloc(2 ** 20, 'n'), Buffer.alloc(1)])
  expect(() => readDeviceTree(make(named, names), 'x')).toThrow('without a name')
})
