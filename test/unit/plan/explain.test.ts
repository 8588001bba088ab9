import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../src/index.ts'
import { explanationsOfChoice } from '../../../src/plan/explain.ts'
import type { Tree } from '../entries/tree.ts'
import { arm64Image } from '../image/tools.ts'
import { debian, makeMachine, newer } from './debian.ts'
import { machineWith } from './machines.ts'

const kernel = `/boot/vmlinuz-${newer}`
async function explained(options: PlanOptions) {
  using made = await plan(options)
  return { text: made.explain(), lines: made.explain().split('\n'), made, choice: explanationsOfChoice(made) }
}

describe('a plan for people', () => {
  test('is each choice with its facts and its reason, line for line', async () => {
    const { lines } = await explained({ root: machineWith(), entry: newer, commandLine: '' })
    expect(lines).toEqual([
      `kernel        ${kernel}`,
      expect.stringMatching(/^ {14}6\.12\.107\+deb12-cloud-amd64, bzImage for x86_64, \d+\.\d MiB, not signed$/),
      expect.stringMatching(/^ {14}entry vmlinuz-6\.12\.107.*: chosen by /),
      `initrd        /boot/initrd.img-${newer}`,
      expect.stringMatching(/^ {14}124 bytes, .*cpio/),
      '              it belongs to the entry',
      'command line  (empty)',
      '              given with commandLine',
      'engine        file',
      '              kexec_file_load: the kernel itself reads and checks the image',
      'verdict       the kernel will take it',
      '              signatures are verified, but a kernel that fails is accepted anyway',
      'not checked:  whether the memory is enough: there is no /proc/meminfo',
    ])
  })

  test('names its warnings, refusals with file and remedy, and what was not checked', async () => {
    const root = makeMachine({ ...debian, '/boot/Image': { file: arm64Image() } })
    const { lines } = await explained({
      root,
      kernel: '/boot/Image',
      commandLine: 'root=UUID=1',
      append: 'a',
      remove: 'b',
    })
    expect(lines).toContain("warning:      remove: 'b': the command line has no such parameter")
    expect(lines).toContain(
      'not checked:  whether a kernel for aarch64 suits the machine: the root directory has no /proc',
    )
    const at = lines.findIndex((line) => line.startsWith('refused:'))
    expect(lines[at]).toBe(
      'refused:      there is no initrd, and only an initrd finds root=UUID=1: the kernel by itself knows device names, PARTUUID= and PARTLABEL=',
    )
    expect(lines[at + 1]).toMatch(
      /^ {14}Name the initrd with initrds: \['FILE'\]\. For a kernel with an initramfs built in, add noInitrd: true\.$/,
    )
    const named = await explained({ root, kernel, commandLine: 'root=/dev/vda1' })
    expect(named.text).toContain(
      `refused:      this is the kernel of the entry 'vmlinuz-${newer}', and no initrd was named with it (${kernel})\n`,
    )
  })

  test('shows no facts of an initrd where there is none', async () => {
    const { lines } = await explained({ root: makeMachine(), kernel, commandLine: 'root=/dev/vda1', noInitrd: true })
    const at = lines.indexOf('initrd        none')
    expect(lines[at + 1]).toBe('              asked for with noInitrd: true')
  })

  test('says what the kernel is in, from the inside out, and what it is where it has no version', async () => {
    const arm: Tree = { ...debian, '/boot/Image.gz': { file: gzipSync(arm64Image(), { level: 1 }) } }
    const options: PlanOptions = { commandLine: 'root=/dev/vda1', noInitrd: true }
    const packed = await explained({ root: makeMachine(arm), kernel: '/boot/Image.gz', ...options })
    expect(packed.lines[1]).toMatch(
      /^ {14}6\.6\.1-test, arm64 Image for aarch64 in gzip, \d+\.\d (?:K|M)iB, not signed$/,
    )
    const text = await explained({
      root: makeMachine({ ...debian, '/boot/text': { text: 'hello' } }),
      kernel: '/boot/text',
      ...options,
    })
    expect(text.lines[1]).toBe('              a text file, 5 bytes')
  })

  test('lists the segments by address, both ends included, in columns', async () => {
    const { lines, made } = await explained({ root: machineWith(), entry: newer, engine: 'segments' })
    const rows = lines.filter((line) => /^ {14}0x/.test(line))
    expect(rows).toHaveLength(made.segments?.length ?? 0)
    for (const [index, { name, address, size }] of (made.segments ?? []).entries()) {
      expect(rows[index]).toMatch(
        new RegExp(`^ {14}0x${address.toString(16)}-0x${(address + size - 1).toString(16)} +\\d.* {2}${name}$`),
      )
    }
    // Sizes end, and names begin, in one column.
    const ends = rows.map((row) => row.search(/(?<=(?:bytes|[KM]iB)) {2}\S/))
    expect(new Set(ends).size).toBe(1)
    expect(
      (await explained({ root: machineWith(), entry: newer })).lines.filter((line) => /^ {14}0x/.test(line)),
    ).toEqual([])
  })
})

test('what `load` shows is what runs: not how it is loaded, nor what will be answered', async () => {
  const root = machineWith({ '/etc/motd': { text: 'hello' } })
  const { choice } = await explained({ root, entry: newer, overlay: ['/etc/motd'], fast: true })
  expect(choice.map(({ label }) => label).filter(Boolean)).toEqual(['kernel', 'initrd', 'overlay', 'command line'])
  expect(choice.some(({ text }) => text.startsWith('it belongs to the entry'))).toBe(true)
})

describe('a plan as data', () => {
  test('has all that was decided', async () => {
    const root = machineWith()
    using made = await plan({ root, entry: newer })
    expect(made.toJSON()).toMatchObject({
      root,
      entry: `vmlinuz-${newer}`,
      kernel,
      version: newer,
      initrds: [`/boot/initrd.img-${newer}`],
      commandLine: 'root=/dev/vda1 ro quiet',
      deviceTree: null,
      panic: false,
      engine: 'file',
      segments: null,
      image: { format: 'bzImage' },
      nested: ['bzImage'],
      verdict: { outcome: 'will-load' },
      warnings: [],
      refusals: [],
      unchecked: [{ code: 'memory' }],
    })
    expect(made.initrds).toHaveLength(1)
    expect(made.nested).toHaveLength(1)
    using bare = await plan({ root, kernel, commandLine: 'root=/dev/vda1', noInitrd: true })
    expect(bare.entry).toBeNull()
  })

  test('of options that nobody knows is an error that names the call', async () => {
    using made = await plan({ root: makeMachine(), entry: newer })
    await expect(made.prepare({ sginal: undefined } as never)).rejects.toMatchObject({
      reason: 'invalid-argument',
      summary: expect.stringContaining('prepare() of a plan'),
    })
    await expect(made.load({ onprogress: () => {} } as never)).rejects.toMatchObject({
      reason: 'invalid-argument',
      summary: expect.stringContaining('load() of a plan'),
    })
    expect(made.refusals).toEqual([])
  })
})
