import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../src/bytes/bytes.ts'
import { crc16, crc32 } from '../../../src/bytes/crc32.ts'
import { segmentArchitecture } from '../../../src/engine/layout/architectures.ts'
import { inspectImage } from '../../../src/image/formats/inspect.ts'
import { zImagePayload } from '../../../src/image/formats/zimage.ts'
import { engineOn } from '../../../src/image/inspect/conclusion.ts'
import { inspect } from '../../../src/image/inspect/inspection.ts'
import { engines } from '../../../src/image/model/engines.ts'
import { bootconfigTrailer, sizeWithoutBootconfig } from '../../../src/initrd/bootconfig.ts'
import { checkInitrdContent } from '../../../src/initrd/content.ts'
import { cpioTrailer } from '../../../src/initrd/cpio.ts'
import { arm64Image, file, packed, path, tool, unpack } from './tools.ts'

test('checksums go on over nothing, and are those of the specifications', () => {
  const half = crc32(Buffer.from('12345'))
  expect(crc32(Buffer.alloc(0), half)).toBe(half)
  // Memory of its own, as a file gives it at its end.
  expect(crc32(new Uint8Array(new ArrayBuffer(0)), half)).toBe(half)
  expect(crc32(Buffer.from('6789'), half)).toBe(0xcbf43926)
  expect(crc16(Buffer.from('6789'), crc16(Buffer.from('12345')))).toBe(0x31c3)
})

test('a uImage in a file is as whole as the same in memory', async () => {
  file('content', arm64Image())
  tool('mkimage', ['-A', 'arm64', '-O', 'linux', '-T', 'kernel', '-C', 'none', '-n', 'x', '-d', 'content', 'uImage'])
  for (const input of [path('uImage'), readFileSync(path('uImage'))]) expect((await inspect(input)).damage).toEqual([])
})

const x86 = inspectImage(readFileSync('test/fixtures/kernels/vmlinuz-6.1.0-50-cloud-amd64.head'), 20_000_000)
const narrow = { ...x86, architecture: 'i386', bootable: false, problems: ['it has no 64-bit entry point'] }
const arm64 = { ...inspectImage(arm64Image(), 2_000_000) }
const zImage = inspectImage(readFileSync('test/fixtures/kernels/armhf-6.1.0-50-rt-armmp.head'), 20_000_000)

test.each([
  ['x86_64', x86, 'file'],
  ['x86_64', narrow, 'segments'],
  ['i686', narrow, 'segments'],
  ['i386', narrow, 'segments'],
  ['aarch64', narrow, 'none'],
  ['i686', x86, 'none'],
  ['aarch64', arm64, 'file'],
  ['aarch64', { ...arm64, architecture: 'aarch64_be' }, 'file'],
  ['aarch64_be', arm64, 'file'],
  ['armv7l', arm64, 'none'],
  ['armv6l', zImage, 'segments'],
  ['armv8l', zImage, 'segments'],
  ['armv7l', { ...zImage, architecture: 'armv7b' }, 'segments'],
  ['aarch64', zImage, 'none'],
])('on %s, a kernel goes where its family says', (machine, image, engine) => {
  expect(engineOn(machine, image).engine).toBe(engine)
})

test('what the table of engines says of kexec_load is what is laid out', () => {
  for (const { format, architecture, engine, isLaidOut = false } of engines) {
    if (engine !== 'segments') continue
    const served = segmentArchitecture({ ...x86, format, architecture, bootable: true, problems: [] })
    expect(served !== undefined, `${format} ${architecture}`).toBe(isLaidOut)
  }
})

test('a zImage tells its memory, and by what is in it, its version; a changed byte in it is damage', async () => {
  const kernel = Buffer.concat([arm64Image().subarray(64)])
  for (const [program, ...options] of [
    ['xz', '--check=crc32'],
    ['gzip', '-n'],
    ['lz4', '-l', '-q'],
  ] as const) {
    const image = zimage(packed(kernel, program, ...options), program === 'gzip', kernel.length)
    expect(zImagePayload(memoryBytes(image)), program).toMatchObject({ compression: program, offset: 0x400 })
    const whole = await inspect(image, { machine: 'armv7l' })
    expect(whole, program).toMatchObject({ verdict: 'loadable', damage: [], kernel: { version: '6.6.1-test' } })
    expect(whole.kernel.memoryNeeded).toBeGreaterThan(kernel.length + image.length)
    const damaged = Buffer.from(image)
    damaged.fill(0xa5, 0x10_000, 0x10_040)
    // The legacy frame of lz4 has no check: only what cannot be unpacked tells.
    if (program !== 'lz4') expect((await inspect(damaged)).verdict, program).toBe('damaged')
    expect((await inspect(image.subarray(0, -100))).damage.join(), program).toContain('it is truncated: ')
  }
})

/** The marks and the table of arch/arm/boot/compressed/head.S around what is compressed. */
function zimage(payload: Buffer, isSizeInside: boolean, unpacked: number): Buffer {
  const size = Buffer.alloc(isSizeInside ? 0 : 4)
  if (!isSizeInside) size.writeUInt32LE(unpacked)
  const bytes = Buffer.concat([Buffer.alloc(0x400), payload, size, Buffer.alloc(16)])
  bytes.write('\x18\x28\x6f\x01', 0x24, 'latin1')
  bytes.writeUInt32LE(bytes.length, 0x2c)
  bytes.writeUInt32LE(0x04030201, 0x30)
  bytes.writeUInt32LE(0x45454545, 0x34)
  bytes.writeUInt32LE(0x100, 0x38)
  const sizeAt = 0x400 + payload.length - (isSizeInside ? 4 : 0)
  for (const [index, word] of [6, 0x5a534c4b, sizeAt, 0x1000, 0x8000, 0x10000].entries()) {
    bytes.writeUInt32LE(word, 0x100 + 4 * index)
  }
  return bytes
}

test('a program that boot loaders start like a kernel is none, and not damaged for its last paragraph', async () => {
  const other = Buffer.concat([
    readFileSync('test/fixtures/kernels/vmlinuz-6.1.0-50-cloud-amd64.head'),
    Buffer.alloc(16_000),
  ])
  other.writeUInt32LE(0, 0x24c)
  other.writeUInt32LE(0, 0x3c)
  other.writeUInt32LE(Math.ceil((other.length - 512 * ((other[0x1f1] as number) + 1)) / 16) + 0, 0x1f4)
  other.write('Tester v6\0', other.readUInt16LE(0x20e) + 0x200, 'latin1')
  const odd = other.subarray(0, -7)
  expect(await inspect(odd)).toMatchObject({ damage: [], version: null })
  expect((await inspect(odd)).description).toContain('of Tester v6, not of Linux')
})

function fitImage(images: string, configuration: string): Buffer {
  file(
    'image.its',
    `/dts-v1/; / { #address-cells = <1>; images { ${images} }; configurations { default = "c"; c { ${configuration} }; }; };`,
  )
  tool('dtc', ['-q', '-I', 'dts', '-O', 'dtb', '-o', 'image.itb', 'image.its'])
  return readFileSync(path('image.itb'))
}

test('FIT: Linux among the loadables of a firmware is the kernel', async () => {
  file('kernel', arm64Image())
  const image = fitImage(
    'atf { type = "firmware"; data = "not a kernel"; }; linux@1 { type = "kernel"; data = /incbin/("kernel"); };',
    'firmware = "atf"; loadables = "linux";',
  )
  expect((await unpack(image)).bytes.equals(arm64Image())).toBe(true)
})

test('FIT: an encrypted kernel is named, one without a kernel is not damaged, an unknown hash is not checked', async () => {
  const encrypted = fitImage('k { type = "kernel"; data = "?"; cipher { algo = "aes256"; }; };', 'kernel = "k";')
  const { verdict, verdictReason, damage } = await inspect(encrypted)
  expect([verdict, damage]).toEqual(['not-loadable', []])
  expect(verdictReason).toContain('encrypted (aes256)')
  await expect(unpack(encrypted)).rejects.toMatchObject({ reason: 'not-a-kernel' })
  const script = await inspect(fitImage('s { type = "script"; data = "echo"; };', 'script = "s";'))
  expect([script.verdict, script.damage, script.description]).toEqual([
    'not-loadable',
    [],
    'a FIT image, which holds no kernel',
  ])
  file('kernel', arm64Image())
  const hashed = (algorithm: string, value: string) =>
    fitImage(
      `k { type = "kernel"; data = /incbin/("kernel"); hash { algo = "${algorithm}"; value = ${value}; }; };`,
      'kernel = "k";',
    )
  const unknown = await inspect(hashed('sm9', '[00]'))
  expect([unknown.damage, unknown.checks.map(({ passed }) => passed)]).toEqual([[], [null]])
  const sum = crc16(arm64Image()).toString(16).padStart(4, '0')
  expect((await inspect(hashed('crc16-ccitt', `[${sum}]`))).checks).toMatchObject([{ by: 'crc16-ccitt', passed: true }])
  expect((await inspect(hashed('crc16-ccitt', '[0001]'))).damage).toHaveLength(1)
})

test('FIT: a hash around another container, which is read again after it was compared', async () => {
  file('kernel', arm64Image())
  const inner = fitImage('k { type = "kernel"; data = /incbin/("kernel"); };', 'kernel = "k";')
  file('inner', inner)
  file(
    'outer.its',
    '/dts-v1/; / { description = "x"; #address-cells = <1>; images { k { type = "kernel"; arch = "arm64"; os = "linux"; compression = "none"; load = <0>; entry = <0>; description = "k"; data = /incbin/("inner"); hash { algo = "sha256"; }; }; }; configurations { default = "c"; c { kernel = "k"; }; }; };',
  )
  tool('mkimage', ['-f', 'outer.its', 'outer.itb'])
  expect((await unpack(readFileSync(path('outer.itb')))).bytes.equals(arm64Image())).toBe(true)
})

test('an lz4 archive with something right behind it is warned of; zeros between, or nothing, are right', async () => {
  const archive = packed(Buffer.concat([cpioTrailer(), Buffer.alloc(400)]), 'lz4', '-q', '-l')
  const more = packed(cpioTrailer(), 'gzip')
  const warnings = async (...parts: Buffer[]) =>
    (await checkInitrdContent(memoryBytes(Buffer.concat(parts)))).warnings.map(({ text }) => text)
  expect(await warnings(archive, more)).toEqual([expect.stringMatching(`at byte ${archive.length}, right behind`)])
  for (const right of [[archive], [archive, Buffer.alloc(4), more], [archive, archive], [archive, Buffer.alloc(512)]]) {
    expect(await warnings(...right)).toEqual([])
  }
  for (const program of ['gzip', 'zstd', 'bzip2', 'lzma']) {
    expect(await warnings(packed(cpioTrailer(), program), more), program).toEqual([])
  }
})

test('a bootconfig ends as Documentation/admin-guide/bootconfig.rst has it', () => {
  const trailer = bootconfigTrailer(Buffer.from('a.b=c'))
  expect(trailer.subarray(0, 8).toString()).toBe('a.b=c\0\0\0')
  expect([trailer.readUInt32LE(8), trailer.readUInt32LE(12)]).toEqual([8, 97 + 46 + 98 + 61 + 99])
  expect(trailer.subarray(16).toString()).toBe('#BOOTCONFIG\n')
})

test('a bootconfig ends an initrd where its length and sum are right, as the kernel sees it', () => {
  const trailer = bootconfigTrailer(Buffer.from('a.b=c'))
  const sizeOf = (...parts: Buffer[]) => sizeWithoutBootconfig(memoryBytes(Buffer.concat(parts)))
  expect([sizeOf(), sizeOf(trailer), sizeOf(Buffer.alloc(9), trailer)]).toEqual([0, 0, 9])
  expect(sizeOf(Buffer.alloc(9), trailer, Buffer.alloc(8))).toBe(9 + trailer.length + 8)
  for (let at = 0; at < trailer.length; at++) {
    const damaged = Buffer.from(trailer)
    damaged[at] = (damaged[at] as number) ^ 0x40
    expect(sizeOf(Buffer.alloc(9), damaged), `byte ${at}`).toBe(9 + trailer.length)
  }
})
