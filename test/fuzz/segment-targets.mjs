import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { memoryBytes } from '../../modules/bytes/bytes.js'
import { childOf, numberOf, stringsOf } from '../../modules/device-tree/look-up.js'
import { listDeviceTree, readDeviceTree } from '../../modules/device-tree/read.js'
import { writeDeviceTree } from '../../modules/device-tree/write.js'
import { adopted } from '../../modules/engine/layout/device-tree/given-tree.js'
import { handOver } from '../../modules/engine/layout/device-tree/handed-over.js'
import { memoryRanges, reservedRanges } from '../../modules/engine/layout/device-tree/memory.js'
import { readPpc64Kernel } from '../../modules/engine/layout/ppc64/vmlinux.js'
import { unpackedKernel } from '../../modules/engine/layout/x86_64/unpacked-kernel.js'
import { readVmlinux } from '../../modules/engine/layout/x86_64/vmlinux.js'
import { KexecError } from '../../modules/errors.js'
import { containers } from './image-seeds.mjs'
import { answered, Violations } from './sentence.mjs'

const fixtures = join(import.meta.dirname, '../fixtures')
const bzImage = readFileSync(join(fixtures, 'kernels/vmlinuz-6.1.0-50-cloud-amd64.head'))
const isRefused = (error) => error instanceof KexecError

export const segmentTargets = [
  { name: 'fdt', more: trees, parser: 'device-tree/read', reaches: 'readName', read: readFlatTree },
  {
    name: 'device-tree',
    more: trees,
    parser: 'device-tree',
    reaches: 'writeNode',
    read: readAndWriteTree,
  },
  {
    name: 'elf-kernel',
    seeds: /\/kernels\/vmlinux-.*\.head$/,
    more: kernels,
    parser: 'engine/layout/x86_64/vmlinux',
    reaches: 'bytesOf',
    read: readKernel,
  },
  {
    name: 'relocations',
    more: kernels,
    parser: 'engine/layout/x86_64',
    reaches: 'placesOf',
    read: moveKernel,
  },
]

/** Trees by dtc, and that of an emulated machine. */
function trees() {
  const machine = join(fixtures, 'segments/riscv64-6.12.tar.gz')
  return [...containers().tree, execFileSync('tar', ['-xzOf', machine, './sys/firmware/fdt'], { stdio: 'pipe' })]
}

function readFlatTree(bytes) {
  const violations = new Violations()
  const root = listDeviceTree(memoryBytes(bytes))
  if (typeof root === 'string') violations.sentences([root])
  else {
    for (const { offset, length } of root.properties.values()) {
      violations.check(offset + length <= bytes.length, 'a property lies outside of the tree')
    }
    const chosen = childOf(root, 'chosen')
    for (const text of stringsOf(root, 'compatible')) violations.check(typeof text === 'string', 'a text is missing')
    for (const name of ['linux,initrd-start', '#address-cells']) numberOf(chosen, name)
  }
  return violations.found
}

/** What was read is what is written, and what is made of it can be read. */
function readAndWriteTree(bytes) {
  const violations = new Violations()
  const tree = answered(violations, isRefused, () => readDeviceTree(bytes, '/board.dtb'))
  if (tree === undefined) return violations.found
  const again = (written) => answered(violations, isRefused, () => readDeviceTree(written, '/written.dtb'))
  violations.check(isDeepStrictEqual(again(writeDeviceTree(tree)), tree), 'what is written is not what was read')
  for (const { start, end } of [...memoryRanges(tree), ...reservedRanges(tree)]) {
    violations.check(start >= 0 && end >= start && Number.isSafeInteger(end), `a range is from ${start} to ${end}`)
  }
  const told = {
    commandLine: 'quiet',
    initrd: { address: 0x8400_0000, length: 0x1000 },
    kaslrSeed: null,
    rngSeed: Buffer.alloc(128, 1),
    crash: { header: { start: 0x9000_0000, end: 0x9000_1000 }, usable: [{ start: 0x8000_0000, end: 0x8800_0000 }] },
  }
  const handed = handOver(adopted(tree, tree), told)
  const read = again(writeDeviceTree(handed))
  violations.check(isDeepStrictEqual(read?.root, handed.root), 'what is handed over is not what was made')
  return violations.found
}

/** Two parts, section headers and the lists of arch/x86/tools/relocs.c, before Linux 6.15, since then, and none. */
function kernels() {
  const first = [0, 0x81000000, 0, 0x81000008, 0, 0x8100000c, 0x81200000]
  return [first, [0, 0x81000000, 0x81000010, 0, 0x8100000c], [0, 0, 0], []].map(elfKernel)
}

function elfKernel(relocations) {
  const parts = [
    { physical: 0x1000000, offset: 256, length: 64, size: 4096 },
    { physical: 0x1200000, offset: 320, length: 64, size: 8192 },
  ]
  const kernel = Buffer.alloc(448 + 4 * relocations.length, 0x90)
  kernel.fill(0, 0, 256).fill(0, 384)
  kernel.write('\x7fELF\x02\x01\x01', 'latin1')
  kernel.writeUInt16LE(62, 18)
  kernel.writeBigUInt64LE(0x1000000n, 24)
  kernel.writeBigUInt64LE(64n, 32)
  kernel.writeBigUInt64LE(384n, 40)
  for (const [at, value] of [
    [52, 64],
    [54, 56],
    [56, 2],
    [58, 64],
    [60, 1],
  ])
    kernel.writeUInt16LE(value, at)
  for (const [index, { physical, offset, length, size }] of parts.entries()) {
    const at = 64 + 56 * index
    kernel.writeUInt32LE(1, at)
    const fields = [offset, 0xffffffff80000000n + BigInt(physical), physical, length, size]
    for (const [field, value] of fields.entries()) kernel.writeBigUInt64LE(BigInt(value), at + 8 + 8 * field)
  }
  for (const [index, value] of relocations.entries()) kernel.writeUInt32LE(value, 448 + 4 * index)
  return kernel
}

function readKernel(bytes) {
  const violations = new Violations()
  const source = memoryBytes(bytes)
  const kernel = answered(violations, isRefused, () => readVmlinux(source))
  if (kernel !== undefined) {
    const copied = kernel.bytes()
    violations.check(copied.length === kernel.parts.length, `${copied.length} pieces for ${kernel.parts.length} parts`)
    const { size } = kernel.whole
    for (const [index, { offset, length }] of kernel.parts.entries()) {
      violations.check(copied[index].length === length, `a part of ${length} bytes has ${copied[index].length}`)
      violations.check(offset >= 0 && offset + length <= size, `a part ends at ${offset + length} of ${size}`)
    }
  }
  const power = answered(violations, isRefused, () => readPpc64Kernel(source))
  if (power !== undefined) violations.check(power.bytes().length === power.length, 'a POWER kernel has another length')
  return violations.found
}

/** Whatever the lists say, a kernel keeps its size, and what is refused stays as it was. */
function moveKernel(bytes) {
  const violations = new Violations()
  const moved = Buffer.from(bytes)
  const usable = [{ start: 0x100000, end: 0x8000_0000 }]
  const made = answered(violations, isRefused, () => unpackedKernel(bzImage, moved, usable, 'quiet'))
  if (made === undefined) violations.check(moved.equals(bytes), 'a kernel that was refused has been changed')
  else for (const { whole } of made.kernels) violations.check(whole.size > 0, 'a kernel takes no memory')
  return violations.found
}
