import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { x86_64 } from '../../../../src/engine/layout/x86_64/x86_64.ts'
import { KexecError } from '../../../../src/errors.ts'
import type { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'
import { debianKernel, segmentMachine } from './machines.ts'

const { bytes: kernel } = debianKernel()

/** What the machine has set aside: 256 MiB. */
const region = { start: 0x3f000000, end: 0x4f000000 }

function build(system: System = segmentMachine('crash-6.12'), verify = false) {
  const image = x86_64.build(x86_64.readMachine(system, { panic: true }), {
    kernel,
    initrd: Buffer.alloc(5000, 'initrd'),
    commandLine: 'root=/dev/vda1',
    verify,
  })
  const holding = (text: string, at: number) => {
    const found = image.segments.find(
      ({ bytes }) => Buffer.from(bytes).toString('latin1', at, at + text.length) === text,
    )
    if (found === undefined) throw new Error(`no segment holds ${text}`)
    return { ...found, bytes: Buffer.from(found.bytes) }
  }
  return { image, header: holding('\x7fELF', 0), parameters: holding('HdrS', 0x202) }
}

/** The memory map of the boot parameters: type, first and last byte of each entry. */
function memoryMap(bytes: Buffer): string[] {
  return Array.from({ length: bytes[0x1e8] as number }, (_, index) => {
    const at = 0x2d0 + index * 20
    const start = bytes.readBigUInt64LE(at)
    const last = start + bytes.readBigUInt64LE(at + 8) - 1n
    return `${bytes.readUInt32LE(at + 16)} 0x${start.toString(16)}-0x${last.toString(16)}`
  })
}

test('all of it lies in what is set aside, for the call that a panic starts', () => {
  const { image } = build()
  for (const { address, size } of image.segments) {
    expect([address >= region.start, address + size <= region.end]).toEqual([true, true])
  }
  // KEXEC_ARCH_X86_64, KEXEC_ON_CRASH, KEXEC_UPDATE_ELFCOREHDR: this kernel writes the ELF header anew when CPUs come.
  expect(image.flags).toBe(62 * 2 ** 16 + 5)
})

test('it is told to use what is set aside and the first MiB, but not where the ELF header lies', () => {
  const { header, parameters } = build()
  const { address, size } = header
  const map = memoryMap(parameters.bytes)
  // This kernel wants 917616 bytes for it.
  expect(size).toBe(917_616 + (4096 - (917_616 % 4096)))
  const ram = map.filter((line) => line.startsWith('1 '))
  expect(ram).toEqual([
    '1 0x0-0x9fbff',
    `1 0x3f000000-0x${(address - 1).toString(16)}`,
    `1 0x${(address + size).toString(16)}-0x4effffff`,
  ])
  expect(map).toContain('2 0x4ffdd000-0x4fffffff')
  const commandLine = parameters.bytes.readUInt32LE(0x228) - parameters.address
  const text = parameters.bytes.toString('latin1', commandLine, parameters.bytes.indexOf(0, commandLine))
  expect(text).toBe(`elfcorehdr=0x${address.toString(16)} root=/dev/vda1`)
})

test('readelf reads the header: notes of each CPU and of the kernel, the kernel, and the memory but what is set aside', () => {
  const file = join(makeTree({}), 'header')
  writeFileSync(file, build().header.bytes)
  const text = execFileSync('readelf', ['-lW', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  expect(text).toContain('Elf file type is CORE (Core file)')
  const rows = text.split('\n').flatMap((line) => {
    const [, type, ...numbers] = /^ +(NOTE|LOAD) +(0x\w+) (0x\w+) (0x\w+) (0x\w+) (0x\w+)/.exec(line) ?? []
    return type === undefined ? [] : [[type, ...numbers.map((each) => BigInt(each).toString(16))].join(' ')]
  })
  expect(rows).toEqual([
    expect.stringMatching(/^NOTE (\w+) 0 \1 170 170$/),
    'NOTE 4fb3d800 0 4fb3d800 170 170',
    'NOTE 4a44000 0 4a44000 1024 1024',
    // _text and _end of /proc/kallsyms; the direct map of a kernel with 5 levels of page tables, without KASLR.
    'LOAD 1000000 ffffffff81000000 1000000 2c30000 2c30000',
    'LOAD 100000 ff11000000100000 100000 3ef00000 3ef00000',
    'LOAD 4f000000 ff1100004f000000 4f000000 fdd000 fdd000',
  ])
})

test('what is hashed before it starts leaves the ELF header out, which may change', () => {
  const { image, header } = build(segmentMachine('crash-6.12'), true)
  const own = Buffer.from(image.segments.find(({ address }) => address === image.entry)?.bytes ?? [])
  const table = own.indexOf(Buffer.from('48bf', 'hex'))
  const at = Number(own.readBigUInt64LE(table + 2)) - image.entry
  const addresses = Array.from({ length: Number(own.readBigUInt64LE(at + 32)) }, (_, index) =>
    Number(own.readBigUInt64LE(at + 40 + index * 16)),
  )
  expect(addresses).toHaveLength(3)
  expect(addresses).not.toContain(header.address)
})

test.each<[string, Tree, string]>([
  ['nothing set aside', { '/proc/iomem': { text: '00100000-4ffdcfff : System RAM\n' } }, 'no-crash-memory'],
  ['no vmcoreinfo', { '/sys/kernel/vmcoreinfo': { text: '' } }, 'not-readable'],
  ['a /proc/kcore that may not be read', { '/proc/kcore': { text: '' } }, 'not-readable'],
  [
    'a kernel that wants its first 640 KiB copied',
    { '/proc/sys/kernel/osrelease': { text: '5.4.0\n' } },
    'invalid-argument',
  ],
])('%s: refused', (_, changed, reason) => {
  expect(() => build(segmentMachine('crash-6.12', changed))).toThrow(expect.objectContaining({ reason, refused: true }))
})

test('whatever those files hold, they are read or refused with a reason', () => {
  const text = fc.oneof(
    fc.string(),
    fc.bigInt({ min: 0n, max: 2n ** 70n }).map((value) => value.toString(16)),
  )
  fc.assert(
    fc.property(text, text, text, fc.uint8Array({ maxLength: 400 }), (note, size, space, kcore) => {
      const head = Buffer.from(kcore)
      if (head.length > 64) head.writeUInt16LE(5, 56)
      const system = segmentMachine('crash-6.12', {
        '/sys/devices/system/cpu/cpu1/crash_notes': { text: note },
        '/sys/devices/system/cpu/cpu1/crash_notes_size': { text: size },
        '/sys/kernel/vmcoreinfo': { text: `${note} ${size}` },
        '/sys/kernel/crash_elfcorehdr_size': { text: space },
        '/proc/kcore': { file: head },
      })
      try {
        build(system)
      } catch (error) {
        expect(error).toBeInstanceOf(KexecError)
      }
    }),
    { numRuns: 40 },
  )
})
