import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { memoryBytes } from '../../../../src/bytes/bytes.ts'
import { inspectImage } from '../../../../src/image/formats/inspect.ts'
import { inspectNested } from '../../../../src/image/unpack/nested.ts'
import { checkFileSize } from '../../../../src/plan/checks/file-size.ts'
import { type CheckedKernel, checkKernelImage } from '../../../../src/plan/checks/kernel-image.ts'
import { checkPagingLeft, checkPagingOfVmlinux } from '../../../../src/plan/checks/paging.ts'
import { checkVirtualAddresses } from '../../../../src/plan/checks/virtual-addresses.ts'
import { readRunningMachine } from '../../../../src/plan/context/running-machine.ts'
import { sortFindings } from '../../../../src/plan/findings.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'
import { lzoZboot, said } from './remarks.ts'

const head = (name: string) => readFileSync(`test/fixtures/kernels/${name}`)
const x86 = head('vmlinuz-6.1.0-50-cloud-amd64.head')
const arm64 = head('arm64-6.1.0-50-cloud.head')
const armhf = head('armhf-6.1.0-50-rt-armmp.head')
const riscv64 = head('riscv64-6.12.107+deb13.head')
const s390x = gunzipSync(head('s390x-6.1.0-50.head.gz'))

/** A machine as its /proc tells. */
function machine(architecture: string, more: Tree = {}, release = '6.1.0-50'): System {
  const own: Tree = { '/proc/sys/kernel/arch': { text: `${architecture}\n` } }
  return new System(makeTree({ ...own, '/proc/sys/kernel/osrelease': { text: `${release}\n` }, ...more }))
}
const pages = (size: number): Tree => ({
  '/proc/self/auxv': { file: Buffer.from(new BigUint64Array([16n, 0n, 6n, BigInt(size), 0n, 0n]).buffer) },
})
const fiveLevels: Tree = { '/proc/cpuinfo': { text: 'processor\t: 0\nflags\t\t: fpu lm la57\n' } }

function patched(bytes: Buffer, offset: number, ...values: number[]): Buffer {
  const copy = Buffer.from(bytes)
  copy.set(values, offset)
  return copy
}

function judge(system: System, bytes: Buffer, changes: Partial<CheckedKernel> = {}) {
  const whole = inspectImage(bytes, Number.MAX_SAFE_INTEGER, memoryBytes(bytes))
  const fileSize = changes.fileSize ?? whole.minimumSize ?? bytes.length
  const image = inspectImage(bytes, fileSize, memoryBytes(bytes))
  const way = { engine: 'file', barring: null, tryAnyway: false } as const
  const kernel = { path: '/boot/k', image, chain: [image], fileSize, loadedSize: null, way, ...changes }
  return said(checkKernelImage(readRunningMachine(system), kernel))
}

const nothing = { refusals: [], warnings: [], unchecked: [] }

describe('a kernel for another machine: what it is, what runs here, and what to choose', () => {
  test.each<[string, Buffer, RegExp]>([
    [
      'x86_64',
      arm64,
      /^this is an arm64 Image.* for aarch64, and this machine is x86_64\. Choose a kernel built for x86_64\.$/,
    ],
    ['aarch64', x86, /^this is .*, and this machine is aarch64\. Choose a kernel built for aarch64\.$/],
    ['riscv64', x86, /, and this machine is riscv64\. Choose a kernel built for riscv64\.$/],
  ])('%s', (architecture, kernel, sentence) => {
    expect(judge(machine(architecture), kernel)).toMatchObject({
      ...nothing,
      refusals: [expect.stringMatching(sentence)],
    })
  })

  test('the machine is not named twice in the description', () => {
    const [sentence] = judge(machine('s390x'), riscv64).refusals
    expect(sentence?.match(/riscv64/g)).toHaveLength(1)
  })

  test('of 32 bits on x86_64', () => {
    expect(judge(machine('x86_64'), patched(x86, 0x236, 0x7e)).refusals).toEqual([
      expect.stringMatching(
        /^this is .*, and the running kernel has 64 bits: its kexec_file_load starts 64-bit kernels only\. Choose a kernel built for x86_64; a 32-bit user space runs under it, too\.$/,
      ),
    ])
    // On another machine than x86_64 the width is not the reason.
    expect(judge(machine('aarch64'), patched(x86, 0x236, 0x7e)).refusals).toEqual([
      expect.stringMatching(/ for i386, and this machine is aarch64\. Choose a kernel built for aarch64\.$/),
    ])
  })

  test('where nothing is known of the machine, that is told', () => {
    expect(judge(new System(makeTree({})), x86)).toEqual({
      ...nothing,
      unchecked: ['architecture: whether a kernel for x86_64 suits the machine: the root directory has no /proc'],
    })
  })

  test('the other byte order', () => {
    const big = patched(arm64, 24, (arm64[24] as number) | 1)
    expect(judge(machine('aarch64'), big).warnings).toEqual([
      'other-byte-order: this kernel is big-endian and the running one little-endian: the running kernel refuses it if the CPU does not support both, and programs of the one do not run under the other',
    ])
    expect(judge(machine('aarch64'), arm64)).toMatchObject({ refusals: [], warnings: [] })
  })
})

describe('a kernel that is cut off', () => {
  test('says how much is missing, and is loaded anyway where that is asked for', () => {
    const sentence = /^this is .*, cut off: it has 5000000 bytes where its header asks for \d+/
    const refused = judge(machine('x86_64'), x86, { fileSize: 5_000_000 })
    expect(refused.refusals).toEqual([expect.stringMatching(sentence)])
    expect(refused.refusals[0]).toMatch(/\. Copy or install the kernel again\.$/)
    const way = { engine: 'file', barring: null, tryAnyway: true } as const
    const { refusals, warnings } = judge(machine('x86_64'), x86, { fileSize: 5_000_000, way })
    expect(refusals).toEqual([])
    expect(warnings).toEqual([expect.stringMatching(/^truncated-kernel: this is .*asks for \d+: it is loaded anyway$/)])
  })
})

test('a kernel that cannot be moved', () => {
  expect(judge(machine('x86_64'), patched(x86, 0x234, 0)).refusals).toEqual([
    expect.stringMatching(
      /^this is .*, which runs only at the address it was linked for, and kexec_file_load places it elsewhere\. Choose a kernel that was built with CONFIG_RELOCATABLE=y\.$/,
    ),
  ])
})

describe('what is no kernel: what to give instead, on each machine', () => {
  test.each([
    ['aarch64', 'Give an Image (arch/arm64/boot/Image), an Image.gz, vmlinuz.efi, or an image that holds one.'],
    ['riscv64', 'Give an Image (arch/riscv/boot/Image), a vmlinux, or an image that holds one.'],
    ['ppc64le', 'Give a vmlinux.'],
    ['s390x', 'Give a bzImage (arch/s390/boot/bzImage), or an image that holds one.'],
    ['loongarch64', 'Give a vmlinux.efi or vmlinuz.efi, a vmlinux, or an image that holds one.'],
    ['x86_64', 'Give a bzImage, such as /boot/vmlinuz-VERSION or arch/x86/boot/bzImage, or an image that holds one.'],
  ])('%s', (architecture, hint) => {
    expect(judge(machine(architecture), Buffer.from('just text')).refusals).toEqual([
      `this is a text file, not a kernel that kexec_file_load takes. ${hint}`,
    ])
  })

  test('what it is in, from the inside out', async () => {
    const inner = inspectImage(Buffer.from('just text'), 9)
    const gzip = inspectImage(Buffer.from('\x1f\x8b\x08', 'latin1'), 3)
    const xz = inspectImage(Buffer.from('\xfd7zXZ\0', 'latin1'), 6)
    const [sentence] = judge(machine('x86_64'), Buffer.from('just text'), { chain: [gzip, xz, inner] }).refusals
    expect(sentence).toContain(`this is a text file in ${xz.description} in ${gzip.description}, not a kernel`)
  })

  test('what is wrong with it', () => {
    const [sentence] = judge(machine('x86_64'), patched(x86, 0x206, 0x0a, 0x02)).refusals
    expect(sentence).toMatch(
      /: boot protocol 2\.10 is older than 2\.12.*, not a kernel that kexec_file_load takes\. Give a bzImage/,
    )
  })

  test('what only kexec_load takes, and why that is not used', () => {
    const refused = (barring: string | null) =>
      judge(machine('armv7l'), armhf, { way: { engine: 'file', barring, tryAnyway: false } }).refusals[0]
    const sentence =
      'this is a 32-bit ARM zImage, which kexec_file_load does not take: 32-bit ARM has no kexec_file_load'
    expect(refused(null)).toMatch(new RegExp(`^${sentence}\\. Give a `))
    expect(refused('the engine `file` was asked for')).toContain(
      `${sentence}; kexec_load, which does, is not used: the engine \`file\` was asked for. `,
    )
    const way = { engine: 'segments', barring: null, tryAnyway: false } as const
    expect(judge(machine('armv7l'), armhf, { way })).toEqual(nothing)
  })

  test('what is packed with something that is not unpacked here', async () => {
    const zboot = lzoZboot()
    const { image, chain } = await inspectNested(memoryBytes(zboot))
    const [sentence] = judge(machine('aarch64'), zboot, { image, chain }).refusals
    expect(sentence).toMatch(
      /^this is .*, compressed with lzo, which is not unpacked here\. Make it with gzip, zstd or xz\. Give an Image \(arch\/arm64/,
    )
  })
})

test('5 levels of page tables, which old kernels do not know', () => {
  expect(judge(machine('x86_64', fiveLevels), patched(x86, 0x236, 0x1f)).refusals).toEqual([
    expect.stringMatching(
      /^this is .*, which knows 4 levels of page tables, and the running kernel uses 5\. Choose a newer kernel, or boot the running one with no5lvl on its command line first\.$/,
    ),
  ])
})

test('a kernel that has to leave 5 levels, and a vmlinux that has to keep them', () => {
  const running = readRunningMachine(machine('x86_64', fiveLevels, '6.12.1'))
  const image = inspectImage(x86, 20_000_000)
  expect(said(checkPagingLeft(running, image, 'ro no5lvl'))).toEqual({
    ...nothing,
    warnings: [
      'paging-levels: the new kernel uses 4 levels of page tables (no5lvl is on its command line) and the running one 5 (la57): machines were seen to reset in this case; give --engine segments, which avoids this, or boot the running kernel with no5lvl first',
    ],
  })
  const vmlinux = { ...image, format: 'vmlinux', architecture: 'x86_64' } as const
  expect(said(checkPagingOfVmlinux(running, vmlinux))).toEqual({
    ...nothing,
    unchecked: [
      'paging-levels: whether this vmlinux was built with CONFIG_X86_5LEVEL: the running kernel uses 5 levels of page tables (la57), and without it the new one does not come up',
    ],
  })
  expect(checkPagingOfVmlinux(running, { ...vmlinux, architecture: 'riscv64' })).toEqual([])
  expect(checkPagingOfVmlinux(running, image)).toEqual([])
  expect(checkPagingOfVmlinux(readRunningMachine(machine('x86_64')), vmlinux)).toEqual([])
})

describe.runIf(endianness() === 'LE')('pages of another size', () => {
  const with64k = patched(arm64, 24, (arm64[24] as number) | 6)
  const way = (engine: 'file' | 'segments', tryAnyway: boolean) => ({ way: { engine, barring: null, tryAnyway } })

  test('kexec_file_load knows whether the CPU does both, kexec_load does not', () => {
    const of4k = machine('aarch64', pages(4096))
    const differs = 'this kernel uses pages of 64.0 KiB and the running one of 4.0 KiB'
    expect(judge(of4k, with64k)).toEqual({
      ...nothing,
      warnings: [`other-page-size: ${differs}: the running kernel refuses it if the CPU does not support both`],
    })
    expect(judge(of4k, with64k, way('segments', true))).toEqual({
      ...nothing,
      warnings: [`other-page-size: ${differs}: where the CPU does not support both, it stops before its first message`],
    })
    expect(judge(of4k, with64k, way('segments', false))).toEqual({
      ...nothing,
      refusals: [
        `${differs}: whether the CPU supports both is unknown, and kexec_load does not check it. Choose a kernel with pages of 4.0 KiB; or, on a CPU that is known to support both, give --try-anyway.`,
      ],
    })
    expect(judge(machine('aarch64', pages(65_536)), with64k)).toEqual(nothing)
  })

  test('the evidence is the size alone, from the kernel that runs', () => {
    const running = readRunningMachine(machine('aarch64', pages(4096)))
    const image = inspectImage(with64k, with64k.length * 100, memoryBytes(with64k))
    const kernel = { path: '/k', image, chain: [image], fileSize: 10 ** 9, loadedSize: null, ...way('segments', false) }
    const { refusals } = sortFindings([], checkKernelImage(running, kernel))
    expect(refusals[0]?.evidence).toEqual([{ source: '/proc/self/auxv AT_PAGESZ', value: '4096' }])
  })

  test('where the own size is unknown, that is told', () => {
    expect(judge(machine('aarch64'), with64k)).toEqual({
      ...nothing,
      unchecked: ['page-size: whether the machine supports pages of 64.0 KiB, which this kernel uses'],
    })
  })
})

describe('a format that the running kernel is too old for', () => {
  const on = (release: string, engine: 'file' | 'segments' = 'file') =>
    judge(machine('aarch64', {}, release), arm64, { way: { engine, barring: null, tryAnyway: false } }).warnings

  test('is told with both releases, as long as its kexec_file_load has to take it', () => {
    expect(on('4.19.1')).toEqual([
      'format-too-new: kexec_file_load takes the format arm64 Image on aarch64 since Linux 5.0, and Linux 4.19 is running',
    ])
    expect(on('5.0.0')).toEqual([])
    expect(on('unknown')).toEqual([])
    expect(on('4.19.1', 'segments')).toEqual([])
  })
})

describe('a file of more than kexec_file_load reads', () => {
  const GIB = 1024 ** 3
  const check = (release: string, size: number, what: 'kernel' | 'initrd' = 'initrd') => {
    const remarks = checkFileSize(readRunningMachine(machine('x86_64', {}, release)), { path: '/boot/f', size, what })
    return { ...said(remarks), errors: sortFindings([], remarks).refusals }
  }

  test('is refused, and its evidence is its size', () => {
    const { refusals, errors } = check('6.1.0', 5 * GIB)
    expect(refusals).toEqual([
      'the initrd has 5.0 GiB, and kexec_file_load reads at most 4.0 GiB. Make a smaller initrd, and mount the rest later.',
    ])
    expect(errors[0]).toMatchObject({
      reason: 'initrd-too-large',
      path: '/boot/f',
      code: 'EFBIG',
      refused: true,
      evidence: [{ source: '/boot/f', value: `${5 * GIB} bytes` }],
    })
    const kernel = check('6.1.0', 5 * GIB, 'kernel')
    expect(kernel.refusals).toEqual([
      'the kernel has 5.0 GiB, and kexec_file_load reads at most 4.0 GiB. Check the path.',
    ])
    expect(kernel.errors[0]?.reason).toBe('not-a-kernel')
  })

  test('before Linux 6.0 that is half', () => {
    const warning = 'large-file: the kernel has 2.0 GiB: Linux before 6.0 reads at most 2.0 GiB and answers EFBIG'
    expect(check('5.19.0', 2 * GIB, 'kernel').warnings).toEqual([warning])
    expect(check('5.19.0', 2 * GIB - 1, 'kernel').warnings).toEqual([])
    expect(check('6.0.0', 2 * GIB, 'kernel').warnings).toEqual([])
    expect(check('unknown', 2 * GIB, 'kernel').warnings).toEqual([])
    expect(check('6.0.0', 4 * GIB, 'kernel').refusals).toEqual([])
  })
})

describe.runIf(endianness() === 'LE')(
  '52 bits of virtual addresses, with which arm64 kernels crash while they load',
  () => {
    const kcore = (name: string): Tree => ({
      '/proc/kcore': { file: readFileSync(new URL(`../../../fixtures/kcore/${name}`, import.meta.url)) },
    })
    const check = (
      architecture: string,
      release: string,
      size: number,
      more: Tree = kcore('52-bit'),
      anyway = false,
    ) => {
      const system = machine(architecture, { ...pages(size), ...more }, release)
      return said(checkVirtualAddresses(system, readRunningMachine(system), anyway))
    }
    const summary =
      'the running kernel uses 52 bits of virtual addresses, and Linux 6.12 on arm64 was seen to crash while it loads any kernel in this mode'

    test('are refused from 6.9 to 6.12, with pages of 4 and of 16 KiB', () => {
      const refusal = `${summary}. Boot the running kernel with arm64.nolva on its command line first, or a newer one; where this is fixed, give --try-anyway.`
      for (const release of ['6.9.1', '6.12.117'])
        for (const size of [4096, 16_384])
          expect(check('aarch64', release, size)).toEqual({ ...nothing, refusals: [refusal] })
      expect(check('aarch64', '6.12.1', 4096, kcore('52-bit'), true).warnings).toEqual([
        `may-crash-running-kernel: ${summary}`,
      ])
    })

    test('are not on other machines, before and after, with large pages, or where it cannot be seen', () => {
      expect(check('aarch64', '6.8.12', 4096)).toEqual(nothing)
      expect(check('aarch64', '6.13.1', 4096)).toEqual(nothing)
      expect(check('aarch64', 'unknown', 4096)).toEqual(nothing)
      expect(check('aarch64', '6.12.1', 65_536)).toEqual(nothing)
      expect(check('riscv64', '6.12.1', 4096)).toEqual(nothing)
      expect(check('aarch64', '6.12.1', 4096, kcore('48-bit'))).toEqual(nothing)
      expect(check('aarch64', '6.12.1', 4096, {})).toEqual(nothing)
      const cut = readFileSync(new URL('../../../fixtures/kcore/52-bit', import.meta.url)).subarray(0, 100)
      expect(check('aarch64', '6.12.1', 4096, { '/proc/kcore': { file: cut } })).toEqual(nothing)
    })
  },
)

test('a kernel for s390x that is whole, on s390x, is nothing to speak of', () => {
  expect(judge(machine('s390x'), s390x)).toEqual(nothing)
})
