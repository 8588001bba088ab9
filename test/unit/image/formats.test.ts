import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readAndroidHeader } from '../../../src/image/android.ts'
import { readArm64Header } from '../../../src/image/arm64.ts'
import { fileBytes, memoryBytes } from '../../../src/image/bytes.ts'
import { readFit } from '../../../src/image/fit.ts'
import { HEAD_BYTES, inspectImage } from '../../../src/image/index.ts'
import { withPeFile } from '../../../src/image/pe-sections.ts'
import { readRiscvHeader } from '../../../src/image/riscv.ts'
import { readS390Parameters } from '../../../src/image/s390.ts'
import { readUimageHeader } from '../../../src/image/uimage.ts'
import { readUki } from '../../../src/image/uki.ts'
import { readZbootHeader } from '../../../src/image/zboot.ts'
import { System } from '../../../src/system/system.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'linux-kexec-formats-'))
  writeFileSync(join(folder, 'kernel'), kernel)
  writeFileSync(join(folder, 'kernel.gz'), gzipSync(kernel))
  writeFileSync(join(folder, 'initrd'), Buffer.alloc(5000, 'ramdisk '))
  writeFileSync(join(folder, 'board.dts'), '/dts-v1/; / { compatible = "acme,board"; model = "Board"; };')
  run('dtc', '-O', 'dtb', '-o', 'board.dtb', 'board.dts')
})
afterAll(() => rmSync(folder, { recursive: true }))

const kernel = Buffer.alloc(50_000, 'kernel text ')
const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: folder, stdio: 'pipe' })
const read = (name: string) => readFileSync(join(folder, name))
const inspect = (bytes: Buffer) => inspectImage(bytes.subarray(0, HEAD_BYTES), bytes.length)

/** A head as the boot protocol's document lays it out. */
function head(size: number, fields: Record<number, string | number | bigint>): Buffer {
  const bytes = Buffer.alloc(size)
  for (const [offset, value] of Object.entries(fields)) {
    if (typeof value === 'string') bytes.write(value, Number(offset), 'latin1')
    else if (typeof value === 'bigint') bytes.writeBigUInt64LE(value, Number(offset))
    else bytes.writeUInt32LE(value, Number(offset))
  }
  return bytes
}

test('an arm64 Image tells its byte order, pages and memory', () => {
  const image = head(4096, { 0: 'MZ', 16: 0x2a0_0000n, 24: 0b1100n, 56: 'ARM\x64', 60: 64, 64: 'PE\0\0' })
  expect(inspect(image)).toMatchObject({
    format: 'arm64 Image',
    description: 'an arm64 Image (pages of 16 KiB)',
    architecture: 'aarch64',
    memoryNeeded: 0x2a0_0000,
  })
  expect(readArm64Header(image)).toMatchObject({ pageSize: 16384, anywhere: true, hasEfiStub: true, textOffset: 0 })
  image.writeUInt32LE(0b0111, 24)
  expect(inspect(image)).toMatchObject({ architecture: 'aarch64_be', description: expect.stringContaining('64 KiB') })
  expect(inspect(image.subarray(0, 61)).problems.join()).toContain('truncated')
})

test('a RISC-V Image tells its memory and its header version', () => {
  const image = head(4096, { 16: 0x180_0000n, 32: 2, 48: 'RISCV\0\0\0', 56: 'RSC\x05' })
  expect(inspect(image)).toMatchObject({ format: 'riscv Image', architecture: 'riscv64', memoryNeeded: 0x180_0000 })
  expect(readRiscvHeader(image)).toMatchObject({ headerVersion: '0.2', endianness: 'little', hasEfiStub: false })
})

test('an ARM zImage shorter than its marks say is truncated', () => {
  const image = head(4096, { 36: 0x016f2818, 40: 0, 44: 4096, 48: 0x04030201 })
  expect(inspect(image)).toMatchObject({ format: 'ARM zImage', architecture: 'armv7l', problems: [] })
  expect(inspect(image.subarray(0, 4000)).problems.join()).toContain('truncated')
  expect(inspect(Buffer.from(image).swap32())).toMatchObject({ format: 'ARM zImage', architecture: 'armv7b' })
  const withEfiStub = head(4096, { 0: 'MZ', 36: 0x016f2818, 44: 4096, 60: 64, 64: 'PE\0\0\xc2\x01' })
  expect(inspect(withEfiStub).format).toBe('ARM zImage')
})

test('an s390 image is told by its first channel commands, and its limit is read from behind the head', () => {
  const image = head(0x11000, { 8: '\x02\0\0\x18\x60\0\0\x50\x02\0\0\x68\x60\0\0\x50', 65544: 'S390EP' })
  expect(inspect(image)).toMatchObject({ format: 's390 image', architecture: 's390x', problems: [] })
  expect(readS390Parameters(memoryBytes(image))).toEqual({ commandLineSize: 896 })
  image.writeBigUInt64BE(4096n, 0x10430)
  expect(readS390Parameters(memoryBytes(image))).toEqual({ commandLineSize: 4096 })
})

test('an EFI zboot image tells where the kernel is and how it is compressed', () => {
  const image = head(9000, { 0: 'MZ', 4: 'zimg', 8: 4096, 12: 4000, 24: 'zstd22', 60: 64, 64: 'PE\0\0\x64\xaa' })
  expect(readZbootHeader(image)).toEqual({ offset: 4096, size: 4000, compression: 'zstd' })
  expect(inspect(image)).toMatchObject({ format: 'EFI zboot', architecture: 'aarch64', compression: 'zstd' })
  expect(inspect(image.subarray(0, 5000)).problems.join()).toContain('truncated')
})

test('a uImage that mkimage made is read, and a flipped bit in its header is told', () => {
  run(
    'mkimage',
    ...'-A arm64 -O linux -T kernel -C gzip -a 80000 -e 80000 -n Linux-6.12 -d kernel.gz uImage'.split(' '),
  )
  const image = read('uImage')
  expect(inspect(image)).toMatchObject({
    format: 'uImage',
    description: 'a U-Boot legacy image (uImage) with a linux kernel, “Linux-6.12”',
    architecture: 'aarch64',
    compression: 'gzip',
    minimumSize: image.length,
    problems: [],
  })
  expect(readUimageHeader(image)).toMatchObject({ loadAddress: 0x80000, headerIntact: true, name: 'Linux-6.12' })
  image[40] = (image[40] as number) ^ 1
  expect(inspect(image).problems).toEqual(['its header is damaged: the checksum is wrong'])
})

const its = `/dts-v1/;
/ {
  description = "Board update";
  #address-cells = <1>;
  images {
    kernel-1 { description = "Linux"; data = /incbin/("kernel.gz"); type = "kernel"; arch = "arm64"; os = "linux";
      compression = "gzip"; load = <0x80000>; entry = <0x80000>; hash-1 { algo = "sha256"; }; };
    fdt-1 { description = "Tree"; data = /incbin/("board.dtb"); type = "flat_dt"; arch = "arm64"; compression = "none"; };
    initrd-1 { data = /incbin/("initrd"); type = "ramdisk"; arch = "arm64"; os = "linux"; compression = "none"; };
  };
  configurations {
    default = "board";
    board { description = "The board"; kernel = "kernel-1"; fdt = "fdt-1"; ramdisk = "initrd-1"; };
  };
};`

test('a FIT that mkimage made tells its images and configurations, with their bytes inside the tree or behind it', () => {
  writeFileSync(join(folder, 'update.its'), its)
  run('mkimage', '-f', 'update.its', 'inside.itb')
  run('mkimage', '-E', '-f', 'update.its', 'behind.itb')
  for (const name of ['inside.itb', 'behind.itb']) {
    const image = read(name)
    expect(inspect(image)).toMatchObject({ format: 'FIT', problems: [] })
    const fit = readFit(memoryBytes(image))
    expect(fit).toMatchObject({
      description: 'Board update',
      defaultConfiguration: 'board',
      configurations: [{ name: 'board', kernel: 'kernel-1', deviceTree: 'fdt-1', ramdisk: 'initrd-1' }],
      images: [
        { name: 'kernel-1', type: 'kernel', os: 'linux', architecture: 'aarch64', compression: 'gzip' },
        { name: 'fdt-1', type: 'flat_dt', compression: null },
        { name: 'initrd-1', type: 'ramdisk', description: null },
      ],
      problems: [],
    })
    const [first, second, third] = fit?.images.map(({ content }) => content) ?? []
    for (const [content, file] of [
      [first, 'kernel.gz'],
      [second, 'board.dtb'],
      [third, 'initrd'],
    ] as const) {
      const { offset, size } = content as { offset: number; size: number }
      expect(image.subarray(offset, offset + size).equals(read(file))).toBe(true)
    }
  }
})

test('a FIT that is cut off or names what it lacks says so; a plain device tree is no FIT', () => {
  writeFileSync(
    join(folder, 'wrong.dts'),
    its.replace('default = "board"', 'default = "bord"').replace('"fdt-1";', '"f";'),
  )
  run('dtc', '-O', 'dtb', '-o', 'wrong.dtb', 'wrong.dts')
  const wrong = read('wrong.dtb')
  expect(readFit(memoryBytes(wrong))?.problems).toEqual([
    'its default configuration bord does not exist',
    'configuration board names the image f, which it does not have',
  ])
  expect(readFit(memoryBytes(wrong.subarray(0, 4000)))?.problems.join()).toContain('its tree is damaged')
  expect(readFit(memoryBytes(read('board.dtb')))).toBeUndefined()
  expect(inspect(read('board.dtb'))).toMatchObject({ description: 'a device tree or FIT image', problems: [] })
})

test('Android boot images of every version', () => {
  const common = '--kernel kernel --ramdisk initrd --os_version 14.0.0 --os_patch_level 2024-05 --cmdline'.split(' ')
  for (const version of [0, 1, 2, 3]) {
    const tree = version === 2 ? ['--dtb', 'board.dtb'] : []
    run('mkbootimg', '--header_version', `${version}`, ...tree, ...common, 'console=ttyS0 quiet', '-o', 'boot.img')
    const image = read('boot.img')
    expect(readAndroidHeader(image), `version ${version}`).toMatchObject({
      kind: 'boot',
      headerVersion: version,
      pageSize: version >= 3 ? 4096 : 2048,
      kernelSize: kernel.length,
      ramdiskSize: 5000,
      commandLine: 'console=ttyS0 quiet',
      osVersion: '14.0.0',
      patchLevel: '2024-05',
    })
    expect(inspect(image)).toMatchObject({ format: 'Android boot image', problems: [] })
    expect(inspect(image.subarray(0, 50_000)).problems.join()).toContain('truncated')
  }
  // Debian's mkbootimg ends with version 3; version 4 has one field more, the size of its signature.
  const image = read('boot.img')
  image.writeUInt32LE(4, 40)
  image.writeUInt32LE(4096, 1580)
  expect(readAndroidHeader(image)).toMatchObject({ headerVersion: 4, kernelSize: kernel.length, osVersion: '14.0.0' })
  expect(inspect(image).problems.join()).toContain('truncated')
  expect(inspect(Buffer.concat([image, Buffer.alloc(4096)])).problems).toEqual([])
})

test('an Android vendor boot image has a RAM disk and trees, no kernel', () => {
  run(
    'mkbootimg',
    ...`--header_version 3 --vendor_ramdisk initrd --dtb board.dtb --pagesize 4096 --vendor_boot vendor.img`.split(' '),
    '--vendor_cmdline',
    'androidboot.hardware=acme',
  )
  const image = read('vendor.img')
  expect(readAndroidHeader(image)).toMatchObject({
    kind: 'vendor_boot',
    ramdiskSize: 5000,
    dtbSize: read('board.dtb').length,
    commandLine: 'androidboot.hardware=acme',
  })
  expect(inspect(image)).toMatchObject({ format: 'Android vendor boot image', problems: [] })
})

test('a UKI tells its parts', () => {
  const path = 'test/fixtures/boot/unified-images/root/efi/EFI/Linux/debian-6.1.0-50.efi'
  const uki = withPeFile(new System(), path, readUki)
  expect(uki?.sections.map(({ name }) => name)).toContain('.linux')
  expect(uki).toMatchObject({
    architecture: 'x86_64',
    profiles: 0,
    release: '6.1.0-50-amd64',
    commandLine: 'root=UUID=4a5f9d26-6c7b-4e7b-9a61-2b7d0c1e8f33 ro quiet',
    osRelease: expect.stringContaining('\nID=debian\n'),
  })
  expect(inspect(readFileSync(path)).format).toBe('UKI')
})

test('whatever the bytes, a format is told and nothing fails', () => {
  const made = ['uImage', 'inside.itb', 'behind.itb', 'boot.img', 'vendor.img', 'board.dtb'].map((name) => read(name))
  const changes = fc.array(
    fc.tuple(fc.oneof(fc.nat(100), fc.nat(4000)), fc.constantFrom(0, 1, 2, 3, 4, 9, 127, 128, 255)),
    { maxLength: 40 },
  )
  const damaged = fc.tuple(fc.constantFrom(...made), changes, fc.nat(60_000)).map(([image, changed, length]) => {
    const bytes = Buffer.from(image.subarray(0, length))
    for (const [offset, value] of changed) if (offset < bytes.length) bytes[offset] = value
    return bytes
  })
  fc.assert(
    fc.property(damaged, (bytes) => {
      expect(inspect(bytes).description).toBeTypeOf('string')
      readFit(memoryBytes(bytes))
      readAndroidHeader(bytes)
      readUimageHeader(bytes)
      readS390Parameters(memoryBytes(bytes))
    }),
    { numRuns: 2000 },
  )
})

test('a file that is read where needed gives what memory gives', () => {
  const fd = openSync(join(folder, 'inside.itb'), 'r')
  const image = read('inside.itb')
  expect(readFit(fileBytes(fd, image.length))).toEqual(readFit(memoryBytes(image)))
  closeSync(fd)
})
