import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Piece, place } from '../../../../src/engine/layout/segments/placement.ts'
import { x86_64 } from '../../../../src/engine/layout/x86_64/x86_64.ts'
import { KexecError } from '../../../../src/errors.ts'
import { readResources, usableMemory } from '../../../../src/system/memory-map.ts'
import { type MemoryRange, merged, wholePages, within, without } from '../../../../src/system/memory-ranges.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree } from '../../entries/tree.ts'
import { segmentMachine } from './machines.ts'

const PAGE = 4096

/** Ranges in a small memory, whose every byte can be looked at. */
const ranges = fc.array(
  fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 12 })).map(([start, length]) => ({ start, end: start + length })),
  { maxLength: 8 },
)
const bytesOf = (list: readonly MemoryRange[]) =>
  new Set(list.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, index) => start + index)))

test('ranges: what one list has and the other has not, what both have, and all in one', () => {
  fc.assert(
    fc.property(ranges, ranges, (one, other) => {
      const [mine, theirs] = [bytesOf(one), bytesOf(other)]
      expect(bytesOf(without(merged(one), other))).toEqual(new Set([...mine].filter((byte) => !theirs.has(byte))))
      expect(bytesOf(within(merged(one), merged(other)))).toEqual(new Set([...mine].filter((byte) => theirs.has(byte))))
      const whole = merged(one)
      expect(bytesOf(whole)).toEqual(mine)
      for (const [index, range] of whole.entries())
        expect(range.start).toBeGreaterThan(whole[index - 1]?.end ?? Number.NEGATIVE_INFINITY)
      for (const { start, end } of wholePages(one, 4)) expect([start % 4, end % 4, end > start]).toEqual([0, 0, true])
    }),
  )
})

const piece: fc.Arbitrary<Piece> = fc.record({
  name: fc.constant('kernel'),
  length: fc.nat(PAGE),
  size: fc.integer({ min: 1, max: 40 }).map((pages) => pages * PAGE),
  alignment: fc.constantFrom(PAGE, 4 * PAGE, 16 * PAGE),
  lowest: fc.nat(100).map((pages) => pages * PAGE + 1),
  limit: fc.constantFrom(80 * PAGE, 200 * PAGE, Number.POSITIVE_INFINITY),
})

test('what is placed lies inside usable memory, aligned, within its limits and on nothing else; or nothing is placed', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 18 }), ranges, (pieces, small) => {
      const usable = merged(small.map(({ start, end }) => ({ start: start * 8 * PAGE, end: end * 8 * PAGE })))
      let placed: ReturnType<typeof place>
      try {
        placed = place(pieces, usable)
      } catch (error) {
        expect(error).toBeInstanceOf(KexecError)
        expect(['no-memory-hole', 'kernel-refused']).toContain((error as KexecError).reason)
        return
      }
      expect(placed).toHaveLength(pieces.length)
      let end = 0
      for (const { address, size } of placed) {
        expect(address).toBeGreaterThanOrEqual(end)
        end = address + size
        expect(usable.some((range) => range.start <= address && address + size <= range.end)).toBe(true)
      }
    }),
  )
})

test('more than 16 segments are refused', () => {
  const one = { name: 'kernel', length: 1, size: PAGE, alignment: PAGE, lowest: 0, limit: Number.POSITIVE_INFINITY }
  const usable = [{ start: 0, end: 100 * PAGE }]
  expect(place(Array(16).fill(one), usable)).toHaveLength(16)
  expect(() => place(Array(17).fill(one), usable)).toThrow(expect.objectContaining({ reason: 'kernel-refused' }))
})

test('whatever /proc/iomem, the firmware map and the boot parameters hold, it is read or refused with a reason', () => {
  const line = fc.oneof(
    fc.string(),
    fc
      .tuple(
        fc.constantFrom('', '  ', '    '),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.constantFrom('System RAM', 'Reserved', 'Kernel code', 'x'),
      )
      .map(([indent, start, end, name]) => `${indent}${start.toString(16)}-${end.toString(16)} : ${name}`),
  )
  const numbers = fc.oneof(
    fc.string(),
    fc.bigInt({ min: 0n, max: 2n ** 70n }).map((value) => `0x${value.toString(16)}`),
  )
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 20 }),
      numbers,
      numbers,
      fc.string(),
      fc.uint8Array({ minLength: 4096, maxLength: 4096 }),
      (lines, start, end, type, parameters) => {
        const root = makeTree({
          '/proc/iomem': { text: lines.join('\n') },
          '/sys/firmware/memmap/0/start': { text: start },
          '/sys/firmware/memmap/0/end': { text: end },
          '/sys/firmware/memmap/0/type': { text: type },
          '/sys/kernel/boot_params/data': { file: Buffer.from(parameters) },
          '/sys/firmware/efi/runtime-map/0/type': { text: start },
        })
        try {
          x86_64.readMachine(new System(root))
        } catch (error) {
          expect(error).toBeInstanceOf(KexecError)
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('what lies in RAM and outlives the kernel is left alone, the running kernel itself is not', () => {
  const system = segmentMachine('bios-6.1', {
    '/proc/iomem': {
      text: [
        '00100000-3ffdcfff : System RAM',
        '  01000000-01e01ef1 : Kernel code',
        '  10000000-1fffffff : Crash kernel',
        '  20000000-20ffffff : a table of the firmware',
        '100000000-13fffffff : System RAM (virtio_mem)',
        '',
      ].join('\n'),
    },
  })
  const { ram, occupied } = usableMemory(readResources(system))
  expect(ram).toEqual([{ start: 0x100000, end: 0x3ffdd000 }])
  expect(occupied).toEqual([{ start: 0x20000000, end: 0x21000000 }])
})
