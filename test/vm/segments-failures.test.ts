import { beforeAll, describe, expect, test } from 'vitest'
import type { PlannedSegment } from '../../src/engine/layout/segments/segment.ts'
import { json, machineForFile } from './guests.ts'
import { INTERNALS, internals } from './internals.ts'

/** Cuts a vmlinux's parts into many: `cut.mjs FROM TO COUNT`; the new table of program headers comes last in the file. */
const cut = `
import { readFileSync, writeFileSync } from 'node:fs'
const [from, to, count] = process.argv.slice(2)
const elf = readFileSync(from)
const [table, headers] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(56)]
const loads = Array.from({ length: headers }, (_, index) => elf.subarray(table + index * 56, table + (index + 1) * 56))
  .filter((header) => header.readUInt32LE(0) === 1)
const sizeOf = (header) => Number(header.readBigUInt64LE(32))
const step = Math.ceil(loads.reduce((sum, header) => sum + sizeOf(header), 0) / Number(count) / 4096) * 4096
const parts = loads.flatMap((header) => {
  const pieces = []
  for (let at = 0; at < sizeOf(header); at += step) {
    const piece = Buffer.from(header)
    for (const field of [8, 16, 24]) piece.writeBigUInt64LE(BigInt.asUintN(64, header.readBigUInt64LE(field) + BigInt(at)), field)
    for (const field of [32, 40]) piece.writeBigUInt64LE(BigInt(Math.min(step, sizeOf(header) - at)), field)
    pieces.push(piece)
  }
  return pieces
})
elf.writeBigUInt64LE(BigInt(elf.length), 32)
elf.writeUInt16LE(parts.length, 56)
writeFileSync(to, Buffer.concat([elf, ...parts]))
console.log(parts.length)
`

/** An old kernel's wish: `low.mjs FROM TO ADDRESS`: a bzImage that takes its initrd below an address only. */
const low = `
import { readFileSync, writeFileSync } from 'node:fs'
const [from, to, address] = process.argv.slice(2)
const image = readFileSync(from)
image[0x236] &= ~2
image.writeUInt32LE(Number(address) - 1, 0x22c)
writeFileSync(to, image)
`

/** What `load --engine segments --verify-in-purgatory` does, and a bit of the initrd that is another by the time it is copied. */
const overwrite = `
import { readFileSync } from 'node:fs'
import { native, System, x86_64 } from '${INTERNALS}'
const [kernel, initrd] = process.argv.slice(2).map((path) => readFileSync(path))
const commandLine = readFileSync('/proc/cmdline', 'utf8').trim()
const { entry, segments, flags } = x86_64.build(
  x86_64.readMachine(new System()),
  { kernel, initrd, commandLine, verify: true },
)
initrd[initrd.length >> 1] ^= 1
console.log(native().kexecLoadSync(entry, segments, flags))
`

const MIB = 2 ** 20

/** What must not be copied over: where the end of the new kernel would lie, and a part that leaves no room for much. */
const reserved = [
  { start: 64 * MIB, end: 128 * MIB },
  { start: 512 * MIB, end: 528 * MIB },
]
const append = reserved.map(({ start, end }) => `memmap=${(end - start) / MIB}M$${start / MIB}M`).join(' ')

const machine = machineForFile(
  { cpus: 2, append },
  {
    packages: ['zstd'],
    files: [
      { path: '/cases/cut.mjs', data: Buffer.from(cut) },
      { path: '/cases/low.mjs', data: Buffer.from(low) },
      { path: '/cases/overwrite.mjs', data: Buffer.from(overwrite) },
      await internals({
        'native.ts': 'native',
        'system/system.ts': 'System',
        'engine/layout/x86_64/x86_64.ts': 'x86_64',
      }),
    ],
  },
)

beforeAll(async () => {
  // Files of holes take no memory.
  const made = await machine.vm.run('mkdir -p /made && mount -t tmpfs -o size=8G made /made')
  expect(made).toMatchObject({ status: 0 })
})

/** What the plan says: reasons of refusals, and where everything would lie. */
async function planned(options: string) {
  const { document, stderr } = await json(machine.vm, `linux-kexec plan ${options} --engine segments`)
  expect(document, stderr).toBeDefined()
  return document as {
    refusals: { reason: string; summary: string; evidence: { source: string; value: string }[] }[]
    segments: PlannedSegment[] | null
  }
}

/** An archive that begins as one and is all holes. */
async function initrdOf(bytes: number): Promise<string> {
  await machine.vm.run(`rm -f /made/initrd; : | cpio -o -H newc > /made/initrd; truncate -s ${bytes} /made/initrd`)
  return '/made/initrd'
}

const touchesReserved = ({ address, size }: PlannedSegment) =>
  reserved.some(({ start, end }) => address < end && address + size > start)

test('nothing is placed on what is reserved', async () => {
  const { segments, refusals } = await planned('newest')
  expect(refusals).toEqual([])
  expect(segments?.filter(touchesReserved)).toEqual([])
  expect(segments?.find(({ name }) => name === 'kernel')?.address).toBeGreaterThanOrEqual(128 * MIB)
})

test('an initrd that fits into no free range is refused, with the largest one that there is', async () => {
  const { refusals, segments } = await planned(`newest --initrd ${await initrdOf(500 * MIB)}`)
  expect(segments).toBeNull()
  const told = refusals.find(({ reason }) => reason === 'no-memory-hole')
  expect(told?.summary).toMatch(/^no free range of memory fits the initrd: 524288000 bytes/)
  const largest = Number.parseInt(told?.evidence[0]?.value ?? '', 10)
  expect(largest).toBeGreaterThan(300 * MIB)
  expect(largest).toBeLessThan(500 * MIB)
})

test('an initrd beyond what the kernel takes is refused; a smaller one lies below', async () => {
  const limit = 256 * MIB
  await machine.vm.run(`node /cases/low.mjs /boot/vmlinuz-${machine.newer} /made/old ${limit}`)
  const old = (initrd: string) => planned(`/made/old --command-line ro --initrd ${initrd}`)
  const { segments } = await old(await initrdOf(100 * MIB))
  const initrd = segments?.find(({ name }) => name === 'initrd')
  expect((initrd?.address ?? limit) + (initrd?.size ?? 0)).toBeLessThanOrEqual(limit)
  const { refusals } = await old(await initrdOf(200 * MIB))
  const told = refusals.find(({ reason }) => reason === 'no-memory-hole')
  expect(told?.summary).toContain('between 0x100000 and 0x10000000')
})

test('a vmlinux of more parts than kexec_load takes, off its own address: all of it arrives', async ({ skip }) => {
  const { vm, newer } = machine
  const { document } = await json(vm, `linux-kexec inspect /boot/vmlinuz-${newer}`)
  const { offset, length, compression } = document.kernel.setupHeader.payload
  if (compression !== 'zstd') return skip('the kernel is packed with something else than zstd')
  // Behind what is packed comes its size.
  const made = await vm.run(
    `tail -c +${offset + 1} /boot/vmlinuz-${newer} | head -c ${length - 4} | zstd -dc > /made/vmlinux
    node /cases/cut.mjs /made/vmlinux /made/many 40; rm /made/vmlinux`,
  )
  expect(Number(made.stdout)).toBeGreaterThan(16)
  const load = await json(
    vm,
    `linux-kexec load /made/many --initrd /boot/initrd.img-${newer} --reuse-cmdline --remove memmap`,
  )
  expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { engine: 'segments' } } })
  const { segments } = load.document.plan as { segments: PlannedSegment[] }
  expect(segments.length).toBeLessThanOrEqual(16)
  expect(segments.filter(touchesReserved)).toEqual([])
  await vm.spawn('linux-kexec exec')
  expect((await vm.booted()).release).toBe(newer)
  // What the old kernel was told to leave alone the new one leaves alone, although it was not told so by its command line.
  const memory = await vm.run('cat /proc/iomem')
  expect(memory.stdout).toMatch(/^04000000-07ffffff : Reserved$/m)
  expect(memory.stdout).toMatch(/^20000000-20ffffff : Reserved$/m)
})

describe('--verify-in-purgatory', () => {
  test('what is as it was loaded is started', async () => {
    const { vm, older } = machine
    const load = await json(vm, `linux-kexec load ${older} --engine segments --verify-in-purgatory`)
    expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { engine: 'segments' } } })
    expect(load.document.plan.decisions.map(({ subject }: { subject: string }) => subject)).toContain('purgatory')
    await vm.spawn('linux-kexec exec')
    expect((await vm.booted()).release).toBe(older)
  })

  // Last: the machine is stopped by it.
  test('what is not is not: the machine says so and stops', async () => {
    const { vm, newer } = machine
    const load = await vm.run(`node /cases/overwrite.mjs /boot/vmlinuz-${newer} /boot/initrd.img-${newer}`)
    expect(load).toMatchObject({ status: 0, stdout: '0\n' })
    let told = ''
    const said = new Promise<void>((resolve) => {
      vm.onConsole((text) => {
        told += text
        if (/machine\s+stops here/.test(told)) resolve()
      })
    })
    await vm.spawn('linux-kexec exec')
    await said
    expect(told).toContain('what was loaded was overwritten in memory (SHA-256); the new kernel is not started')
    expect(told).not.toContain('Linux version')
  })
})
