import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { memoryBytes } from '../../../../src/bytes/bytes.ts'
import { readVmlinux, type VmlinuxOptions } from '../../../../src/engine/layout/x86_64/vmlinux.ts'
import { layOutKernel, x86_64 } from '../../../../src/engine/layout/x86_64/x86_64.ts'
import { KexecError } from '../../../../src/errors.ts'
import { segmentMachine } from './machines.ts'

const PAGE = 4096
const MEBIBYTE = 2 ** 20

/** A part of a kernel, as its program header has it. */
interface Part {
  readonly physical: number
  readonly length: number
  readonly size?: number
  readonly fill?: string
}

/** An ELF file of these parts, one behind the other, with its entry point. */
function elf(parts: readonly Part[], entry = parts[0]?.physical ?? 0): Buffer {
  const table = 64 + parts.length * 56
  const bytes = Buffer.alloc(table + parts.reduce((sum, { length }) => sum + length, 0))
  bytes.write('\x7fELF\x02\x01\x01', 'latin1')
  bytes.writeUInt16LE(2, 16)
  bytes.writeUInt16LE(62, 18)
  bytes.writeBigUInt64LE(BigInt(entry), 24)
  bytes.writeBigUInt64LE(64n, 32)
  bytes.writeUInt16LE(56, 54)
  bytes.writeUInt16LE(parts.length, 56)
  let offset = table
  for (const [index, { physical, length, size = length, fill = 'x' }] of parts.entries()) {
    const at = 64 + index * 56
    bytes.writeUInt32LE(1, at)
    const words = [offset, physical, physical, length, size]
    for (const [word, value] of words.entries()) {
      const high = word === 1 ? 0xffffffff80000000n : 0n
      bytes.writeBigUInt64LE(BigInt.asUintN(64, high + BigInt(value)), at + 8 + word * 8)
    }
    bytes.fill(fill, offset, offset + length)
    offset += length
  }
  return bytes
}

/** Debian's kernel as long as it is, with what its headers say and nothing else. */
function debian(release: string, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  readFileSync(join(import.meta.dirname, `../../../fixtures/kernels/vmlinux-${release}.head`)).copy(bytes)
  return bytes
}

function build(kernel: Buffer, options: VmlinuxOptions = {}, system = segmentMachine('bios-6.1')) {
  return x86_64.build(
    x86_64.readMachine(system),
    { kernel, initrd: Buffer.from('an initrd'), commandLine: 'ro' },
    options,
  )
}

/** Where the trampoline jumps to: the operand of its last `mov rax`. */
function entryOf({ entry, segments }: ReturnType<typeof build>): number {
  const code = Buffer.from(segments.find(({ address }) => address === entry)?.bytes ?? [])
  return Number(code.readBigUInt64LE(code.indexOf(Buffer.from('48b8', 'hex'), code.indexOf('48be', 'hex')) + 2))
}

const bootParametersOf = ({ segments }: ReturnType<typeof build>) =>
  Buffer.from(segments.find(({ bytes }) => Buffer.from(bytes).toString('latin1', 0x202, 0x206) === 'HdrS')?.bytes ?? [])

test.each([
  // As readelf shows them: 4 and 2 parts of a fixed distance, and where the kernel begins to run.
  ['6.12.117+deb12-cloud-amd64', 57_575_404, [0x1000000, 0x2c00000, 0x32dd000, 0x3316000], 0x4200000, 0x1000b53],
  ['7.2.12+deb13-cloud-amd64', 62_077_252, [0x1000000, 0x3000000], 0x4800000, 0x38abf20],
])('Debian’s %s: its own addresses, and all that it needs kept free', (release, length, parts, end, entry) => {
  const kernel = debian(release, length)
  const image = build(kernel)
  const { whole } = readVmlinux(memoryBytes(kernel))
  const inKernel = image.segments.filter(({ address }) => address >= 0x1000000)
  expect(inKernel.map(({ address }) => address)).toEqual(parts)
  expect(whole).toMatchObject({ lowest: 0x1000000, size: end - 0x1000000 })
  expect(entryOf(image)).toBe(entry)
  for (const { bytes, size } of inKernel) expect(size - bytes.length).toBeLessThan(PAGE)
})

test('where its own address is taken the kernel moves as a whole, by multiples of 2 MiB, and its entry point with it', () => {
  const kernel = debian('7.2.12+deb13-cloud-amd64', 62_077_252)
  const text = '00100000-01ffffff : System RAM\n02101000-3fffffff : System RAM\n'
  const image = build(kernel, {}, segmentMachine('bios-6.1', { '/proc/iomem': { text } }))
  const addresses = image.segments.map(({ address }) => address).filter((address) => address >= 0x1000000)
  expect(addresses).toEqual([0x2200000, 0x4200000])
  expect(entryOf(image)).toBe(0x38abf20 + 0x1200000)
})

test('it goes where it is told, and nowhere else', () => {
  const kernel = debian('7.2.12+deb13-cloud-amd64', 62_077_252)
  const at = (physicalBase: number) => build(kernel, { physicalBase }).segments.map(({ address }) => address)
  expect(at(0x20000000)).toEqual(expect.arrayContaining([0x20000000, 0x22000000]))
  expect(() => at(0x20001000)).toThrow(expect.objectContaining({ reason: 'invalid-argument' }))
  expect(() => at(0x3e000000)).toThrow(expect.objectContaining({ reason: 'no-memory-hole' }))
})

test('the boot parameters are those of a loader; KASLR is told only where the kernel was moved', () => {
  const kernel = debian('7.2.12+deb13-cloud-amd64', 62_077_252)
  const page = bootParametersOf(build(kernel))
  // Protocol, loader, flags; read-only root; the initrd; a sentinel that is not set.
  expect([page.readUInt16LE(0x206), page[0x210], page[0x211]]).toEqual([0x20f, 0xd0, 1])
  expect([page.readUInt16LE(0x1f2), page.readUInt32LE(0x21c), page[0x1ef]]).toEqual([1, 9, 0])
  expect(bootParametersOf(build(kernel, { kaslr: true }))[0x211]).toBe(3)
})

describe('its parts', () => {
  const base = 16 * MEBIBYTE
  const read = (kernel: Buffer) => {
    const { parts, ...rest } = readVmlinux(memoryBytes(kernel))
    return { ...rest, parts, contents: rest.bytes() }
  }

  test('that share a page become one, with each byte where it belongs', () => {
    const { parts, contents } = read(
      elf([
        { physical: base + 100, length: 5000, fill: 'a' },
        { physical: base + 6000, length: 3000, fill: 'b' },
        { physical: base + 5 * PAGE, length: 10, fill: 'c' },
      ]),
    )
    expect(parts.map(({ offset, size }) => [offset, size])).toEqual([
      [0, 3 * PAGE],
      [5 * PAGE, PAGE],
    ])
    const [first, last] = contents
    const expected = Buffer.alloc(9000)
    expected.fill('a', 100, 5100).fill('b', 6000, 9000)
    expect(first?.equals(expected)).toBe(true)
    expect(last?.toString()).toBe('c'.repeat(10))
  })

  test('without bytes are the kernel’s to clear: kept free, not copied', () => {
    const { whole, parts } = read(
      elf([
        { physical: base, length: 10, size: 3 * PAGE },
        { physical: base + 3 * PAGE, length: 0, size: 9 * PAGE },
      ]),
    )
    expect([whole.size, parts]).toEqual([12 * PAGE, [{ offset: 0, length: 10, size: PAGE }]])
  })

  test('of more than kexec_load takes, those closest to each other become one; nothing is lost', () => {
    const many = Array.from({ length: 40 }, (_, index) => {
      return {
        physical: base + index * 4 * PAGE + (index % 3) * PAGE,
        length: PAGE,
        fill: String.fromCharCode(65 + index),
      }
    })
    const machine = x86_64.readMachine(segmentMachine('bios-6.1'))
    const kernel = read(elf(many))
    expect(
      layOutKernel(machine, kernel, { commandLine: '', initrdLength: 1, verify: true }).length,
    ).toBeLessThanOrEqual(16)
    const memory = Buffer.alloc(kernel.whole.size)
    for (const [index, { offset }] of kernel.parts.entries()) kernel.contents[index]?.copy(memory, offset)
    for (const { physical, fill } of many) {
      expect(memory.toString('latin1', physical - base, physical - base + PAGE)).toBe(fill.repeat(PAGE))
    }
  })

  test('an entry point that is a virtual address is found by its part', () => {
    const kernel = elf([
      { physical: base, length: PAGE },
      { physical: base + 4 * PAGE, length: PAGE },
    ])
    kernel.writeBigUInt64LE(0xffffffff80000000n + BigInt(base + 4 * PAGE + 16), 24)
    expect(read(kernel).entry).toBe(4 * PAGE + 16)
  })

  test.each<[string, Part[], number | undefined, string]>([
    [
      'overlap',
      [
        { physical: base, length: 100 },
        { physical: base + 50, length: 100 },
      ],
      undefined,
      'damaged-image',
    ],
    [
      'are further apart than a kernel is large',
      [
        { physical: base, length: 1 },
        { physical: 2 ** 32, length: 1 },
      ],
      undefined,
      'damaged-image',
    ],
    [
      'have more bytes in the file than in memory',
      [{ physical: base, length: 100, size: 50 }],
      undefined,
      'damaged-image',
    ],
    ['lie where no memory is', [{ physical: 2 ** 50, length: 100 }], undefined, 'damaged-image'],
    ['do not hold the entry point', [{ physical: base, length: 100 }], base + 100, 'damaged-image'],
    ['are none', [], undefined, 'damaged-image'],
  ])('that %s: damaged', (_, parts, entry, reason) => {
    expect(() => read(elf(parts, entry))).toThrow(expect.objectContaining({ reason, refused: true }))
  })

  test('that the file ends before: cut off', () => {
    const whole = elf([{ physical: base, length: 5000 }])
    for (const length of [whole.length - 1, 80])
      expect(() => read(whole.subarray(0, length))).toThrow(expect.objectContaining({ reason: 'truncated-kernel' }))
  })
})

test('whatever an ELF file says, it is laid out within its bounds or refused with a reason', () => {
  const word = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.integer({ min: 0, max: 64 * MEBIBYTE }).map(BigInt),
    fc.constantFrom(0n, 1n, 4096n, 0x1000000n, 2n ** 30n, 2n ** 40n),
  )
  const header = fc.tuple(fc.constantFrom(0, 1, 1, 1), fc.array(word, { minLength: 6, maxLength: 6 }))
  fc.assert(
    fc.property(fc.array(header, { maxLength: 20 }), word, fc.nat(130), (headers, entry, count) => {
      const kernel = elf([{ physical: 16 * MEBIBYTE, length: 4000 }])
      kernel.writeBigUInt64LE(entry, 24)
      kernel.writeUInt16LE(count, 56)
      for (const [index, [type, words]] of headers.entries()) {
        const at = 64 + index * 56
        kernel.writeUInt32LE(type, at)
        for (const [each, value] of words.entries()) kernel.writeBigUInt64LE(value, at + 8 + each * 8)
      }
      try {
        const { whole, parts, bytes, entry: start } = readVmlinux(memoryBytes(kernel))
        const contents = bytes()
        let end = 0
        for (const [index, { offset, length, size }] of parts.entries()) {
          expect(offset).toBeGreaterThanOrEqual(end)
          expect(contents[index]?.length).toBe(length)
          expect([offset % PAGE, size % PAGE, size >= length]).toEqual([0, 0, true])
          end = offset + size
        }
        expect(end).toBeLessThanOrEqual(whole.size)
        expect(start).toBeLessThan(whole.size)
      } catch (error) {
        expect(error).toBeInstanceOf(KexecError)
      }
    }),
    { numRuns: 3000 },
  )
})
