import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../src/bytes/bytes.ts'
import { inspectImage } from '../../../src/image/formats/inspect.ts'
import { engineFor, engines } from '../../../src/image/model/engines.ts'
import { inspectNested } from '../../../src/image/unpack/nested.ts'
import { arm64Image, packed, zboot } from './tools.ts'

const head = (name: string) => readFileSync(`test/fixtures/kernels/${name}`)
const nested = (bytes: Buffer) => inspectNested(memoryBytes(bytes))

test('Debian kernels of other architectures are told from their heads', async () => {
  const whole = (bytes: Buffer) => inspectImage(bytes, 40_000_000, memoryBytes(bytes))
  const arm64 = whole(head('arm64-6.1.0-50-cloud.head'))
  expect(arm64).toMatchObject({ format: 'arm64 Image', architecture: 'aarch64', pageSize: 4096, byteOrder: 'little' })
  expect(arm64).toMatchObject({ maxCommandLine: 2047, memoryNeeded: 27_918_336, signature: 'present', bootable: true })
  expect(arm64.imageHeader).toEqual({ textOffset: 0, runsAnywhere: true })
  const riscv = whole(head('riscv64-6.12.107+deb13.head'))
  expect(riscv).toMatchObject({ format: 'riscv Image', architecture: 'riscv64', memoryNeeded: 31_895_552 })
  expect(riscv.imageHeader).toEqual({ textOffset: 0x200000, runsAnywhere: true })
  const arm = (await nested(head('armhf-6.1.0-50-rt-armmp.head'))).image
  expect(arm).toMatchObject({ format: 'ARM zImage', architecture: 'armv7l', bootable: false })
  expect(arm.problems.join()).toContain('truncated')
  // What lies in the file is told by the table of sections, not by the size in memory of the header.
  for (const { minimumSize, memoryNeeded } of [arm64, riscv]) expect(minimumSize).toBeLessThan(memoryNeeded as number)
  for (const name of ['arm64-6.1.0-50-cloud.head', 'riscv64-6.12.107+deb13.head']) {
    const { image } = await nested(head(name))
    expect([image.bootable, image.problems.join()]).toEqual([false, expect.stringMatching(/^it is truncated: /)])
  }
  const s390 = (await nested(gunzipSync(head('s390x-6.1.0-50.head.gz')))).image
  expect(s390).toMatchObject({
    format: 's390 Image',
    architecture: 's390x',
    byteOrder: 'big',
    version: '6.1.0-50-s390x',
    maxCommandLine: 4095,
    signature: 'absent',
  })
})

test('an appended signature of an s390 kernel is noticed', async () => {
  const signed = Buffer.concat([
    gunzipSync(head('s390x-6.1.0-50.head.gz')),
    Buffer.from('~Module signature appended~\n'),
  ])
  expect((await nested(signed)).image.signature).toBe('present')
})

test('a plain bzImage costs its head and nothing more', async () => {
  const kernel = Buffer.alloc(20_000_000)
  head('vmlinuz-6.1.0-50-cloud-amd64.head').copy(kernel)
  const { image, chain, bytesRead } = await nested(kernel)
  expect(image.version).toBe('6.1.0-50-cloud-amd64')
  expect(chain).toHaveLength(1)
  expect(bytesRead).toBe(36 * 1024)
})

test('a compressed kernel is told by the start of what it unpacks to', async () => {
  const kernel = arm64Image()
  const all = { gzip: 'gzip', xz: 'xz', zstd: 'zstd', lz4: 'lz4', bzip2: 'bzip2', lzma: 'lzma' }
  for (const [name, program] of Object.entries(all)) {
    const { image, chain } = await nested(packed(kernel, program))
    expect(chain.map(({ format }) => format)).toEqual([name, 'arm64 Image'])
    expect(image).toMatchObject({ architecture: 'aarch64', maxCommandLine: 2047, pageSize: 4096 })
  }
})

test('a compressed initrd is not taken for a kernel', async () => {
  const { image } = await nested(packed(Buffer.from(`070701${'0'.repeat(200)}`), 'gzip'))
  expect(image).toMatchObject({ format: 'cpio', bootable: false })
})

test('an EFI zboot image is told with what is in it', async () => {
  const kernel = arm64Image()
  const { image, chain } = await nested(zboot(packed(kernel, 'zstd'), 'zstd22', kernel.length))
  expect(chain[0]?.description).toBe('an EFI zboot image for aarch64 (a kernel in zstd)')
  expect(image.format).toBe('arm64 Image')
})

test('a version line is found in an uncompressed kernel, and only one that is one', async () => {
  const { image } = await nested(arm64Image())
  expect(image).toMatchObject({ version: '6.6.1-test', versionString: '6.6.1-test (me@here) #1 SMP' })
  const program = (await nested(readFileSync('/bin/true'))).image
  expect(program).toMatchObject({ format: 'ELF', version: null, bootable: false })
})

test('arm64 tells byte order and page size', async () => {
  const kernel = arm64Image()
  kernel.writeBigUInt64LE(0b111n, 24)
  expect((await nested(kernel)).image).toMatchObject({ architecture: 'aarch64_be', byteOrder: 'big', pageSize: 65_536 })
  kernel.writeBigUInt64LE(0n, 16)
  expect((await nested(kernel)).image.problems.join()).toContain('older than Linux 3.17')
})

/** ELF of every kind, made by hand: an executable with one segment that holds a version line. */
function vmlinux(machine: number, is64: boolean, little: boolean): Buffer {
  const image = Buffer.alloc(0x2000)
  const half = (at: number, value: number) => (little ? image.writeUInt16LE(value, at) : image.writeUInt16BE(value, at))
  const word = (at: number, value: number) => (little ? image.writeUInt32LE(value, at) : image.writeUInt32BE(value, at))
  const long = (at: number, value: number) => {
    if (!is64) word(at, value)
    else word(little ? at : at + 4, value)
  }
  image.write('\x7fELF', 'latin1')
  image[4] = is64 ? 2 : 1
  image[5] = little ? 1 : 2
  half(16, 2)
  half(18, machine)
  long(is64 ? 32 : 28, 0x40)
  half(is64 ? 54 : 42, is64 ? 56 : 32)
  half(is64 ? 56 : 44, 1)
  word(0x40, 1)
  long(0x40 + (is64 ? 8 : 4), 0x1000)
  long(0x40 + (is64 ? 32 : 16), 0x1000)
  image.write('Linux version %s\0Linux version 5.10.0-7 (a@b) (gcc 12) #1 SMP\n\0', 0x1800)
  return image
}

test.each([
  ['x86_64', 62, true, true],
  ['i386', 3, false, true],
  ['aarch64', 183, true, true],
  ['armv7l', 40, false, true],
  ['ppc64le', 21, true, true],
  ['ppc64', 21, true, false],
  ['s390x', 22, true, false],
  ['riscv64', 243, true, true],
  ['loongarch64', 258, true, true],
] as const)('a vmlinux of %s', async (architecture, machine, is64, little) => {
  const { image } = await nested(vmlinux(machine, is64, little))
  expect(image).toMatchObject({
    format: 'vmlinux',
    architecture,
    version: '5.10.0-7',
    byteOrder: little ? 'little' : 'big',
  })
})

test('an ELF file that is cut off before its version line is a vmlinux where it is mapped as kernels are', async () => {
  const whole = vmlinux(62, true, true)
  expect((await nested(whole.subarray(0, 0x1800))).image.format).toBe('ELF')
  whole.writeBigUInt64LE(0xffffffff81000000n, 0x40 + 16)
  expect((await nested(whole.subarray(0, 0x1800))).image).toMatchObject({
    format: 'vmlinux',
    version: null,
    problems: [expect.stringContaining('truncated')],
  })
  // As a whole, it would have said so.
  whole.fill(0, 0x1800)
  expect((await nested(whole)).image.format).toBe('ELF')
})

test('docs/images.md has the table that the code has', () => {
  const page = readFileSync('docs/images.md', 'utf8')
  const rows = engines.map((each) => `| ${each.format} | ${each.architecture} | ${each.engine} | ${each.reason} |`)
  const start = page.indexOf('| format | architecture | engine | why |')
  const table = page.slice(start).split('\n\n')[0]?.trim().split('\n').slice(2)
  expect(table).toEqual(rows)
})

test('what no loader takes goes through no engine', () => {
  expect(engineFor({ format: 'bzImage', architecture: 'x86_64' }).engine).toBe('file')
  expect(engineFor({ format: 'ARM zImage', architecture: 'armv7l' }).engine).toBe('segments')
  expect(engineFor({ format: 'cpio', architecture: null }).engine).toBe('none')
})

test('no bytes make a format fail: every truncation of every head, and numbers at their extremes', async () => {
  const kernel = arm64Image().subarray(0, 4096)
  const images = [
    head('arm64-6.1.0-50-cloud.head').subarray(0, 1024),
    head('riscv64-6.12.107+deb13.head').subarray(0, 1024),
    head('armhf-6.1.0-50-rt-armmp.head').subarray(0, 64),
    vmlinux(62, true, true).subarray(0, 256),
    zboot(packed(kernel, 'gzip'), 'gzip', kernel.length).subarray(0, 700),
  ]
  for (const image of images) {
    for (let length = 0; length < image.length; length++) await nested(image.subarray(0, length))
    for (let at = 0; at + 4 <= Math.min(image.length, 256); at += 2) {
      const extreme = Buffer.from(image)
      extreme.writeUInt32LE(0xffffffff, at)
      const { chain } = await nested(extreme)
      expect(chain[0]?.description).toBeTypeOf('string')
    }
  }
})
