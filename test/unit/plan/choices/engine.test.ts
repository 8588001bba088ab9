import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../../src/index.ts'
import { layMachine } from '../../engine/layout/machines.ts'
import { kernelOf, type Tree } from '../../entries/tree.ts'
import { arm64Image } from '../../image/tools.ts'
import { bookworm, configuration, lockdown, machine } from '../../policy/machines.ts'
import { debian, makeMachine, newer } from '../debian.ts'
import { machineWith, withoutOption } from '../machines.ts'

/** The decisions on how it is loaded, and what is said of them. */
async function decided(options: PlanOptions) {
  using made = await plan({ commandLine: 'root=/dev/vda1', noInitrd: true, ...options })
  const about = (wanted: string) =>
    made.decisions.filter(({ subject }) => subject === wanted).map(({ choice, reason }) => `${choice}: ${reason}`)
  return {
    engine: about('engine'),
    kind: about('kind'),
    purgatory: about('purgatory'),
    tree: about('device tree'),
    refusals: made.refusals.map(({ reason, summary, hint }) => `${reason}: ${summary}. ${hint}`),
    warnings: made.warnings.map(({ code, text }) => `${code}: ${text}`),
  }
}

const FILE = 'kexec_file_load: the kernel itself reads and checks the image'
const SEGMENTS = 'kexec_load: the image is laid out here, and nothing checks its signature'
const kernel = `/boot/vmlinuz-${newer}`

/** Debian's, as far as its version line. */
const vmlinuxBytes = Buffer.alloc(62_077_252)
readFileSync('test/fixtures/kernels/vmlinux-7.2.12+deb13-cloud-amd64.head').copy(vmlinuxBytes)
vmlinuxBytes.write('Linux version 7.2.12+deb13-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP\n', 0x200000)
const vmlinux: Tree = { '/boot/vmlinux': { file: vmlinuxBytes } }

const forced = (): Tree => ({
  [`/boot/config-${bookworm}`]: {
    text: configuration(bookworm).replace('# CONFIG_KEXEC_SIG_FORCE is not set', 'CONFIG_KEXEC_SIG_FORCE=y'),
  },
})
const crash: Tree = { '/sys/kernel/kexec_crash_size': { text: `${512 * 1024 ** 2}\n` } }

describe('the reason for the system call', () => {
  test('by itself, and asked for', async () => {
    const root = machineWith()
    expect((await decided({ root, kernel })).engine).toEqual([`file: ${FILE}`])
    expect((await decided({ root, kernel, engine: 'file' })).engine).toEqual([`file: ${FILE}`])
    expect((await decided({ root, kernel, engine: 'segments' })).engine).toEqual([
      `segments: asked for with engine. ${SEGMENTS}`,
    ])
  })

  test('where there is only one', async () => {
    const root = machineWith(withoutOption('CONFIG_KEXEC_FILE'))
    expect((await decided({ root, kernel })).engine).toEqual([
      `segments: the running kernel has no kexec_file_load. ${SEGMENTS}`,
    ])
    // Of a crash kernel, too.
    expect(
      (await decided({ root: machineWith(withoutOption('CONFIG_KEXEC_FILE'), crash), kernel, panic: true })).engine,
    ).toEqual([`segments: the running kernel has no kexec_file_load. ${SEGMENTS}`])
  })

  test('to be fast, where neither would look at a signature', async () => {
    expect((await decided({ root: machineWith(), kernel, fast: true })).engine).toEqual([
      `segments: the faster of the two, for fast: true. ${SEGMENTS}`,
    ])
    const rules: Tree = { '/sys/kernel/security/ima/policy': { text: 'appraise func=KEXEC_INITRAMFS_CHECK\n' } }
    for (const changes of [rules, forced(), lockdown('integrity')])
      expect((await decided({ root: machineWith(changes), kernel, fast: true })).engine).toEqual([`file: ${FILE}`])
    expect((await decided({ root: machineWith(crash), kernel, fast: true, panic: true })).engine).toEqual([
      `file: ${FILE}`,
    ])
  })

  test('for a vmlinux, which the other call does not take', async () => {
    const root = machineWith(vmlinux)
    expect((await decided({ root, kernel: '/boot/vmlinux' })).engine).toEqual([
      `segments: kexec_file_load takes no vmlinux here. ${SEGMENTS}`,
    ])
  })

  test('for a crash kernel, besides that it is one', async () => {
    const { kind } = await decided({ root: machineWith(crash), kernel, panic: true })
    expect(kind).toEqual(['crash kernel: asked for with panic: true; a panic starts it'])
    expect((await decided({ root: machineWith(), kernel })).kind).toEqual([])
  })
})

describe('why a vmlinux is not given to kexec_load by itself', () => {
  const why = async (changes: Tree, options: PlanOptions = {}) =>
    (await decided({ root: machineWith(vmlinux, changes), kernel: '/boot/vmlinux', ...options })).refusals[0]

  test.each<[string, Tree, PlanOptions, string]>([
    [
      'signatures are required',
      forced(),
      {},
      "this machine requires signatures of kernels, and kexec_load checks none: engine: 'segments' takes it anyway",
    ],
    [
      'IMA has rules',
      { '/sys/kernel/security/ima/policy': { text: 'appraise func=KEXEC_INITRAMFS_CHECK\n' } },
      {},
      "IMA has rules on this machine, and kexec_load checks none: engine: 'segments' takes it anyway",
    ],
    ['the other was asked for', {}, { engine: 'file' }, 'the engine `file` was asked for'],
  ])('%s', async (_, changes, options, reason) => {
    expect(await why(changes, options)).toContain(`; kexec_load, which does, is not used: ${reason}. Give a bzImage`)
  })

  test('signatures may be required: nothing shows whether', async () => {
    const { [`/boot/config-${bookworm}`]: _, ...unknown } = machine(bookworm, {
      '/proc/sys/kernel/arch': { text: 'x86_64\n' },
    })
    const root = makeMachine({ ...debian, ...unknown, ...vmlinux })
    layMachine(root, 'bios-6.1')
    const { refusals, engine } = await decided({ root, kernel: '/boot/vmlinux' })
    expect(engine).toEqual([`file: ${FILE}`])
    expect(refusals[0]).toContain('this machine may require signatures of kernels, and kexec_load checks none')
  })

  test('the machine is locked down: in its own words', async () => {
    expect(await why(lockdown('integrity'))).toMatch(/is not used: .*locked down.*\. Give a bzImage/)
  })
})

test('a crash kernel that only kexec_load takes, on a machine where this version loads none so', async () => {
  const head = readFileSync('test/fixtures/kernels/armhf-6.1.0-50-rt-armmp.head')
  const image = Buffer.concat([head, Buffer.alloc(6_046_208 - head.length)])
  const arm: Tree = { '/proc/sys/kernel/arch': { text: 'armv7l\n' }, '/boot/zImage': { file: image } }
  const root = makeMachine({ ...debian, ...machine(bookworm, arm, crash) })
  layMachine(root, 'armhf-6.12')
  const { refusals, engine } = await decided({ root, kernel: '/boot/zImage', panic: true })
  expect(engine).toEqual([`file: ${FILE}`])
  expect(refusals[0]).toContain(
    '; kexec_load, which does, is not used: this version loads no crash kernels with kexec_load here. ',
  )
  expect((await decided({ root, kernel: '/boot/zImage' })).engine).toEqual([expect.stringMatching(/^segments: /)])
})

describe('--engine segments', () => {
  test('warns of a required signature', async () => {
    const { warnings } = await decided({ root: machineWith(forced()), kernel, engine: 'segments' })
    expect(warnings).toContain(
      'signature-not-checked: the running kernel requires signatures of kexec_file_load, and kexec_load checks none',
    )
    expect((await decided({ root: machineWith(), kernel, engine: 'segments' })).warnings).toEqual([])
  })

  test('is refused for what nobody lays out, and a file that is no kernel has its own refusal', async () => {
    const arm64: Tree = { '/proc/sys/kernel/arch': { text: 'aarch64\n' } }
    expect((await decided({ root: machineWith(arm64), kernel, engine: 'segments' })).refusals.at(-1)).toBe(
      "invalid-argument: the engine `segments` (kexec_load) loads no bzImage of x86_64 in this version. Omit engine, or give engine: 'file'.",
    )
    const text = machineWith({ '/boot/text': { text: 'no kernel' } })
    expect((await decided({ root: text, kernel: '/boot/text', engine: 'segments' })).refusals).toEqual([
      expect.stringMatching(/^not-a-kernel: /),
    ])
  })

  test('loads no crash kernels of riscv64, by itself neither', async () => {
    const head = readFileSync('test/fixtures/kernels/riscv64-6.12.107+deb13.head')
    const image = Buffer.concat([head, Buffer.alloc(31_165_952 - head.length)])
    const riscv: Tree = { '/proc/sys/kernel/arch': { text: 'riscv64\n' }, '/boot/Image': { file: image } }
    const root = makeMachine({ ...debian, ...machine(bookworm, riscv, crash, withoutOption('CONFIG_KEXEC_FILE')) })
    layMachine(root, 'riscv64-6.12')
    const options: PlanOptions = { root, kernel: '/boot/Image', engine: 'segments' }
    const refusal =
      "invalid-argument: the engine `segments` (kexec_load) loads no crash kernels here in this version. Omit engine, or give engine: 'file'."
    expect((await decided({ ...options, panic: true })).refusals).toContain(refusal)
    expect((await decided(options)).refusals).not.toContain(refusal)
    expect((await decided({ ...options, engine: 'auto', panic: true })).engine).toEqual([`file: ${FILE}`])
    expect((await decided({ ...options, engine: 'auto' })).engine).toEqual([expect.stringMatching(/^segments: /)])
  })
})

describe('--verify-in-purgatory', () => {
  const hashed = 'kernel and initrd are hashed before the new kernel starts'

  test('on x86_64 says what a difference leads to', async () => {
    expect(
      (await decided({ root: machineWith(), kernel, engine: 'segments', verifyInPurgatory: true })).purgatory,
    ).toEqual([
      `${hashed}: asked for with verifyInPurgatory: true; if any of it was overwritten since the load, the machine says so on its first serial port, and stops`,
    ])
    expect((await decided({ root: machineWith(), kernel, verifyInPurgatory: true })).purgatory).toEqual([
      `${hashed}: kexec_file_load always does so`,
    ])
    expect((await decided({ root: machineWith(), kernel, engine: 'segments' })).purgatory).toEqual([])
  })

  test('on other machines is refused, and a kernel without a layout for that alone', async () => {
    const arm: Tree = { '/proc/sys/kernel/arch': { text: 'aarch64\n' }, '/boot/Image': { file: arm64Image() } }
    const root = makeMachine({ ...debian, ...machine(bookworm, arm) })
    layMachine(root, 'arm64-tree-6.1')
    const asked: PlanOptions = { engine: 'segments', verifyInPurgatory: true }
    const made = await decided({ root, kernel: '/boot/Image', ...asked })
    expect(made.purgatory).toEqual([])
    expect(made.refusals).toEqual([
      'invalid-argument: on aarch64 this version does not hash the image of kexec_load before the new kernel starts. Leave verifyInPurgatory: true away.',
    ])
    const text = machineWith({ '/boot/text': { text: 'no kernel' } })
    expect((await decided({ root: text, kernel: '/boot/text', ...asked })).refusals.join()).not.toContain(
      'this version does not hash',
    )
  })
})

describe('a device tree that is given', () => {
  const arm = (...more: Tree[]): string => {
    const root = makeMachine({
      ...debian,
      ...machine(
        bookworm,
        { '/proc/sys/kernel/arch': { text: 'aarch64\n' }, '/boot/Image': { file: arm64Image() } },
        ...more,
      ),
    })
    layMachine(root, 'arm64-tree-6.1')
    return root
  }
  const given: PlanOptions = { kernel: '/boot/Image', deviceTree: '/boot/board.dtb' }

  test('decides for kexec_load, and replaces the running one', async () => {
    const input = '/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; compatible = "acme,board"; };'
    const tree = execFileSync('dtc', ['-q', '-I', 'dts', '-O', 'dtb'], { input })
    const made = await decided({ root: arm({ '/boot/board.dtb': { file: tree } }), ...given })
    expect(made.engine).toEqual([`segments: kexec_file_load takes no device tree. ${SEGMENTS}`])
    expect(made.tree).toEqual(['/boot/board.dtb: asked for with deviceTree, in place of the running one'])
    expect(made.refusals).toEqual([])
  })

  test('that is absent, or cannot be read, says what to give', async () => {
    const hint = 'Give deviceTree the path of a flattened device tree (.dtb).'
    expect((await decided({ root: arm(), ...given })).refusals).toEqual([
      `not-found: there is no such device tree. ${hint}`,
    ])
    expect((await decided({ root: arm({ '/boot/board.dtb/file': 'empty' }), ...given })).refusals).toEqual([
      `not-readable: the device tree cannot be read. ${hint}`,
    ])
    const behindFile = { ...given, deviceTree: '/boot/Image/board.dtb' }
    expect((await decided({ root: arm(), ...behindFile })).refusals).toEqual([
      `not-found: there is no such device tree. ${hint}`,
    ])
  })

  test('does not go through kexec_file_load, nor to a machine without device trees', async () => {
    const tree = { '/boot/board.dtb': { text: 'not even read' } } as const
    expect((await decided({ root: arm(tree), ...given, engine: 'file' })).refusals).toEqual([
      "invalid-argument: the engine `file` (kexec_file_load) gives the new kernel the running device tree. Omit deviceTree, or give engine: 'segments'.",
    ])
    const x86 = machineWith(tree)
    for (const engine of ['file', 'segments'] as const)
      expect((await decided({ root: x86, kernel, deviceTree: '/boot/board.dtb', engine })).refusals).toEqual([
        'invalid-argument: linux-kexec gives no device tree to a bzImage of x86_64. Omit deviceTree.',
      ])
  })
})

test('a kernel that contradicts itself has no place, and is refused for that alone', async () => {
  const bytes = kernelOf(newer)
  bytes.writeUInt32LE(3, 0x230)
  const root = machineWith({ '/boot/odd': { file: Buffer.concat([bytes, Buffer.alloc(15_000_000)]) } })
  const { refusals } = await decided({ root, kernel: '/boot/odd', engine: 'segments' })
  expect(refusals.filter((refusal) => refusal.startsWith('damaged-image'))).toHaveLength(1)
})
