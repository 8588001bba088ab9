import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../src/index.ts'
import { layMachine } from '../engine/layout/machines.ts'
import type { Tree } from '../entries/tree.ts'
import { arm64Image, packed, zboot } from '../image/tools.ts'
import { bookworm, configuration, machine } from '../policy/machines.ts'
import { debian, makeMachine } from './debian.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text).join()

const image = arm64Image()

/** An arm64 machine with a device tree, whose kernel has only kexec_load, as Debian builds it. */
function machineWith(changes: Tree = {}, withFileLoad = false): string {
  const text = configuration(bookworm).replace('CONFIG_KEXEC_FILE=y', '# CONFIG_KEXEC_FILE is not set')
  const root = makeMachine({
    ...debian,
    ...machine(bookworm, { '/proc/sys/kernel/arch': { text: 'aarch64\n' } }),
    ...(withFileLoad ? {} : { [`/boot/config-${bookworm}`]: { text } }),
    '/boot/Image': { file: image },
    '/boot/board.dtb': { file: tree('model = "of a file"; compatible = "acme,board";') },
    ...changes,
  })
  layMachine(root, 'arm64-tree-6.1')
  return root
}

function tree(properties: string): Buffer {
  const input = `/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; ${properties} };`
  return execFileSync('dtc', ['-q', '-I', 'dts', '-O', 'dtb'], { input, maxBuffer: 2 ** 24 })
}

async function planned(options: PlanOptions) {
  using made = await plan({ kernel: '/boot/Image', commandLine: 'ro', noInitrd: true, ...options })
  return { ...made.toJSON(), text: made.explain() }
}

const reasons = ({ refusals }: { refusals: readonly Record<string, unknown>[] }) => refusals.map(({ reason }) => reason)

describe('a kernel without kexec_file_load, as Debian builds it for arm64', () => {
  test('loads an Image through kexec_load, and the plan says where everything will lie', async () => {
    const made = await planned({ root: machineWith() })
    expect(made).toMatchObject({
      engine: 'segments',
      refusals: [],
      deviceTree: null,
      verdict: { outcome: 'will-load' },
    })
    expect(made.segments?.map(({ name }) => name).sort()).toEqual(['device tree', 'kernel', 'trampoline'])
    expect(made.text).toMatch(/^ +0x[0-9a-f]+-0x[0-9a-f]+ +64\.0 KiB {2}device tree$/m)
  })

  test('an Image in zboot, as 7.2 has it, likewise', async () => {
    const root = machineWith({ '/boot/vmlinuz.efi': { file: zboot(packed(image, 'gzip'), 'gzip', image.length) } })
    const made = await planned({ root, kernel: '/boot/vmlinuz.efi' })
    expect(made).toMatchObject({ engine: 'segments', refusals: [], nested: ['EFI zboot', 'arm64 Image'] })
  })

  test('pages of another size are refused, unless they are asked for all the same', async () => {
    const other = Buffer.from(image)
    other.writeBigUInt64LE(0b1110n, 24)
    const vector = Buffer.from(new BigUint64Array([6n, 4096n, 0n, 0n]).buffer)
    const root = machineWith({ '/boot/Image': { file: other }, '/proc/self/auxv': { file: vector } })
    const made = await planned({ root })
    expect(made.refusals).toMatchObject([
      { reason: 'wrong-architecture', summary: expect.stringContaining('pages of 64.0 KiB'), refused: true },
    ])
    const asked = await planned({ root, tryAnyway: true })
    expect(asked.refusals).toEqual([])
    expect(texts(asked.warnings)).toContain('it stops before its first message')
  })

  test('an initrd that fits nowhere is refused', async () => {
    const initrd = Buffer.alloc(2 ** 30)
    initrd.write('070701')
    const made = await planned({ root: machineWith(), initrds: [initrd], noInitrd: false })
    expect(reasons(made)).toContain('no-memory-hole')
  })
})

describe('--dtb', () => {
  test('gives another device tree, and so takes kexec_load where no signature is looked at', async () => {
    const made = await planned({ root: machineWith({}, true), deviceTree: '/boot/board.dtb' })
    expect(made).toMatchObject({ engine: 'segments', refusals: [], deviceTree: '/boot/board.dtb' })
    expect(made.decisions).toContainEqual(
      expect.objectContaining({ subject: 'device tree', choice: '/boot/board.dtb' }),
    )
    const without = await planned({ root: machineWith({}, true) })
    expect(without).toMatchObject({ engine: 'file', refusals: [], deviceTree: null })
  })

  test('is refused by kexec_file_load, and on machines without device trees', async () => {
    const file = await planned({ root: machineWith({}, true), deviceTree: '/boot/board.dtb', engine: 'file' })
    expect(file.refusals).toMatchObject([{ reason: 'invalid-argument', hint: expect.stringContaining('segments') }])
    const x86 = makeMachine({ ...debian, ...machine(bookworm, { '/proc/sys/kernel/arch': { text: 'x86_64\n' } }) })
    using made = await plan({ root: x86, entry: 'newest', deviceTree: '/boot/board.dtb' })
    expect(made.refusals.map(({ summary }) => summary)).toContain(
      'linux-kexec gives no device tree to a bzImage of x86_64',
    )
  })

  test('what is no device tree, too large a one and one that is not there are refused', async () => {
    const files: Tree = {
      '/boot/text.dtb': { text: 'no device tree' },
      '/boot/large.dtb': { file: tree(`large = [${'00 '.repeat(2 ** 21)}];`) },
    }
    const root = machineWith(files)
    for (const [path, reason] of [
      ['/boot/text.dtb', 'damaged-image'],
      ['/boot/large.dtb', 'damaged-image'],
      ['/boot/absent.dtb', 'not-found'],
    ]) {
      expect(reasons(await planned({ root, deviceTree: path as string })), path).toEqual([reason])
    }
  })
})
