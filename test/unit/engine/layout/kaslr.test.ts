import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { randomPhysical, wantsKaslr } from '../../../../src/engine/layout/x86_64/kaslr.ts'
import { findRelocations, relocate } from '../../../../src/engine/layout/x86_64/relocations.ts'

const MEBIBYTE = 2 ** 20

/** An ELF file's end as the build leaves it: one section header, and behind it the lists that arch/x86/tools/relocs.c writes. */
function kernelWith(content: Buffer, lists: readonly number[]): Buffer {
  const header = Buffer.alloc(64)
  header.writeBigUInt64LE(BigInt(64 + content.length), 40)
  header.writeUInt16LE(64, 58)
  header.writeUInt16LE(1, 60)
  const appended = Buffer.alloc(lists.length * 4)
  for (const [index, value] of lists.entries()) appended.writeUInt32LE(value, index * 4)
  return Buffer.concat([header, content, Buffer.alloc(64), appended])
}

describe('relocations', () => {
  // What real kernels bring is proven in a machine: test/vm/fast.test.ts.
  const ranges = [{ virtual: 0x81000000, offset: 64, length: 32 }]

  test('as kernels before 6.15 have them: 64 bits, those that fall, 32 bits', () => {
    const content = Buffer.alloc(32)
    content.writeBigUInt64LE(0xffffffff_81234560n, 0)
    content.writeInt32LE(-0x100, 8)
    content.writeUInt32LE(0x81234560, 12)
    const kernel = kernelWith(content, [0, 0x81000000, 0, 0x81000008, 0, 0x8100000c])
    const found = findRelocations(kernel)
    expect(found && relocate(kernel, found, ranges, 0x200000)).toBe(true)
    expect(kernel.readBigUInt64LE(64)).toBe(0xffffffff_81434560n)
    expect(kernel.readInt32LE(72)).toBe(-0x100 - 0x200000)
    expect(kernel.readUInt32LE(76)).toBe(0x81434560)
  })

  test('as kernels since 6.15 have them: 64 bits and 32 bits', () => {
    const found = findRelocations(kernelWith(Buffer.alloc(32), [0, 0x81000000, 0x81000010, 0, 0x8100000c]))
    expect([...(found?.quads ?? [])]).toEqual([0x81000000, 0x81000010])
    expect([...(found?.inverse ?? [])]).toEqual([])
    expect([...(found?.words ?? [])]).toEqual([0x8100000c])
  })

  test('a carry goes into the upper half', () => {
    const content = Buffer.alloc(32)
    content.writeBigUInt64LE(0x1_ffffffffn, 0)
    const kernel = kernelWith(content, [0, 0x81000000, 0])
    const found = findRelocations(kernel)
    expect(found && relocate(kernel, found, ranges, 0x200000)).toBe(true)
    expect(kernel.readBigUInt64LE(64)).toBe(0x2_001fffffn)
  })

  test('one that lies outside of the kernel leaves it as it was', () => {
    const kernel = kernelWith(Buffer.alloc(32, 'k'), [0, 0x81000000, 0x81000020, 0, 0x8100000c])
    const before = Buffer.from(kernel)
    const found = findRelocations(kernel)
    expect(found && relocate(kernel, found, ranges, 0x200000)).toBe(false)
    expect(kernel.equals(before)).toBe(true)
  })

  test('whatever bytes a kernel has, they are relocations or none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.uint8Array({ maxLength: 64 }), (bytes, appended) => {
        const kernel = Buffer.concat([kernelWith(Buffer.from(bytes), []), appended])
        const found = findRelocations(kernel)
        if (found !== null) relocate(kernel, found, ranges, 0x200000)
      }),
    )
  })
})

test('a random place lies in the memory that is given, aligned, above where the kernel was linked to', () => {
  const usable = [
    { start: MEBIBYTE, end: 20 * MEBIBYTE },
    { start: 64 * MEBIBYTE, end: 100 * MEBIBYTE },
  ]
  const asked = { lowest: 16 * MEBIBYTE, size: 30 * MEBIBYTE, alignment: 2 * MEBIBYTE }
  const places = Array.from({ length: 200 }, () => randomPhysical(usable, 'ro', asked))
  expect([...new Set(places)].sort()).toEqual([64, 66, 68, 70].map((each) => each * MEBIBYTE))
  expect(randomPhysical(usable, 'ro mem=2G', asked)).toBeUndefined()
  expect(randomPhysical(usable, 'ro', { ...asked, size: 40 * MEBIBYTE })).toBeUndefined()
})

test('nokaslr is a word of its own', () => {
  expect(wantsKaslr('ro nokaslr')).toBe(false)
  expect(wantsKaslr('ro nokaslrx xnokaslr kaslr')).toBe(true)
})
