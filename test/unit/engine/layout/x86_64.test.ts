import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SegmentImage } from '../../../../src/engine/layout/segments/segment.ts'
import { bzImageKernel } from '../../../../src/engine/layout/x86_64/bzimage.ts'
import { layOutKernel, x86_64 } from '../../../../src/engine/layout/x86_64/x86_64.ts'
import type { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'
import { debianKernel, type MachineName, segmentMachine } from './machines.ts'

const MEBIBYTE = 2 ** 20
const GIBIBYTE = 2 ** 30

const { bytes: kernel, header } = debianKernel()

function build(
  system: System,
  initrd: Buffer | null = Buffer.alloc(5000, 'initrd'),
  commandLine = 'root=/dev/vda1 ro',
) {
  return x86_64.build(x86_64.readMachine(system), { kernel, initrd, commandLine })
}

/** What lies at a physical address when the new kernel starts. */
function memory({ segments }: SegmentImage, address: number, length: number): Buffer {
  const segment = segments.find((each) => each.address <= address && address + length <= each.address + each.size)
  if (segment === undefined) throw new Error(`nothing was placed at ${address.toString(16)}`)
  const start = address - segment.address
  const all = Buffer.alloc(length)
  Buffer.from(segment.bytes.subarray(start, start + length)).copy(all)
  return all
}

/** The trampoline as objdump reads it, for what the processor would do. */
function disassembled(image: SegmentImage): string {
  const file = join(makeTree({}), 'trampoline')
  writeFileSync(file, memory(image, image.entry, 0x100))
  const at = `--adjust-vma=0x${image.entry.toString(16)}`
  return execFileSync(
    'objdump',
    ['-D', '-b', 'binary', '-m', 'i386:x86-64', '-M', 'intel', '--no-show-raw-insn', at, file],
    {
      encoding: 'utf8',
    },
  )
}

/** Where the trampoline says that the boot parameters and the kernel are. */
function registers(image: SegmentImage): { parameters: number; entry: number } {
  const code = disassembled(image)
  const [, parameters] = /movabs rsi,0x([0-9a-f]+)/.exec(code) ?? []
  const [, entry] = /movabs rax,0x([0-9a-f]+)\n.*jmp +rax/.exec(code) ?? []
  return { parameters: Number(`0x${parameters}`), entry: Number(`0x${entry}`) }
}

/** The boot parameters' own 4096 bytes. */
function zeroPage(image: SegmentImage): Buffer {
  return memory(image, registers(image).parameters, 4096)
}

/** The memory map that the new kernel reads: type and range of each entry, those of setup_data too. */
function memoryMap(image: SegmentImage): string[] {
  const page = zeroPage(image)
  const table = page.subarray(0x2d0, 0x2d0 + (page[0x1e8] as number) * 20)
  const more = setupData(image).filter(({ type }) => type === 1)
  const bytes = Buffer.concat([table, ...more.map(({ content }) => content)])
  return Array.from({ length: bytes.length / 20 }, (_, index) => {
    const start = bytes.readBigUInt64LE(index * 20)
    const last = start + bytes.readBigUInt64LE(index * 20 + 8) - 1n
    return `${bytes.readUInt32LE(index * 20 + 16)} 0x${start.toString(16)}-0x${last.toString(16)}`
  })
}

/** Follows the list that the boot parameters point to. */
function setupData(image: SegmentImage): { type: number; content: Buffer }[] {
  const found: { type: number; content: Buffer }[] = []
  for (let at = Number(zeroPage(image).readBigUInt64LE(0x250)); at !== 0; ) {
    const head = memory(image, at, 16)
    found.push({ type: head.readUInt32LE(8), content: memory(image, at + 16, head.readUInt32LE(12)) })
    at = Number(head.readBigUInt64LE(0))
  }
  return found
}

/** What `/sys/firmware/memmap` of the machine says, in the same words. */
function firmwareMap(system: System): string[] {
  const numbers: Record<string, number> = { 'System RAM': 1, Reserved: 2, 'ACPI Tables': 3 }
  return system
    .list('/sys/firmware/memmap')
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => {
      const read = (file: string) => system.readText(`/sys/firmware/memmap/${name}/${file}`)?.trim() ?? ''
      const type = numbers[read('type')] ?? (read('type').startsWith('ACPI') ? 4 : 20)
      return `${type} ${read('start')}-${read('end')}`
    })
}

test.each<MachineName>(['bios-6.1', 'bios-6.12-5g', 'uefi-6.1'])(
  '%s: everything lies in RAM, in whole pages, and nothing on anything else',
  (name) => {
    const system = segmentMachine(name)
    const { segments } = build(system)
    const ram = (system.readText('/proc/iomem') ?? '')
      .split('\n')
      .flatMap((line) => /^([0-9a-f]+)-([0-9a-f]+) : System RAM$/.exec(line) ?? [])
    expect(segments).toHaveLength(4)
    let last = MEBIBYTE
    for (const { address, size, bytes } of segments) {
      expect([address % 4096, size % 4096]).toEqual([0, 0])
      expect(bytes.length).toBeLessThanOrEqual(size)
      expect(address).toBeGreaterThanOrEqual(last)
      last = address + size
      const isRam = ram.some((_, at) => {
        const [start, end] = [Number(`0x${ram[at + 1]}`), Number(`0x${ram[at + 2]}`)]
        return at % 3 === 0 && start <= address && address + size - 1 <= end
      })
      expect(isRam).toBe(true)
    }
  },
)

test.each<MachineName>(['bios-6.1', 'bios-6.12-5g', 'uefi-6.1'])(
  '%s: the new kernel reads the memory map that the firmware gave',
  (name) => {
    const system = segmentMachine(name)
    expect(memoryMap(build(system))).toEqual(firmwareMap(system))
  },
)

test('the trampoline loads the segments that the boot protocol asks for, rsi, and jumps into the kernel', () => {
  const image = build(segmentMachine('bios-6.1'))
  const code = disassembled(image)
  const { parameters, entry } = registers(image)
  expect(code).not.toContain('(bad)')
  expect(code).toMatch(/cli\s[\s\S]*lgdt +\[rax\][\s\S]*mov +ss,eax[\s\S]*retfq[\s\S]*jmp +rax/)
  // The far return goes to the instruction behind it, with __BOOT_CS.
  const [, target] = /push +0x10\n.*movabs rax,0x([0-9a-f]+)\n.*push +rax\n.*retfq/.exec(code) ?? []
  expect(code).toMatch(new RegExp(`retfq *\\n +${target}:\\t.*movabs rsi`))
  // The first entry of the topmost page table keeps bits 0 to 51, which are all that a processor reads of an address.
  expect(code).toMatch(
    /mov +rax,cr3\n.*and +rax,0xf{13}000\n.*rcx,QWORD PTR \[rax\]\n.*shl +rcx,0xc\n.*shr +rcx,0xc\n.*\[rax\],rcx/,
  )
  // The GDT pointer leads to a GDT with flat code and data descriptors at 0x10 and 0x18.
  const [, pointer] = /movabs rax,0x([0-9a-f]+)\n.*lgdt/.exec(code) ?? []
  const table = Number(memory(image, Number(`0x${pointer}`) + 2, 8).readBigUInt64LE())
  expect(memory(image, table, 32).toString('hex')).toBe(`${'00'.repeat(16)}ffff0000009aaf00ffff00000092cf00`)
  const [start] = image.segments.filter(({ bytes }) => bytes.length > MEBIBYTE)
  expect(entry).toBe((start?.address ?? 0) + 0x200)
  expect(memory(image, entry - 0x200, 14).toString()).toBe('protected mode')
  expect(memory(image, parameters + 0x202, 4).toString()).toBe('HdrS')
})

test('command line, initrd and random numbers are where the boot parameters say', () => {
  const initrd = Buffer.from('the initrd')
  const image = build(segmentMachine('bios-6.1'), initrd, 'root=/dev/vda1 ro „ü“')
  const page = zeroPage(image)
  const line = memory(image, page.readUInt32LE(0x228), 30)
  expect(line.toString('utf8', 0, line.indexOf(0))).toBe('root=/dev/vda1 ro „ü“')
  expect(memory(image, page.readUInt32LE(0x218), page.readUInt32LE(0x21c))).toEqual(initrd)
  const [seed, ...others] = setupData(image)
  expect({ type: seed?.type, length: seed?.content.length, others }).toEqual({ type: 9, length: 32, others: [] })
  expect(setupData(build(segmentMachine('bios-6.1')))[0]?.content).not.toEqual(seed?.content)
})

test('without an initrd there is none', () => {
  const image = build(segmentMachine('bios-6.1'), null)
  expect(image.segments).toHaveLength(3)
  expect(zeroPage(image).subarray(0x218, 0x220)).toEqual(Buffer.alloc(8))
})

test('the setup header is the image’s, the screen and ACPI’s root pointer are the machine’s', () => {
  const system = segmentMachine('bios-6.1')
  const page = zeroPage(build(system))
  const running = system.readHead('/sys/kernel/boot_params/data', 4096)
  expect(page.subarray(0x248, 0x250)).toEqual(kernel.subarray(0x248, 0x250))
  expect(page.subarray(0x258, 0x26c)).toEqual(kernel.subarray(0x258, 0x26c))
  expect(page.readBigUInt64LE(0x70)).toBe(0xf59d0n)
  expect(page.subarray(4, 64)).toEqual(running.subarray(4, 64))
  // Of the loader that came before nothing is left: neither its heap nor its name.
  expect([page[0x210], page[0x211]]).toEqual([0xd0, 1])
  // Sentinel: nonzero would make the kernel distrust all of it (arch/x86/include/asm/bootparam_utils.h).
  expect(page[0x1ef]).toBe(0)
  expect(page.readUInt32LE(0x1e0)).toBe((0x3ffdd000 - MEBIBYTE) / 1024)
})

test('an EFI machine: the new kernel finds its system table, its runtime services and its tables again', () => {
  const system = segmentMachine('uefi-6.1')
  const image = build(system)
  const [page, running] = [zeroPage(image), system.readHead('/sys/kernel/boot_params/data', 4096)]
  expect(page.toString('latin1', 0x1c0, 0x1c4)).toBe('EL64')
  expect(page.readUInt32LE(0x1c4)).toBe(running.readUInt32LE(0x1c4))
  const [size, map, length] = [0x1c8, 0x1d0, 0x1d4].map((at) => page.readUInt32LE(at)) as [number, number, number]
  expect(length / size).toBe(system.list('/sys/firmware/efi/runtime-map').length)
  const first = memory(image, map, size)
  const words = [0, 8, 16, 24, 32].map((at) => `0x${first.readBigUInt64LE(at).toString(16)}`)
  const shown = ['type', 'phys_addr', 'virt_addr', 'num_pages', 'attribute'].map((file) =>
    system.readText(`/sys/firmware/efi/runtime-map/0/${file}`)?.trim(),
  )
  expect(words).toEqual(shown)
  const efi = setupData(image).find(({ type }) => type === 4)?.content
  const shownTables = ['fw_vendor', 'runtime', 'config_table'].map((file) =>
    system.readText(`/sys/firmware/efi/${file}`)?.trim(),
  )
  expect([0, 8, 16].map((at) => `0x${efi?.readBigUInt64LE(at).toString(16)}`)).toEqual(shownTables)
  expect(efi?.readBigUInt64LE(24)).toBe(0x3e5d4000n)
  expect(page.readBigUInt64LE(0x70)).toBe(0x3e77d014n)
})

test('an EFI machine whose services are off is passed none, and ACPI is found all the same', () => {
  const hidden: Tree = { '/sys/firmware/efi/fw_vendor': 'empty' }
  const page = zeroPage(build(segmentMachine('uefi-6.1', hidden)))
  expect(page.subarray(0x1c0, 0x1e0)).toEqual(Buffer.alloc(32))
  expect(page.readBigUInt64LE(0x70)).toBe(0x3e77d014n)
})

test('what the running kernel found to be reserved stays so, and is left alone', () => {
  const iomem = segmentMachine('bios-6.1').readText('/proc/iomem') ?? ''
  const text = iomem.replace(
    '00100000-3ffdcfff : System RAM\n',
    '00100000-017fffff : System RAM\n01800000-01ffffff : Reserved\n02000000-3ffdcfff : System RAM\n',
  )
  const image = build(segmentMachine('bios-6.1', { '/proc/iomem': { text } }))
  expect(memoryMap(image)).toContain('2 0x1800000-0x1ffffff')
  expect(memoryMap(image)).toContain('1 0x2000000-0x3ffdcfff')
  expect(registers(image).entry).toBe(0x2000200)
})

test('a map of more than 128 entries goes on in setup_data', () => {
  const map: Tree = Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => {
      const start = 0x100000000 + index * 0x2000
      const directory = `/sys/firmware/memmap/${100 + index}`
      return [
        [`${directory}/start`, { text: `0x${start.toString(16)}\n` }],
        [`${directory}/end`, { text: `0x${(start + 0xfff).toString(16)}\n` }],
        [`${directory}/type`, { text: 'Soft Reserved\n' }],
      ] as const
    }).flat(),
  )
  const image = build(segmentMachine('bios-6.1', map))
  expect(zeroPage(image)[0x1e8]).toBe(128)
  expect(memoryMap(image)).toHaveLength(307)
  expect(memoryMap(image)).toContain('4026531839 0x100256000-0x100256fff')
})

test('without a firmware map the one that the kernel was booted with does', () => {
  const system = segmentMachine('bios-6.1')
  const expected = firmwareMap(system)
  execFileSync('rm', ['-r', join(system.root, 'sys/firmware/memmap')])
  expect(memoryMap(build(system))).toEqual(expected)
})

test('a large initrd goes where it fits, above 4 GiB if need be; an old kernel cannot have it there', () => {
  const machine = x86_64.readMachine(segmentMachine('bios-6.12-5g'))
  const initrdAt = (initrdLength: number, from = header) =>
    layOutKernel(machine, bzImageKernel(from), { commandLine: '', initrdLength, verify: false }).find(
      ({ name }) => name === 'initrd',
    )?.address
  expect(initrdAt(8 * MEBIBYTE)).toBeLessThan(16 * MEBIBYTE)
  expect(initrdAt(2 * GIBIBYTE)).toBeLessThan(4 * GIBIBYTE)
  const old = { ...header, extendedLoadFlags: ['kernel-64'], initrdAddressMaximum: 0x7fffffff }
  expect(initrdAt(GIBIBYTE, old)).toBeLessThan(GIBIBYTE)
  expect(() => initrdAt(2 * GIBIBYTE, old)).toThrow(/no free range of memory fits the initrd/)
  expect(() => initrdAt(3 * GIBIBYTE)).toThrow(expect.objectContaining({ reason: 'no-memory-hole', refused: true }))
})

test('zeros in place of addresses are told as such', () => {
  const text = '00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n'
  const system = segmentMachine('bios-6.1', { '/proc/iomem': { text } })
  expect(() => x86_64.readMachine(system)).toThrow(
    expect.objectContaining({ reason: 'not-readable', path: '/proc/iomem', hint: expect.stringContaining('root') }),
  )
})

test('a header with impossible numbers is no reason to fail otherwise', () => {
  for (const wrong of [
    { kernelAlignment: 0 },
    { kernelAlignment: 3 * MEBIBYTE },
    { kernelAlignment: 2 ** 31 },
    { initSize: 0 },
    { preferredAddress: Number.MAX_SAFE_INTEGER },
  ]) {
    expect(() => bzImageKernel({ ...header, ...wrong })).toThrow(
      expect.objectContaining({ reason: 'damaged-image', refused: true }),
    )
  }
})
