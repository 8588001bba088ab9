import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../../src/bytes/bytes.ts'
import { readDeviceTree } from '../../../../src/device-tree/read.ts'
import { addressIn, cellsOf, chosenNode } from '../../../../src/device-tree/tree.ts'
import { readPpc64Machine } from '../../../../src/engine/layout/ppc64/machine.ts'
import { ppc64 } from '../../../../src/engine/layout/ppc64/ppc64.ts'
import { trampoline } from '../../../../src/engine/layout/ppc64/trampoline.ts'
import { readPpc64Kernel } from '../../../../src/engine/layout/ppc64/vmlinux.ts'
import { KexecError } from '../../../../src/errors.ts'
import { inspectImage } from '../../../../src/image/formats/inspect.ts'
import { segmentMachine } from './machines.ts'

const MEBIBYTE = 2 ** 20
const fixtures = join(import.meta.dirname, '../../../fixtures/kernels')

/** Debian's 6.12, as long as it is: its headers, the first 256 bytes of its code, and nothing behind. */
const head = gunzipSync(readFileSync(join(fixtures, 'ppc64el-6.12.107+deb13.head.gz')))
const kernel = Buffer.alloc(47_019_368)
head.copy(kernel)
/** As readelf shows it: one part, from 64 KiB of the file on. */
const [code, length, size] = [0x10000, 0x27347ac, 0x287e650]
const initrd = Buffer.alloc(5000, 'initrd')
const commandLine = 'root=/dev/vda1 ro'

/** What a QEMU guest says of itself: the running kernel is the same 6.12, and RTAS lies below 768 MiB. */
const [kernelEnd, rtas, memory] = [0x287f000, 0x2ffff000, 2 ** 30]
const chosen = '/proc/device-tree/chosen'

function build(system = segmentMachine('ppc64le-6.12')) {
  const made = ppc64.build(readPpc64Machine(system), { kernel, initrd, commandLine })
  const at = (address: number) => Buffer.from(made.segments.find((each) => each.address === address)?.bytes ?? [])
  const tree = made.segments.find(({ bytes }) => Buffer.from(bytes.subarray(0, 4)).readUInt32BE(0) === 0xd00dfeed)
  return { made, at, tree: readDeviceTree(Buffer.from(tree?.bytes ?? []), 'x'), treeAddress: tree?.address ?? 0 }
}

test('the map: above the running kernel and what the new one moves to, around RTAS, within reach with the MMU off', () => {
  expect(ppc64.isLoadable(inspectImage(head, kernel.length))).toBe(true)
  const { made } = build()
  expect(made.segments).toHaveLength(4)
  expect(made.flags >>> 16).toBe(21)
  for (const { address, size: taken } of made.segments) {
    expect(address).toBeGreaterThanOrEqual(Math.max(kernelEnd, size))
    expect(address % 65_536).toBe(0)
    expect(address + taken).toBeLessThanOrEqual(memory)
  }
  const [first] = made.segments
  expect(kernel.subarray(code, code + length).equals(first?.bytes ?? Buffer.alloc(0))).toBe(true)
  expect(first?.size).toBeGreaterThanOrEqual(size)
})

test('a large initrd lies behind RTAS, a still larger one nowhere; a kernel never where the MMU has to be on', () => {
  const system = segmentMachine('ppc64le-6.12')
  const sized = (initrdLength: number, from = readPpc64Machine(system)) =>
    ppc64.layOut(from, { source: memoryBytes(kernel), commandLine, initrdLength })
  const initrdOf = (layout: ReturnType<typeof sized>) => layout?.find(({ name }) => name === 'initrd')
  expect(initrdOf(sized(100 * MEBIBYTE))?.address).toBeLessThan(rtas)
  const large = sized(255 * MEBIBYTE, { ...readPpc64Machine(system), kernelEnd: rtas - 128 * MEBIBYTE })
  expect(initrdOf(large)?.address).toBe(rtas + 0x1000)
  expect(() => sized(800 * MEBIBYTE)).toThrow(expect.objectContaining({ reason: 'no-memory-hole', refused: true }))
  // The first node of memory, of a guest whose real mode area is one of 64 MiB.
  const narrow = segmentMachine('ppc64le-6.12', {
    '/proc/device-tree/memory@0/reg': { file: cellsOf(0, 64 * MEBIBYTE) },
  })
  expect(() => sized(0, readPpc64Machine(narrow))).toThrow(
    expect.objectContaining({ reason: 'no-memory-hole', summary: expect.stringContaining('the kernel') }),
  )
})

test('the tree: firmware is kept, what the running kernel said of itself is not, the new kernel’s own is there', () => {
  const { tree, at } = build()
  const told = chosenNode(tree)
  const start = Number(addressIn(told, 'linux,initrd-start'))
  expect(at(start)).toEqual(initrd)
  expect(Number(addressIn(told, 'linux,initrd-end'))).toBe(start + 5000)
  expect(told.properties.get('bootargs')?.toString()).toBe(`${commandLine}\0`)
  for (const gone of ['linux,kernel-end', 'linux,memory-limit', 'kaslr-seed']) {
    expect(told.properties.has(gone)).toBe(false)
  }
  expect(tree.reservations).toContainEqual({ address: BigInt(rtas), size: 2108n })
  const firmware = tree.root.children.find(({ name }) => name === 'rtas')
  expect(addressIn(firmware ?? tree.root, 'linux,rtas-base')).toBe(BigInt(rtas))
  expect(firmware?.properties.has('name')).toBe(false)
  expect(tree.root.children.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['cpus', 'memory@0', 'vdevice', 'pci@800000020000000']),
  )
})

test('what else firmware and a running kernel without radix trees hold is left alone; a crash kernel’s limits are forgotten', () => {
  const base = 64 * MEBIBYTE
  const cells = (...numbers: number[]) => ({ file: cellsOf(...numbers) })
  const size32 = (bytes: number) => ({ file: cellsOf(bytes).subarray(4) })
  const system = segmentMachine('ppc64le-6.12', {
    [`${chosen}/linux,htab-base`]: cells(base),
    [`${chosen}/linux,htab-size`]: cells(16 * MEBIBYTE),
    '/proc/device-tree/ibm,opal/opal-base-address': cells(base + 16 * MEBIBYTE),
    '/proc/device-tree/ibm,opal/opal-runtime-size': cells(16 * MEBIBYTE),
    '/proc/device-tree/pci@800000020000000/linux,tce-base': cells(base + 32 * MEBIBYTE),
    '/proc/device-tree/pci@800000020000000/linux,tce-size': size32(16 * MEBIBYTE),
    '/proc/device-tree/reserved-ranges': cells(base + 48 * MEBIBYTE, 16 * MEBIBYTE, 0, 0),
    '/proc/device-tree/memory@0/linux,usable-memory': cells(0, MEBIBYTE),
  })
  const { made, tree } = build(system)
  for (const { address, size: bytes } of made.segments) {
    expect(address >= base + 64 * MEBIBYTE || address + bytes <= base).toBe(true)
  }
  for (const part of [1, 2, 3]) {
    const address = BigInt(base + part * 16 * MEBIBYTE)
    expect(tree.reservations).toContainEqual({ address, size: BigInt(16 * MEBIBYTE) })
  }
  expect(tree.reservations.some(({ address }) => address === BigInt(base))).toBe(false)
  expect(chosenNode(tree).properties.has('linux,htab-base')).toBe(false)
  const [node] = tree.root.children.filter(({ name }) => name === 'memory@0')
  expect([...(node?.properties.keys() ?? [])]).not.toContain('linux,usable-memory')
})

test('the trampoline: the new kernel’s first 256 bytes for the other processors, behind a branch, then the jump', () => {
  const { made, at, treeAddress } = build()
  const entered = at(made.entry)
  const own = kernel.subarray(code, code + 0x100)
  // `tdi 0,0,0x48`, which both byte orders begin with, so that the right one goes on.
  expect(own.readUInt32LE(0x60)).toBe(0x08000048)
  expect(entered.subarray(4, 0x100)).toEqual(own.subarray(4))
  expect(entered.readUInt32LE(0)).toBe(0x48000100)
  expect(entered).toEqual(trampoline(own, treeAddress, made.segments[0]?.address ?? 0))
  // As GNU as makes it of: mr 17,3; lis 6,1; mtctr 6; bdnz .; lis 3,0x1234; ori 3,3,0x5678; li 5,28; stwbrx 17,3,5;
  // lis 4,0x2345; ori 4,4,0x6789; li 5,0; mtctr 4; bctr
  expect(trampoline(own, 0x12345678, 0x23456789).toString('hex', 0x100)).toBe(
    '781b717c0100c03ca603c97c000000423412603c785663601c00a0382c2d237e4523803c896784600000a038a603897c2004804e',
  )
})

test('what a kernel cannot be is told, and no bytes do more than that', () => {
  const changed = (at: number, value: bigint) => {
    const bytes = Buffer.from(head)
    bytes.writeBigUInt64LE(value, at)
    return { size: kernel.length, read: (from: number, count: number) => bytes.subarray(from, from + count) }
  }
  const damaged = expect.objectContaining({ reason: 'damaged-image', refused: true })
  expect(() => readPpc64Kernel(changed(24, 0xc000000000000100n))).toThrow(damaged)
  // Of the first program header: its bytes in the file, and in memory.
  expect(() => readPpc64Kernel(changed(64 + 32, 0x80n))).toThrow(damaged)
  expect(() => readPpc64Kernel(changed(64 + 40, 2n ** 40n))).toThrow(damaged)
  expect(() => readPpc64Kernel(changed(64 + 8, 2n ** 40n))).toThrow(
    expect.objectContaining({ reason: 'truncated-kernel' }),
  )
  const hostile = fc.array(fc.tuple(fc.nat({ max: 175 }), fc.integer({ min: 0, max: 255 })), { maxLength: 8 })
  fc.assert(
    fc.property(hostile, (edits) => {
      const bytes = Buffer.from(head)
      for (const [at, value] of edits) bytes[at] = value
      try {
        const read = readPpc64Kernel(memoryBytes(bytes))
        return read.bytes().length === read.length && read.size >= read.length
      } catch (error) {
        return error instanceof KexecError
      }
    }),
  )
})

test('a running kernel that does not say where it ends is told; so is a machine without a tree', () => {
  const silent = segmentMachine('ppc64le-6.12', { [`${chosen}/linux,kernel-end`]: { text: '' } })
  expect(() => readPpc64Machine(silent)).toThrow(
    expect.objectContaining({ reason: 'not-found', path: `${chosen}/linux,kernel-end` }),
  )
  const none = segmentMachine('bios-6.1')
  expect(() => readPpc64Machine(none)).toThrow(expect.objectContaining({ reason: 'not-found' }))
})
