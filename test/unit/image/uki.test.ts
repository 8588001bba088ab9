import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../src/bytes/bytes.ts'
import { extractKernel } from '../../../src/image/unpack/extract.ts'
import { inspectNested } from '../../../src/image/unpack/nested.ts'
import { arm64Image, bytesOf, file, packed, path, tool, unpack, zboot } from './tools.ts'

type Section = readonly [name: string, content: Buffer | string]

const bzImage = Buffer.concat([
  readFileSync('test/fixtures/kernels/vmlinuz-6.1.0-50-cloud-amd64.head'),
  Buffer.alloc(14_200_000, 0x90),
])

/** A PE file with these sections, as ukify lays them out: padded to 512 bytes, with their true length in VirtualSize. */
function peOf(sections: readonly Section[]): Buffer {
  const head = Buffer.alloc(Math.ceil((0x40 + 24 + 40 * sections.length) / 512) * 512)
  head.write('MZ')
  head.writeUInt32LE(0x40, 0x3c)
  head.write('PE\0\0', 0x40, 'latin1')
  head.writeUInt16LE(0x8664, 0x44)
  head.writeUInt16LE(sections.length, 0x46)
  const bodies: Buffer[] = []
  let offset = head.length
  for (const [index, [name, content]] of sections.entries()) {
    const body = Buffer.from(content)
    const raw = Math.ceil(body.length / 512) * 512
    const at = 0x40 + 24 + 40 * index
    head.write(name, at)
    head.writeUInt32LE(body.length, at + 8)
    head.writeUInt32LE(raw, at + 16)
    head.writeUInt32LE(offset, at + 20)
    bodies.push(body, Buffer.alloc(raw - body.length))
    offset += raw
  }
  return Buffer.concat([head, ...bodies])
}

test('a UKI that objcopy made, as its manual shows', async () => {
  file('stub.c', 'int efi_main(void) { return 0; }')
  tool('gcc', ['-shared', '-nostdlib', '-fPIC', '-o', 'stub.so', 'stub.c'])
  tool('objcopy', ['-j', '.text', '--output-target=efi-app-x86_64', 'stub.so', 'stub.efi'])
  const sections: Section[] = [
    ['.osrel', 'NAME=Test\nPRETTY_NAME="Test OS 1"\n'],
    ['.uname', '6.1.0-50-cloud-amd64'],
    ['.cmdline', 'root=/dev/vda1 quiet'],
    ['.initrd', packed(Buffer.from('070701'), 'gzip')],
    ['.linux', bzImage],
  ]
  const args = sections.flatMap(([name, content], index) => {
    file(`section${name}`, Buffer.from(content))
    const address = (0x100000 * (index + 1)).toString(16)
    return [
      '--add-section',
      `${name}=section${name}`,
      '--set-section-flags',
      `${name}=data,readonly`,
      '--change-section-vma',
      `${name}=0x${address}`,
    ]
  })
  tool('objcopy', [...args, 'stub.efi', 'linux.efi'])
  const image = readFileSync(path('linux.efi'))

  const inspected = await inspectNested(memoryBytes(image))
  expect(inspected.chain.map(({ format }) => format)).toEqual(['UKI', 'bzImage'])
  expect(inspected.chain[0]?.facts).toContainEqual({ name: 'system', value: 'Test OS 1' })
  expect(inspected.image.version).toBe('6.1.0-50-cloud-amd64')
  expect(inspected.bytesRead).toBeLessThan(80_000)

  const kernel = await extractKernel(memoryBytes(image))
  expect(kernel.commandLine).toBe('root=/dev/vda1 quiet')
  expect((await bytesOf(kernel.initrds[0])).equals(readFileSync(path('section.initrd')))).toBe(true)
  kernel.close()
  expect((await unpack(image)).bytes.equals(bzImage)).toBe(true)
})

test('microcode goes before the initrds, which keep their order', async () => {
  const image = peOf([
    ['.linux', bzImage],
    ['.initrd', 'first'],
    ['.initrd', 'second'],
    ['.ucode', 'microcode'],
    ['.dtbauto', 'tree a'],
    ['.dtbauto', 'tree b'],
  ])
  const kernel = await extractKernel(memoryBytes(image))
  const texts = await Promise.all(kernel.initrds.map(async (part) => (await bytesOf(part)).toString()))
  expect(texts).toEqual(['microcode', 'first', 'second'])
  expect(kernel.deviceTrees.map(({ part }) => part.name)).toEqual(['.dtbauto', '.dtbauto'])
  expect(kernel.commandLine).toBe(null)
  kernel.close()
})

const profiles = peOf([
  ['.linux', bzImage],
  ['.cmdline', 'base'],
  ['.initrd', 'base initrd'],
  ['.profile', 'ID=main\nTITLE=Normal\n'],
  ['.profile', 'ID=rescue\nTITLE="Rescue mode"\n'],
  ['.cmdline', 'rescue'],
  ['.profile', 'ID=reset\n'],
  ['.cmdline', 'reset'],
  ['.initrd', 'reset initrd'],
])

test.each([
  [undefined, 'Normal', 'base', 'base initrd'],
  [0, 'Normal', 'base', 'base initrd'],
  [1, 'Rescue mode', 'rescue', 'base initrd'],
  [2, 'reset', 'reset', 'reset initrd'],
])('profile %s of a UKI takes the place of what it overrides', async (profile, name, commandLine, initrd) => {
  const kernel = await extractKernel(memoryBytes(profiles), profile === undefined ? {} : { profile })
  expect(kernel.contents[0]).toMatchObject({ chosen: name, choices: ['Normal', 'Rescue mode', 'reset'] })
  expect(kernel.commandLine).toBe(commandLine)
  expect((await bytesOf(kernel.initrds[0])).toString()).toBe(initrd)
  kernel.close()
})

test('a profile that is not there is refused', async () => {
  await expect(unpack(profiles, { profile: 3 })).rejects.toThrow('it has no profile 3: there are 3')
})

test('an EFI zboot kernel inside a UKI', async () => {
  const image = arm64Image()
  const { bytes, chain } = await unpack(peOf([['.linux', zboot(packed(image, 'gzip'), 'gzip', image.length)]]))
  expect(chain.map(({ format }) => format)).toEqual(['UKI', 'EFI zboot', 'arm64 Image'])
  expect(bytes.equals(image)).toBe(true)
})

test('sections that overlap or lie beyond the file are refused', async () => {
  const image = peOf([
    ['.linux', bzImage.subarray(0, 30_000)],
    ['.initrd', 'initrd'],
  ])
  const second = 0x40 + 24 + 40
  const overlapping = Buffer.from(image)
  overlapping.writeUInt32LE(image.readUInt32LE(0x40 + 24 + 20) + 512, second + 20)
  await expect(unpack(overlapping)).rejects.toThrow('its sections .linux and .initrd overlap')
  const outside = Buffer.from(image)
  outside.writeUInt32LE(0xfffffe00, second + 20)
  await expect(unpack(outside)).rejects.toThrow('its section .initrd lies beyond the end of the file')
  await expect(
    unpack(
      peOf([
        ['.linux', bzImage],
        ['.linux', bzImage],
      ]),
    ),
  ).rejects.toThrow('it has 2 sections .linux')
})
