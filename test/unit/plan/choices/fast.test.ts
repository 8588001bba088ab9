import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../../src/index.ts'
import { emptyArchive, type Tree } from '../../entries/tree.ts'
import { arm64Image, packed } from '../../image/tools.ts'
import { bookworm, machine } from '../../policy/machines.ts'
import { debian, makeMachine, newer } from '../debian.ts'
import { cpuFlags, machineWith, withPayload } from '../machines.ts'

/** What the plan for a fast load says of its measures, a line for each with its reason. */
async function measures(options: PlanOptions): Promise<string[]> {
  using made = await plan({ entry: newer, fast: true, ...options })
  expect(made.refusals).toEqual([])
  return made.decisions.filter(({ subject }) => subject === 'fast').map(({ choice, reason }) => `${choice}: ${reason}`)
}

/** The one about the kernel, or about the initrd. */
const about = (what: 'kernel' | 'initrd', lines: readonly string[]) =>
  lines.filter((line) => new RegExp(`^the ${what} is `).test(line))

const initrds: Tree = {
  '/tmp/gzip.img': { file: gzipSync(emptyArchive) },
  '/tmp/xz.img': { file: packed(emptyArchive, 'xz', '--check=crc32') },
}
const debianWithPayload = (...changes: Tree[]) => withPayload(machineWith(initrds, ...changes), newer)

test('each measure is named with its gain and its price, before anything is loaded', async () => {
  const root = debianWithPayload()
  expect(await measures({ root, initrds: ['/tmp/gzip.img', '/tmp/xz.img'] })).toEqual([
    expect.stringMatching(/^the new kernel does not test its own cryptography: .*saves some 30 ms.*no longer detected/),
    'nothing is hashed before the new kernel starts: kexec_load runs no purgatory: this saves a SHA-256 over kernel and initrd, but memory overwritten since the load is no longer detected',
    'kernel and initrd are placed in memory that is free now: this saves copying what the running kernel already keeps at that place, at no cost',
    expect.stringMatching(
      /^the kernel is unpacked in advance: this saves the new kernel unpacking \d+\.\d MiB of lz4; a random address \(KASLR\) is chosen for it here$/,
    ),
    expect.stringMatching(
      /^the initrd is unpacked in advance: this saves the new kernel unpacking \d+ bytes of gzip and \d+ bytes of xz, and takes more memory until it runs$/,
    ),
  ])
})

test('what kexec_file_load does and does not do in advance', async () => {
  expect(await measures({ root: debianWithPayload(), engine: 'file', remove: 'cryptomgr.notests' })).toEqual([
    'kernel and initrd are hashed before the new kernel starts: kexec_file_load always does this; kexec_load does not, but the policy of this machine rules it out, or it was not asked for',
    'the kernel is left compressed: kexec_file_load takes it only compressed',
    'the initrd is loaded as it is: nothing in it can be unpacked in advance',
  ])
})

test('hashes that were asked for are told as a choice, not as a saving', async () => {
  const lines = await measures({ root: debianWithPayload(), verifyInPurgatory: true })
  expect(lines[1]).toBe(
    'kernel and initrd are hashed before the new kernel starts: asked for with verifyInPurgatory: true',
  )
})

test('for a crash kernel the plan says why nothing is done', async () => {
  const root = machineWith({ '/sys/kernel/kexec_crash_size': { text: `${256 * 1024 ** 2}\n` } })
  expect(await measures({ root, panic: true })).toEqual([
    'nothing is done in advance: a crash kernel waits for a panic, in memory that is short',
  ])
})

test('IMA, which only the signature of the file satisfies, keeps kexec_file_load from getting another initrd', async () => {
  const rules: Tree = { '/sys/kernel/security/ima/policy': { text: 'appraise func=KEXEC_INITRAMFS_CHECK\n' } }
  const options: PlanOptions = { initrds: ['/tmp/gzip.img'], tryAnyway: true }
  const asItIs = 'the initrd is loaded as it is: IMA has rules, and only the file itself can be signed'
  const unpacked = expect.stringMatching(/^the initrd is unpacked in advance/)
  const lines = async (engine: 'file' | 'segments', ...changes: Tree[]) =>
    about('initrd', await measures({ root: debianWithPayload(...changes), engine, ...options }))
  expect(await lines('file', rules)).toEqual([asItIs])
  expect(await lines('segments', rules)).toEqual([unpacked])
  expect(await lines('file')).toEqual([unpacked])
  // Nothing is known of the policy of files without a machine.
  const files = makeMachine({ ...debian, ...initrds })
  expect(about('initrd', await measures({ root: files, ...options }))).toEqual([unpacked])
})

test.each([
  ['la57', 'ro no5lvl', 'it has to leave the page tables of the running one (la57)'],
  ['', 'ro mem_encrypt=on', 'it has to encrypt its memory first (mem_encrypt=on)'],
  ['tdx_guest', 'ro', 'in a confidential virtual machine it has to prepare its memory first'],
  ['hypervisor sev', 'ro', 'in a confidential virtual machine it has to prepare its memory first'],
  ['hypervisor sev_es', 'ro', 'in a confidential virtual machine it has to prepare its memory first'],
  ['hypervisor sev_snp', 'ro', 'in a confidential virtual machine it has to prepare its memory first'],
])('on a CPU with %j, by %j, the kernel unpacks itself', async (flags, commandLine, reason) => {
  const root = debianWithPayload(cpuFlags(flags))
  expect(about('kernel', await measures({ root, commandLine, engine: 'segments' }))).toEqual([
    `the kernel is left compressed: ${reason}`,
  ])
})

test('encryption that the running kernel was started with counts, and that of a plain guest does not', async () => {
  const encrypted = debianWithPayload({ '/proc/cmdline': { text: 'root=/dev/vda1 mem_encrypt=on\n' } })
  expect(about('kernel', await measures({ root: encrypted, commandLine: 'ro' }))).toEqual([
    expect.stringContaining('mem_encrypt=on'),
  ])
  for (const [flags, commandLine] of [
    ['hypervisor', 'ro'],
    ['', 'ro mem_encrypt=off'],
    ['hypervisor la57', 'ro'],
  ] as const)
    expect(about('kernel', await measures({ root: debianWithPayload(cpuFlags(flags)), commandLine }))).toEqual([
      expect.stringMatching(/^the kernel is unpacked in advance/),
    ])
})

test('without KASLR the kernel stays where it would put itself', async () => {
  const [line] = about('kernel', await measures({ root: debianWithPayload(), append: 'nokaslr' }))
  expect(line).toMatch(/of lz4; it is not moved, because of `nokaslr` on its command line$/)
})

test('a kernel in a compression that nothing here undoes is left to itself', async () => {
  const lines = async (hex: string) =>
    about('kernel', await measures({ root: withPayload(machineWith(), newer, hex), engine: 'segments' }))
  expect(await lines('894c5a4f000d0a1a0a')).toEqual(['the kernel is left compressed: lzo cannot be unpacked here'])
  expect(await lines('000102030405')).toEqual(['the kernel is left compressed: what is in it cannot be unpacked here'])
})

test('an arm64 Image is not compressed, and lies in free memory', async () => {
  const root = makeMachine({
    ...debian,
    ...machine(bookworm, { '/proc/sys/kernel/arch': { text: 'aarch64\n' } }),
    '/boot/Image': { file: arm64Image() },
  })
  const options: PlanOptions = { root, kernel: '/boot/Image', commandLine: 'ro', noInitrd: true }
  const lines = async (engine: 'segments' | 'file') => {
    using made = await plan({ ...options, fast: true, engine })
    return made.decisions
      .filter(({ subject }) => subject === 'fast')
      .map(({ choice, reason }) => `${choice}: ${reason}`)
  }
  const segments = await lines('segments')
  expect(segments).toContain('the kernel is loaded as it is: arm64 Image is not compressed')
  expect(segments).toContainEqual(expect.stringMatching(/^kernel and initrd are placed in memory that is free now/))
  expect(await lines('file')).not.toContainEqual(expect.stringMatching(/free now/))
})
