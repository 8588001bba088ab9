import { readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { beforeAll, describe, expect, test } from 'vitest'
import { crc32 } from '../../../src/bytes/crc32.ts'
import { type Inspection, inspect } from '../../../src/image/inspect/inspection.ts'
import { arm64Image, content, file, packed, path, tool, zboot } from './tools.ts'

const head = (name: string) => readFileSync(`test/fixtures/kernels/${name}`)
const failed = ({ checks }: Inspection) =>
  checks.filter(({ passed }) => passed === false).map(({ part, by }) => [part, by])
const results = ({ checks }: Inspection) => checks.map(({ part, by, passed }) => `${part ?? 'file'} ${by} ${passed}`)
const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] as number) ^ 0x10
  return copy
}
const line = '6.6.1-test (me@here) #1 SMP'

/** What a program prints as `name: value`, the first of each name. */
function printed(program: string, args: readonly string[]): (name: string) => string | undefined {
  const text = tool(program, args).toString()
  return (name) =>
    text
      .split('\n')
      .find((each) => each.trim().startsWith(`${name}:`))
      ?.split(/:\s+/)[1]
      ?.trim()
}

describe('a uImage of a compressed arm64 kernel', () => {
  beforeAll(() => {
    file('Image.gz', packed(arm64Image(), 'gzip'))
    const facts = ['-A', 'arm64', '-O', 'linux', '-T', 'kernel', '-C', 'gzip', '-a', '0x80000', '-e', '0x80040']
    tool('mkimage', [...facts, '-n', 'Test kernel', '-d', 'Image.gz', 'uImage'])
  })

  test('is told with all that is in it, as far as its last byte', async () => {
    const inspection = await inspect(path('uImage'), { machine: 'aarch64' })
    expect(inspection).toMatchObject({
      verdict: 'loadable-unpacked',
      format: 'uImage',
      nested: [{ format: 'uImage' }, { format: 'arm64 Image', version: null }],
      // The version line lies at the end of what is compressed.
      kernel: {
        format: 'arm64 Image',
        architecture: 'aarch64',
        version: '6.6.1-test',
        versionString: line,
        pageSize: 4096,
      },
      kernelSize: arm64Image().length,
      engine: { engine: 'file', machine: 'aarch64' },
      damage: [],
      kernelSignatures: null,
    })
    expect(results(inspection)).toEqual(['header crc32 true', 'Test kernel crc32 true', 'Test kernel gzip true'])
  })

  test('says what dumpimage says', async () => {
    const says = printed('dumpimage', ['-l', path('uImage')])
    const inspection = await inspect(path('uImage'))
    const fact = (name: string) => inspection.facts.find((each) => each.name === name)?.value
    expect(fact('name')).toBe(says('Image Name'))
    expect(Number(fact('load address'))).toBe(Number.parseInt(says('Load Address') ?? '', 16))
    expect(Number(fact('entry point'))).toBe(Number.parseInt(says('Entry Point') ?? '', 16))
    expect(inspection.parts[0]?.length).toBe(Number.parseInt(says('Data Size') ?? '', 10))
    expect(new Date(fact('created') ?? '').getTime()).toBe(
      Date.parse(`${tool('date', ['-R', '-d', says('Created') ?? '']).toString()}`),
    )
  })

  test('on another machine it is of the wrong architecture', async () => {
    const inspection = await inspect(path('uImage'), { machine: 'x86_64' })
    expect(inspection).toMatchObject({ verdict: 'wrong-architecture', engine: { engine: 'none' } })
    expect(inspection.verdictReason).toBe('it is built for aarch64, and this machine is x86_64')
  })

  test('a byte flipped in its content, and one in its header, are told', async () => {
    const image = readFileSync(path('uImage'))
    const damaged = await inspect(flipped(image, 200_000), { machine: 'aarch64' })
    expect(damaged.verdict).toBe('damaged')
    expect(failed(damaged)).toContainEqual(['Test kernel', 'crc32'])
    expect(damaged.damage[0]).toBe('uImage: the crc32 of its part Test kernel does not match: the file is damaged')
    const header = await inspect(flipped(image, 20))
    expect(failed(header)).toEqual([['header', 'crc32']])
    expect(header.damage).toEqual(['uImage: the CRC of its header does not match'])
  })
})

describe('a FIT image', () => {
  beforeAll(() => {
    file('kernel', arm64Image())
    file('kernel.lz4', packed(arm64Image(), 'lz4'))
    file('ramdisk', content.subarray(0, 5000))
    file(
      'image.its',
      `/dts-v1/; / { description = "Two kernels"; #address-cells = <1>;
      images {
        plain { description = "as it is"; data = /incbin/("kernel"); type = "kernel"; arch = "arm64"; os = "linux"; compression = "none";
          load = <0>; entry = <0>; hash-1 { algo = "sha256"; }; hash-2 { algo = "crc32"; }; };
        packed { data = /incbin/("kernel.lz4"); type = "kernel"; arch = "arm64"; os = "linux"; compression = "lz4";
          load = <0>; entry = <0>; hash-1 { algo = "sha1"; }; };
        disk { description = "the ramdisk"; data = /incbin/("ramdisk"); type = "ramdisk"; arch = "arm64"; os = "linux"; compression = "none";
          hash-1 { algo = "sha512"; }; };
      };
      configurations { default = "small";
        large { description = "for large boards"; kernel = "plain"; ramdisk = "disk"; compatible = "acme,large"; };
        small { description = "for small boards"; kernel = "packed"; };
      }; };`,
    )
    tool('mkimage', ['-E', '-f', 'image.its', 'image.itb'])
  })

  test('is told with every configuration and every part, those not chosen too', async () => {
    const inspection = await inspect(path('image.itb'), { machine: 'aarch64' })
    expect(inspection.kernel).toMatchObject({ version: '6.6.1-test', versionString: line })
    expect(inspection.kernelSize).toBe(arm64Image().length)
    expect(inspection.parts.map(({ layer, name, kind, compression }) => [layer, name, kind, compression])).toEqual([
      [0, 'plain', 'kernel', null],
      [0, 'packed', 'kernel', 'lz4'],
      [0, 'disk', 'initrd', null],
    ])
    expect(inspection.configurations).toMatchObject([
      { name: 'large', isDefault: false, parts: ['plain', 'disk'], compatible: ['acme,large'] },
      { name: 'small', isDefault: true, parts: ['packed'], description: 'for small boards' },
    ])
    expect(results(inspection)).toEqual([
      ...['plain sha256 true', 'plain crc32 true', 'packed sha1 true', 'packed lz4 true', 'disk sha512 true'],
    ])
  })

  test('has the hashes, sizes and descriptions that dumpimage shows', async () => {
    const shown = tool('dumpimage', ['-l', path('image.itb')]).toString()
    const { parts, configurations, facts } = await inspect(path('image.itb'))
    for (const { name, length, description, hashes } of parts) {
      const own = shown.slice(shown.indexOf(`(${name})`))
      expect(/Data Size: +(\d+)/.exec(own)?.[1]).toBe(String(length))
      expect(/Description: +(.*)/.exec(own)?.[1]).toBe(description ?? 'unavailable')
      for (const { digest } of hashes) expect(own).toContain(digest)
    }
    for (const { name, description } of configurations) {
      expect(/Description: +(.*)/.exec(shown.slice(shown.indexOf(`(${name})`)))?.[1]).toBe(description)
    }
    expect(/Default Configuration: '(.*)'/.exec(shown)?.[1]).toBe(
      configurations.find(({ isDefault }) => isDefault)?.name,
    )
    expect(facts).toContainEqual({ name: 'description', value: /FIT description: (.*)/.exec(shown)?.[1] })
  })

  test('a byte flipped in any part is told, by the name of that part', async () => {
    const image = readFileSync(path('image.itb'))
    for (const part of (await inspect(image)).parts) {
      const damaged = await inspect(flipped(image, part.offset + 1000))
      expect(damaged.verdict).toBe('damaged')
      expect(new Set(failed(damaged).map(([name]) => name))).toEqual(new Set([part.name]))
    }
  })

  test('the configuration that is asked for is the one whose kernel is told', async () => {
    const inspection = await inspect(path('image.itb'), { configuration: 'large', machine: 'aarch64' })
    // Nothing is unpacked, so the version line is read where it lies.
    expect(inspection.kernel.versionString).toBe(line)
    expect(results(inspection)).not.toContain('packed lz4 true')
  })
})

test('an Android boot image says what unpack_bootimg says', async () => {
  file('kernel', arm64Image())
  file('ramdisk', content.subarray(0, 5000))
  const facts = ['--os_version', '12.0.0', '--os_patch_level', '2022-03', '--board', 'herring', '--cmdline', 'a=b ro']
  for (const version of ['0', '1', '2']) {
    const dtb = version === '2' ? ['--dtb', 'ramdisk'] : []
    tool('mkbootimg', [
      ...['--header_version', version, '--kernel', 'kernel', '--ramdisk', 'ramdisk'],
      ...facts,
      ...dtb,
      '-o',
      'boot.img',
    ])
    const says = printed('unpack_bootimg', ['--boot_img', path('boot.img'), '--out', path('out')])
    const inspection = await inspect(path('boot.img'), { machine: 'aarch64' })
    const fact = (name: string) => inspection.facts.find((each) => each.name === name)?.value
    expect(fact('header version')).toBe(says('boot image header version'))
    expect(fact('Android version')).toBe(says('os version'))
    expect(fact('patch level')).toBe(says('os patch level'))
    expect(fact('page size')).toBe(says('page size'))
    expect(fact('name')).toBe(says('product name'))
    expect(Number(fact('kernel address'))).toBe(Number(says('kernel load address')))
    expect(inspection.commandLine).toBe(says('command line args'))
    expect(inspection.parts.find(({ name }) => name === 'kernel')?.length).toBe(Number(says('kernel_size')))
    expect(inspection).toMatchObject({ verdict: 'loadable-unpacked', kernel: { version: '6.6.1-test' } })
  }
})

describe('a bzImage', () => {
  /** The head of a real kernel before a payload, as long as its header says, with the CRC that the build of old kernels puts at the end. */
  function bzImage(name: string, payload: Buffer): Buffer {
    const start = head(name)
    const setup = ((start[0x1f1] as number) + 1) * 512
    const offset = setup + start.readUInt32LE(0x248)
    const end = Math.ceil((offset + payload.length + 600) / 16) * 16
    const image = Buffer.alloc(end, 0x90)
    start.copy(image, 0, 0, offset)
    payload.copy(image, offset)
    image.writeUInt32LE(payload.length, 0x24c)
    image.writeUInt32LE((end - setup) / 16, 0x1f4)
    // Neither checksum nor signature, as it comes from the build.
    const optional = image.readUInt32LE(0x3c) + 24
    image.fill(0, optional + 64, optional + 68)
    image.fill(0, optional + 144, optional + 152)
    const sections = optional + image.readUInt16LE(optional - 4)
    for (let at = sections; at < sections + image.readUInt16LE(optional - 18) * 40; at += 40) {
      const most = Math.max(0, end - image.readUInt32LE(at + 20))
      image.writeUInt32LE(Math.min(image.readUInt32LE(at + 16), most), at + 16)
    }
    image.writeUInt32LE(~crc32(image.subarray(0, end - 4)) >>> 0, end - 4)
    return image
  }
  const size = Buffer.alloc(4)
  size.writeUInt32LE(content.length)
  const lz4 = () => Buffer.concat([packed(content, 'lz4', '-l'), size])
  const zstd = () => Buffer.concat([packed(content, 'zstd'), size])
  const old = 'vmlinuz-6.1.0-50-cloud-amd64.head'
  const recent = 'vmlinuz-6.17.13+deb13-cloud-amd64.head'

  test('tells its whole header', async () => {
    const inspection = await inspect(bzImage(old, lz4()), { machine: 'x86_64' })
    expect(inspection).toMatchObject({ verdict: 'loadable', damage: [], signature: 'absent', maxCommandLine: 2016 })
    expect(inspection.efiStub).toEqual({ bits: 64, handover: [32, 64] })
    expect(inspection.setupHeader).toMatchObject({
      protocol: '2.15',
      loadFlags: ['loaded-high'],
      extendedLoadFlags: [
        'kernel-64',
        'above-4g',
        'efi-handover-32',
        'efi-handover-64',
        'efi-kexec',
        '5-level',
        '5-level-enabled',
      ],
      commandLineSize: 2047,
      initrdAddressMaximum: 0x7fffffff,
      kernelAlignment: 0x200000,
      minimumAlignment: 0x200000,
      preferredAddress: 0x1000000,
      payload: { compression: 'lz4', length: lz4().length, unpackedSize: content.length },
    })
    expect(inspection.memoryNeeded).toBe(inspection.setupHeader?.initSize)
  })

  test('of the build before 6.15: a byte flipped anywhere is told by the CRC at its end, signed or not', async () => {
    const image = bzImage(old, lz4())
    expect(results(await inspect(image))).toEqual(['file crc32 true'])
    for (const at of [0x230, 0x3000, 100_000, image.length - 100, image.length - 2]) {
      const damaged = await inspect(flipped(image, at))
      expect([damaged.verdict, failed(damaged)], `byte ${at}`).toEqual([
        'damaged',
        expect.arrayContaining([[null, 'crc32']]),
      ])
    }
    // What signing changes is the checksum of the PE header, the place of the signature, and what comes behind.
    const optional = image.readUInt32LE(0x3c) + 24
    const signed = Buffer.concat([image, Buffer.alloc(8)])
    signed.writeUInt32LE(0x1234567, optional + 64)
    signed.writeUInt32LE(image.length, optional + 144)
    expect(results(await inspect(signed))).toEqual(['file crc32 true'])
  })

  test('of later builds: without a signature, what is compressed in it is unpacked to know it whole', async () => {
    const image = bzImage(recent, zstd())
    image.fill(0, image.length - 4)
    expect(results(await inspect(image))).toEqual(['payload zstd true'])
    const { offset, length } = (await inspect(image)).setupHeader?.payload ?? { offset: 0, length: 0 }
    const damaged = await inspect(flipped(image, offset + Math.floor(length / 2)))
    expect(damaged.verdict).toBe('damaged')
    expect(damaged.damage.join()).toMatch(/^the kernel in it cannot be unpacked: /)
    const wrongSize = Buffer.from(image)
    wrongSize.writeUInt32LE(content.length - 1, offset + length - 4)
    expect((await inspect(wrongSize)).verdict).toBe('damaged')
  })

  test('a payload that leads beyond the kernel is named', async () => {
    const image = bzImage(old, lz4())
    image.writeUInt32LE(0x7fffffff, 0x24c)
    const inspection = await inspect(image)
    expect(inspection).toMatchObject({ verdict: 'damaged', bootable: false })
    expect(inspection.damage[0]).toMatch(
      /^its header contradicts itself: the compressed kernel in it is said to end at byte/,
    )
  })

  test('cut short, it is told with both sizes', async () => {
    const image = bzImage(old, lz4())
    const { verdict, damage } = await inspect(image.subarray(0, 100_000))
    expect(verdict).toBe('damaged')
    expect(damage[0]).toBe(`it is truncated: the file has 100000 bytes where its header asks for ${image.length}`)
  })
})

test('an EFI zboot image that is cut short, and one that is damaged', async () => {
  const image = zboot(packed(arm64Image(), 'zstd'), 'zstd', arm64Image().length)
  expect(await inspect(image, { machine: 'aarch64' })).toMatchObject({
    verdict: 'loadable-unpacked',
    kernel: { versionString: line },
  })
  expect((await inspect(image.subarray(0, 100_000))).damage.join()).toContain(
    'it is truncated: the file has 100000 bytes',
  )
  expect((await inspect(flipped(image, 300_000))).damage.join()).toContain(
    'EFI zboot: the kernel in it cannot be unpacked',
  )
})

test('a UKI with profiles, around an EFI zboot image: every section, every profile, three layers', async () => {
  file('stub.c', 'int efi_main(void) { return 0; }')
  tool('gcc', ['-shared', '-nostdlib', '-fPIC', '-o', 'stub.so', 'stub.c'])
  tool('objcopy', ['-j', '.text', '--output-target=efi-app-x86_64', 'stub.so', 'stub.efi'])
  const sections: [string, Buffer | string][] = [
    ['.osrel', 'PRETTY_NAME="Test OS 1"\n'],
    ['.cmdline', 'root=/dev/vda1 quiet'],
    ['.initrd', packed(Buffer.from('070701'), 'gzip')],
    ['.linux', zboot(packed(arm64Image(), 'zstd'), 'zstd', arm64Image().length)],
    ['.profile', 'ID=main\nTITLE=Main\n'],
  ]
  const args = sections.flatMap(([name, bytes], index) => {
    file(`section${name}`, Buffer.from(bytes))
    const address = `${name}=0x${(0x200000 * (index + 1)).toString(16)}`
    return [
      '--add-section',
      `${name}=section${name}`,
      '--set-section-flags',
      `${name}=data,readonly`,
      '--change-section-vma',
      address,
    ]
  })
  tool('objcopy', [...args, 'stub.efi', 'linux.efi'])
  const inspection = await inspect(path('linux.efi'), { machine: 'aarch64' })
  expect(inspection.nested.map(({ format }) => format)).toEqual(['UKI', 'EFI zboot', 'arm64 Image'])
  expect(inspection).toMatchObject({ verdict: 'loadable-unpacked', commandLine: 'root=/dev/vda1 quiet', damage: [] })
  expect(inspection.facts).toContainEqual({ name: 'system', value: 'Test OS 1' })
  expect(inspection.configurations).toMatchObject([
    { name: '@0', description: 'Main', isDefault: true, commandLine: 'root=/dev/vda1 quiet' },
  ])
  for (const [name, bytes] of sections) {
    expect(inspection.parts.find((part) => part.name === name)?.length).toBe(Buffer.from(bytes).length)
  }
  expect(inspection).toMatchObject({ kernelSize: arm64Image().length, kernel: { versionString: line } })
  expect(results(inspection)).toEqual(['payload zstd true'])
})

test('LoongArch as Debian ships it: an EFI zboot image, told from its head', async () => {
  const inspection = await inspect(head('loong64-7.2.12+deb14.head'))
  expect(inspection).toMatchObject({
    format: 'EFI zboot',
    architecture: 'loongarch64',
    compression: 'zstd',
    verdict: 'damaged',
  })
  expect(inspection.efiStub).toEqual({ bits: 64, handover: [] })
})

test.each(['gzip', 'xz', 'zstd', 'lz4', 'bzip2', 'lzma'])('a kernel packed by %s that breaks off', async (program) => {
  const whole = packed(arm64Image(), program)
  expect((await inspect(whole, { machine: 'aarch64' })).verdict).toBe('loadable-unpacked')
  const { verdict, damage } = await inspect(whole.subarray(0, whole.length - 1000))
  expect(verdict).toBe('damaged')
  expect(damage).toEqual([expect.stringMatching(/^(\w+: )?it cannot be unpacked: /)])
})

test('of two version lines that a kernel holds, the one with its build number is told', async () => {
  const early = Buffer.from('Linux version 6.6.1-test (me@here) # SMP\n\0')
  const kernel = arm64Image()
  early.copy(kernel, 1000)
  expect((await inspect(kernel)).kernel.versionString).toBe(line)
  expect((await inspect(packed(kernel, 'gzip'))).kernel.versionString).toBe(line)
})

test('a vmlinux within something compressed is told from any program by its version line', async () => {
  const program = readFileSync('/bin/true')
  expect((await inspect(packed(program, 'gzip'))).kernel).toMatchObject({ format: 'ELF', version: null })
  const vmlinux = Buffer.concat([program, Buffer.alloc(300_000), Buffer.from(`Linux version ${line}\n\0`)])
  const inspection = await inspect(packed(vmlinux, 'gzip'), { machine: 'x86_64' })
  expect(inspection.kernel).toMatchObject({ format: 'vmlinux', version: '6.6.1-test' })
  expect(inspection).toMatchObject({
    verdict: 'loadable-unpacked',
    verdictReason: expect.stringMatching(/^kexec_load takes the kernel in it, /),
    engine: { engine: 'segments' },
  })
})

test('an initrd is no kernel, whatever lies in it', async () => {
  const initrd = Buffer.concat([Buffer.from(`070701${'0'.repeat(200)}`), Buffer.from(`Linux version ${line}\n\0`)])
  expect(await inspect(packed(initrd, 'gzip'))).toMatchObject({
    verdict: 'not-loadable',
    kernel: { format: 'cpio', version: null },
    damage: [],
  })
})

test('a path, bytes, an open file and a stream tell the same', async () => {
  const bytes = packed(arm64Image(), 'gzip')
  writeFileSync(path('same'), bytes)
  const handle = await open(path('same'))
  const all = [
    await inspect(path('same')),
    await inspect(bytes),
    await inspect(handle),
    await inspect(Readable.from([bytes])),
  ]
  await handle.close()
  const [first, ...others] = all.map(({ path: _path, signatures: { ima: _ima, ...signatures }, ...rest }) => ({
    ...rest,
    signatures,
  }))
  for (const other of others) expect(other).toEqual(first)
})

test('a reading can be interrupted', async () => {
  const bytes = packed(arm64Image(), 'xz')
  await expect(inspect(bytes, { signal: AbortSignal.abort() })).rejects.toMatchObject({ reason: 'aborted' })
})

test('whatever the bytes are, they are answered', async () => {
  file('kernel', arm64Image().subarray(0, 3000))
  file(
    'small.its',
    `/dts-v1/; / { description = "small"; images { k { description = "k"; arch = "arm64"; os = "linux"; load = <0>; entry = <0>; data = /incbin/("kernel"); type = "kernel"; compression = "none"; hash-1 { algo = "crc32"; }; }; };
    configurations { default = "c"; c { kernel = "k"; }; }; };`,
  )
  tool('mkimage', ['-f', 'small.its', 'small.itb'])
  tool('mkimage', ['-A', 'arm64', '-O', 'linux', '-T', 'kernel', '-C', 'none', '-d', 'kernel', 'small.uimg'])
  const images = [
    readFileSync(path('small.itb')),
    readFileSync(path('small.uimg')),
    head('vmlinuz-6.17.13+deb13-cloud-amd64.head'),
  ]
  for (const image of images) {
    for (let length = 0; length < image.length; length += 61) await inspect(image.subarray(0, length))
    for (let at = 0; at + 4 <= Math.min(image.length, 1000); at += 4) {
      const extreme = Buffer.from(image)
      extreme.writeUInt32LE(0xffffffff, at)
      const { verdict, nested } = await inspect(extreme)
      expect(nested.length, verdict).toBeGreaterThan(0)
    }
  }
})
