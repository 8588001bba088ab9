import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fileBytes, memoryBytes } from '../../../src/bytes/bytes.ts'
import { extractKernel } from '../../../src/image/unpack/extract.ts'
import { inspectNested } from '../../../src/image/unpack/nested.ts'
import { arm64Image, bytesOf, content, file, packed, path, tool, unpack, withFile, zboot } from './tools.ts'

const kernel = arm64Image()
const initrd = packed(Buffer.from(`070701${'0'.repeat(200)}`), 'gzip')

test.each(['gzip', 'xz', 'zstd', 'lz4', 'bzip2', 'lzma'])('Image.%s comes out as Image', async (program) => {
  const { bytes, image, unpacked } = await unpack(packed(kernel, program))
  expect(bytes.equals(kernel)).toBe(true)
  expect(unpacked).toBe(true)
  expect(image).toMatchObject({ format: 'arm64 Image', version: '6.6.1-test' })
})

test('a file that the syscall takes as it is keeps its descriptor', async () => {
  await withFile(file('Image', kernel), async (fd, size) => {
    const result = await extractKernel(fileBytes(fd, size), { fd })
    expect(result).toMatchObject({ fd, size, unpacked: false, initrds: [], commandLine: null })
    result.close()
    expect(fileBytes(fd, size).read(0, 4).length).toBe(4)
  })
})

test.each([
  ['gzip', 'gzip'],
  ['lz4', 'lz4'],
  ['lzma', 'lzma'],
  ['xz', 'xzkern'],
  ['zstd', 'zstd22'],
])('EFI zboot with %s', async (program, name) => {
  const { bytes, chain } = await unpack(zboot(packed(kernel, program), name, kernel.length))
  expect(bytes.equals(kernel)).toBe(true)
  expect(chain.map(({ format }) => format)).toEqual(['EFI zboot', 'arm64 Image'])
})

test('EFI zboot for LoongArch, whose kernels have the same mark, is not taken for the kernel itself', async () => {
  const image = zboot(packed(kernel, 'gzip'), 'gzip', kernel.length)
  image.writeUInt16LE(0x6264, 0x44)
  const { bytes, chain } = await unpack(image)
  expect(chain.map(({ format }) => format)).toEqual(['EFI zboot', 'arm64 Image'])
  expect(bytes.equals(kernel)).toBe(true)
})

test('a zboot whose payload is not what its size says, or lies elsewhere, is refused', async () => {
  const image = zboot(packed(kernel, 'lz4', '-l'), 'lz4', kernel.length + 1)
  await expect(unpack(image)).rejects.toMatchObject({
    reason: 'damaged-image',
    message: expect.stringContaining('unpacks to'),
  })
  image.writeUInt32LE(0xfffffff0, 12)
  await expect(unpack(image)).rejects.toMatchObject({
    reason: 'damaged-image',
    message: expect.stringContaining('reaches from'),
  })
})

test('a uImage of mkimage, with its CRCs', async () => {
  file('kernel.gz', packed(kernel, 'gzip'))
  const facts = ['-A', 'arm64', '-O', 'linux', '-a', '80000', '-e', '80000', '-n', 'My kernel']
  tool('mkimage', [...facts, '-T', 'kernel', '-C', 'gzip', '-d', 'kernel.gz', 'uImage'])
  const image = readFileSync(path('uImage'))
  const { bytes, chain } = await unpack(image)
  expect(bytes.equals(kernel)).toBe(true)
  expect(chain[0]?.description).toBe('a U-Boot legacy image (uImage): a kernel named "My kernel"')
  expect(chain[0]?.facts).toContainEqual({ name: 'load address', value: '0x80000' })
  const damaged = Buffer.from(image)
  damaged[1000] = (damaged[1000] as number) ^ 1
  await expect(unpack(damaged)).rejects.toThrow('the crc32 of its part My kernel does not match')
  damaged[20] = 1
  await expect(unpack(damaged)).rejects.toThrow('the CRC of its header does not match')
})

test('a uImage of several files: kernel and initrd', async () => {
  const bzImage = Buffer.concat([
    readFileSync('test/fixtures/kernels/vmlinuz-6.1.0-50-cloud-amd64.head'),
    Buffer.alloc(14_200_001),
  ])
  file('vmlinuz', bzImage)
  file('initrd.gz', initrd)
  tool('mkimage', [
    '-A',
    'x86',
    '-O',
    'linux',
    '-T',
    'multi',
    '-C',
    'none',
    '-n',
    'both',
    '-d',
    'vmlinuz:initrd.gz',
    'multi',
  ])
  const image = readFileSync(path('multi'))
  const result = await extractKernel(memoryBytes(image))
  expect(result.image.format).toBe('bzImage')
  expect((await bytesOf(result.initrds[0])).equals(initrd)).toBe(true)
  result.close()
  expect((await unpack(image)).bytes.equals(bzImage)).toBe(true)
  image[image.length - 5] = 1
  await expect(unpack(image)).rejects.toThrow('the crc32 of its part all files does not match')
})

const its = (hash: string) => `/dts-v1/;
/ {
  description = "two boards";
  images {
    kernel-1 { description = "Linux"; data = /incbin/("kernel.lz4"); type = "kernel"; arch = "arm64"; os = "linux";
      compression = "lz4"; load = <0x80000>; entry = <0x80000>; hash-1 { algo = "${hash}"; }; };
    ramdisk@1 { data = /incbin/("initrd.gz"); type = "ramdisk"; arch = "arm64"; os = "linux"; compression = "none";
      hash@1 { algo = "${hash}"; }; };
    fdt-a { data = /incbin/("a.dtb"); type = "flat_dt"; arch = "arm64"; compression = "none"; hash-1 { algo = "crc32"; }; };
    fdt-b { data = /incbin/("b.dtb"); type = "flat_dt"; arch = "arm64"; compression = "none"; hash-1 { algo = "md5"; }; };
  };
  configurations {
    default = "board-a";
    board-a { kernel = "kernel-1"; ramdisk = "ramdisk@1"; fdt = "fdt-a"; };
    board-b { kernel = "kernel-1"; fdt = "fdt-b"; };
  };
};`

function makeFit(hash: string, ...args: string[]): Buffer {
  file('kernel.lz4', packed(kernel, 'lz4'))
  file('initrd.gz', initrd)
  for (const board of ['a', 'b']) {
    file(`${board}.dts`, `/dts-v1/; / { compatible = "maker,board-${board}", "maker,soc"; model = "Board ${board}"; };`)
    tool('dtc', ['-O', 'dtb', '-o', `${board}.dtb`, `${board}.dts`])
  }
  file('fit.its', its(hash))
  tool('mkimage', [...args, '-f', 'fit.its', 'fit.itb'])
  return readFileSync(path('fit.itb'))
}

test.each([
  ['inside', 'sha256', []],
  ['behind the tree', 'sha1', ['-E']],
  ['at a fixed position', 'sha512', ['-E', '-p', '0x2000']],
  ['inside', 'crc32', []],
  ['inside', 'sha384', []],
] as const)('a FIT image with its files %s, hashed with %s', async (_where, hash, args) => {
  const image = makeFit(hash, ...args)
  const result = await extractKernel(memoryBytes(image))
  expect(result.chain.map(({ format }) => format)).toEqual(['FIT', 'arm64 Image'])
  expect(result.contents[0]).toMatchObject({ chosen: 'board-a', choices: ['board-a', 'board-b'], problems: [] })
  expect((await bytesOf(result.initrds[0])).equals(initrd)).toBe(true)
  expect((await bytesOf(result.deviceTrees[0])).equals(readFileSync(path('a.dtb')))).toBe(true)
  result.close()
  expect((await unpack(image)).bytes.equals(kernel)).toBe(true)

  const [part] = result.contents[0]?.parts ?? []
  image[(part?.offset ?? 0) + 5000] = 0x55
  image[(part?.offset ?? 0) + 5001] = 0x55
  await expect(unpack(image)).rejects.toThrow(`the ${hash} of its part kernel-1 does not match`)
})

test('a FIT configuration is chosen by name or by what the machine is compatible with', async () => {
  const image = makeFit('sha256')
  const chosen = async (choice: object) => (await inspectNested(memoryBytes(image), choice)).contents[0]
  expect((await chosen({ configuration: 'board-b' }))?.chosen).toBe('board-b')
  expect((await chosen({ compatible: ['maker,board-b', 'maker,soc'] }))?.chosen).toBe('board-b')
  expect((await chosen({ compatible: ['maker,soc'] }))?.chosen).toBe('board-a')
  expect((await chosen({ compatible: ['other,board'] }))?.chosen).toBe('board-a')
  expect((await chosen({ configuration: 'board-c' }))?.problems).toEqual(['it has no configuration board-c'])
  await expect(unpack(image, { configuration: 'board-c' })).rejects.toThrow('it has no configuration board-c')
})

/** A FIT image whose kernel is the FIT image itself, and whose one ramdisk is named again and again. */
function circular(ramdisks: string): Buffer {
  const source = `/dts-v1/; / { images {
    k { type = "kernel"; compression = "none"; data-position = <0>; data-size = <0x11111111>; };
    r { type = "ramdisk"; data-position = <0>; data-size = <100>; }; };
    configurations { default = "c"; c { kernel = "k"; ${ramdisks} }; }; };`
  const image = tool('dtc', ['-O', 'dtb', '-'], Buffer.from(source))
  image.writeUInt32BE(image.length, image.indexOf(Buffer.from('11111111', 'hex')))
  return image
}

test('a FIT image that holds itself is not followed for ever', async () => {
  const image = circular('')
  expect((await inspectNested(memoryBytes(image))).chain).toHaveLength(6)
  await expect(unpack(image)).rejects.toThrow('nested more deeply than any kernel')
})

test('a FIT image that names a part again and again is refused', async () => {
  await expect(unpack(circular('ramdisk = "r", "r", "r";'))).rejects.toThrow(
    'the parts that its configuration names overlap',
  )
})

test('a FIT inspection reads the tree and the start of the kernel, not the rest', async () => {
  const { bytesRead, image } = await inspectNested(
    memoryBytes(Buffer.concat([makeFit('sha256', '-E'), Buffer.alloc(5_000_000)])),
  )
  expect(image.format).toBe('arm64 Image')
  expect(bytesRead).toBeLessThan(1_300_000)
})

test('a device tree alone is named, and is no kernel', async () => {
  makeFit('crc32')
  const { image } = await inspectNested(memoryBytes(readFileSync(path('a.dtb'))))
  expect(image).toMatchObject({ format: 'device tree', description: 'a device tree of "Board a"', bootable: false })
})

test.each(['0', '1', '2'])('an Android boot image of version %s', async (version) => {
  file('Image.gz', packed(kernel, 'gzip'))
  file('initrd.gz', initrd)
  makeFit('crc32')
  const more = version === '2' ? ['--dtb', 'a.dtb', '--dtb_offset', '0x1f00000'] : []
  const commandLine = `console=ttyS0 ${'x'.repeat(600)} last`
  const args = ['--kernel', 'Image.gz', '--ramdisk', 'initrd.gz', '--cmdline', commandLine, '--board', 'board', ...more]
  tool('mkbootimg', [
    ...args,
    '--header_version',
    version,
    '--os_version',
    '12.0.0',
    '--os_patch_level',
    '2022-03',
    '-o',
    'boot.img',
  ])
  const image = readFileSync(path('boot.img'))
  const result = await extractKernel(memoryBytes(image))
  expect(result.commandLine).toBe(commandLine)
  expect((await bytesOf(result.initrds[0])).equals(initrd)).toBe(true)
  expect(result.deviceTrees).toHaveLength(version === '2' ? 1 : 0)
  expect(result.chain[0]?.facts).toContainEqual({ name: 'patch level', value: '2022-03' })
  result.close()
  expect((await unpack(image)).bytes.equals(kernel)).toBe(true)
})

test('an Android boot image of version 3 with its vendor boot image: ramdisks and command lines in order', async () => {
  file('Image.lz4', packed(kernel, 'lz4', '-l'))
  file('initrd.gz', initrd)
  file('vendor.gz', Buffer.concat([initrd, Buffer.alloc(100)]))
  tool('mkbootimg', [
    '--kernel',
    'Image.lz4',
    '--ramdisk',
    'initrd.gz',
    '--cmdline',
    'generic=1',
    '--header_version',
    '3',
    '-o',
    'boot3.img',
  ])
  tool('mkbootimg', [
    '--vendor_ramdisk',
    'vendor.gz',
    '--vendor_cmdline',
    'vendor=1',
    '--dtb',
    'a.dtb',
    '--header_version',
    '3',
    '--vendor_boot',
    'vendor.img',
  ])
  const image = readFileSync(path('boot3.img'))
  const vendorBoot = memoryBytes(readFileSync(path('vendor.img')))
  const result = await extractKernel(memoryBytes(image), { vendorBoot })
  expect(result.commandLine).toBe('vendor=1 generic=1')
  expect(result.initrds.map(({ part }) => part.name)).toEqual(['vendor ramdisk', 'ramdisk'])
  expect((await bytesOf(result.initrds[0])).equals(readFileSync(path('vendor.gz')))).toBe(true)
  expect((await bytesOf(result.deviceTrees[0])).equals(readFileSync(path('a.dtb')))).toBe(true)
  result.close()
  const alone = await unpack(image)
  expect(alone.commandLine).toBe('generic=1')
  expect(alone.bytes.equals(kernel)).toBe(true)
  await expect(unpack(readFileSync(path('vendor.img')))).rejects.toThrow('holds no kernel')
})

test('a uImage in a gzip of a FIT: layers come off one by one', async () => {
  const fit = makeFit('sha256')
  const { bytes, chain } = await unpack(packed(fit, 'gzip'))
  expect(chain.map(({ format }) => format)).toEqual(['gzip', 'FIT', 'arm64 Image'])
  expect(bytes.equals(kernel)).toBe(true)
})

test('gzip within gzip without end is not followed for ever', async () => {
  let image: Buffer = Buffer.from(kernel.subarray(0, 100))
  for (let layer = 0; layer < 20; layer++) image = packed(image, 'gzip')
  await expect(unpack(image)).rejects.toThrow('nested more deeply')
})

test('a kernel that unpacks to more than the limit is refused', async () => {
  await expect(unpack(packed(Buffer.alloc(10_000_000), 'xz'), { limit: 1_000_000 })).rejects.toMatchObject({
    reason: 'damaged-image',
    message: expect.stringContaining('unpacks to more than 1000000 bytes'),
  })
})

test('an unpacking can be interrupted', async () => {
  const controller = new AbortController()
  const unpacking = unpack(packed(Buffer.concat([content, content]), 'xz'), { signal: controller.signal })
  setTimeout(() => controller.abort(), 1)
  await expect(unpacking).rejects.toMatchObject({ reason: 'aborted' })
})

test('every truncation of a container ends in a sentence or an image, never otherwise', async () => {
  const images = [
    makeFit('crc32').subarray(0, 2000),
    readFileSync(path('boot3.img')).subarray(0, 5000),
    readFileSync(path('uImage')).subarray(0, 100),
  ]
  for (const image of images) {
    for (let length = 0; length < image.length; length += 7) {
      const result = await unpack(image.subarray(0, length)).catch((error: unknown) => error)
      expect(result).toHaveProperty(result instanceof Error ? 'reason' : 'image')
    }
  }
})
