import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { memoryBytes } from '../../../../src/bytes/bytes.ts'
import type { BootSource } from '../../../../src/entries/model/entry.ts'
import { inspectImage } from '../../../../src/image/formats/inspect.ts'
import type { KernelImage } from '../../../../src/image/model/image.ts'
import { inspectNested } from '../../../../src/image/unpack/nested.ts'
import { checkCrashMemory } from '../../../../src/plan/checks/crash-memory.ts'
import { checkFileSize } from '../../../../src/plan/checks/file-size.ts'
import { checkKernelImage } from '../../../../src/plan/checks/kernel-image.ts'
import { checkMemory, requireAmpleMemory } from '../../../../src/plan/checks/memory.ts'
import { checkPagingLeft } from '../../../../src/plan/checks/paging.ts'
import { checkVirtualAddresses } from '../../../../src/plan/checks/virtual-addresses.ts'
import { readRunningMachine } from '../../../../src/plan/context/running-machine.ts'
import type { LoadSizes } from '../../../../src/plan/context/sizes.ts'
import { sortFindings } from '../../../../src/plan/findings.ts'
import type { Remark } from '../../../../src/plan/model/remark.ts'
import { trueArchitecture } from '../../../../src/system/architecture.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'
import { lzoZboot } from './remarks.ts'

const head = (name: string) => readFileSync(`test/fixtures/kernels/${name}`)
const kernels = {
  x86_64: head('vmlinuz-6.1.0-50-cloud-amd64.head'),
  arm64: head('arm64-6.1.0-50-cloud.head'),
  armhf: head('armhf-6.1.0-50-rt-armmp.head'),
  riscv64: head('riscv64-6.12.107+deb13.head'),
  s390x: gunzipSync(head('s390x-6.1.0-50.head.gz')),
}

/** A machine of this architecture, as its /proc tells. */
function machine(architecture: string, more: Tree = {}): System {
  return new System(makeTree({ '/proc/sys/kernel/arch': { text: `${architecture}\n` }, ...more }))
}

/** The auxiliary vector of a 64-bit program on a machine with pages of this size. */
function auxiliaryVector(pageSize: number): Buffer {
  const vector = new BigUint64Array([16n, 0n, 6n, BigInt(pageSize), 0n, 0n])
  return Buffer.from(vector.buffer)
}

/** A kernel with other bytes at an offset. */
function patched(bytes: Buffer, offset: number, ...values: number[]): Buffer {
  const copy = Buffer.from(bytes)
  copy.set(values, offset)
  return copy
}

const way = { engine: 'file', barring: null, tryAnyway: false } as const

/** What is found of a kernel of full length; with `size`, of one of that length. */
function judge(system: System, bytes: Buffer, size?: number) {
  const whole = inspectImage(bytes, Number.MAX_SAFE_INTEGER, memoryBytes(bytes))
  const fileSize = size ?? whole.minimumSize ?? bytes.length
  const image = inspectImage(bytes, fileSize, memoryBytes(bytes))
  const kernel = { path: '/boot/k', image, chain: [image], fileSize, loadedSize: null, way }
  return told(checkKernelImage(readRunningMachine(system), kernel))
}

function told(remarks: readonly Remark[]) {
  const { refusals, ...others } = sortFindings([], remarks)
  const warnings = others.warnings.map(({ text }) => text)
  const unchecked = others.unchecked.map(({ text }) => text)
  for (const { hint, refused, path } of refusals)
    expect({ hint, refused, path }).toMatchObject({ hint: expect.any(String), refused: true })
  return { refusals: refusals.map(({ reason, code }) => `${reason} ${code}`), warnings, unchecked, errors: refusals }
}

describe('the machine', () => {
  test.each([
    ['x86_64', kernels.x86_64, 'x86_64'],
    ['aarch64', kernels.arm64, 'aarch64'],
    ['s390x', kernels.s390x, 's390x'],
  ])('%s takes its own', (_, kernel, architecture) => {
    expect(judge(machine(architecture), kernel)).toMatchObject({ refusals: [], warnings: [] })
  })

  test('every other is refused, with the errno that machine gives, and told once', () => {
    for (const [name, kernel] of Object.entries(kernels)) {
      if (name !== 'x86_64')
        expect(judge(machine('x86_64'), kernel).refusals, name).toEqual(['wrong-architecture ENOEXEC'])
      if (name !== 'arm64')
        expect(judge(machine('aarch64'), kernel).refusals, name).toEqual(['wrong-architecture EINVAL'])
    }
    const { errors } = judge(machine('x86_64'), kernels.arm64)
    expect(errors[0]).toMatchObject({
      summary: expect.stringMatching(/^this is an arm64 Image.*, and this machine is x86_64$/),
      evidence: [{ source: '/proc/sys/kernel/arch', value: 'x86_64' }],
    })
  })

  test('a kernel of 32 bits on one of 64', () => {
    const { refusals, errors } = judge(machine('x86_64'), patched(kernels.x86_64, 0x236, 0x7e))
    expect(refusals).toEqual(['wrong-architecture ENOEXEC'])
    expect(errors[0]?.summary).toContain('the running kernel has 64 bits')
  })

  test('a kernel of 64 bits on one of 32', () => {
    expect(judge(machine('i686'), kernels.x86_64).refusals).toEqual(['wrong-architecture ENOEXEC'])
  })

  test('the other byte order is only warned of: the CPU may do both', () => {
    const big = patched(kernels.arm64, 24, (kernels.arm64[24] as number) | 1)
    const { refusals, warnings } = judge(machine('aarch64'), big)
    expect(refusals).toEqual([])
    expect(warnings).toEqual([expect.stringMatching(/this kernel is big-endian and the running one little-endian/)])
    expect(judge(machine('aarch64_be'), big).warnings).toEqual([])
    expect(judge(machine('aarch64_be'), kernels.arm64).warnings).toHaveLength(1)
  })

  test.runIf(endianness() === 'LE')('another page size is only warned of: the CPU may do both', () => {
    const with64k = patched(kernels.arm64, 24, (kernels.arm64[24] as number) | 6)
    const of4k = machine('aarch64', { '/proc/self/auxv': { file: auxiliaryVector(4096) } })
    expect(judge(of4k, with64k)).toMatchObject({
      refusals: [],
      warnings: [expect.stringContaining('pages of 64.0 KiB and the running one of 4.0 KiB')],
    })
    expect(judge(of4k, kernels.arm64).warnings).toEqual([])
    expect(judge(machine('aarch64'), with64k).unchecked.join()).toContain('pages of 64.0 KiB')
  })

  test.runIf(endianness() === 'LE')('a kernel for arm64 that would crash while it loads is not asked', () => {
    const running = (kcore: string, release = '6.12.117+deb12-cloud-arm64', pageSize = 4096) =>
      machine('aarch64', {
        '/proc/sys/kernel/osrelease': { text: `${release}\n` },
        '/proc/self/auxv': { file: auxiliaryVector(pageSize) },
        '/proc/kcore': { file: readFileSync(new URL(`../../../fixtures/kcore/${kcore}`, import.meta.url)) },
      })
    const check = (system: System, tryAnyway = false) => {
      return told(checkVirtualAddresses(system, readRunningMachine(system), tryAnyway))
    }
    const { refusals, errors } = check(running('52-bit'))
    expect(refusals).toEqual(['no-kexec-support NO_KEXEC_SUPPORT'])
    expect(errors[0]?.hint).toContain('arm64.nolva')
    expect(errors[0]?.evidence).toEqual([{ source: '/proc/kcore PT_LOAD', value: '0xfff0000000000000' }])
    expect(check(running('52-bit'), true)).toMatchObject({
      refusals: [],
      warnings: [expect.stringContaining('52 bits')],
    })
    const others = [
      running('48-bit'),
      running('52-bit', '7.2.13'),
      running('52-bit', '6.12.1', 65_536),
      machine('aarch64'),
    ]
    for (const other of others) expect(check(other)).toMatchObject({ refusals: [], warnings: [] })
  })

  test('5 levels of page tables need a kernel that knows them', () => {
    const old = patched(kernels.x86_64, 0x236, 0x1f)
    const flags = (more: string) => ({ '/proc/cpuinfo': { text: `processor\t: 0\nflags\t\t: fpu lm ${more}\n` } })
    const refused = judge(machine('x86_64', flags('la57')), old)
    expect(refused.refusals).toEqual(['wrong-architecture ENOEXEC'])
    expect(refused.errors[0]?.evidence).toEqual([{ source: '/proc/cpuinfo flags', value: 'la57' }])
    expect(judge(machine('x86_64', flags('')), old).refusals).toEqual([])
    expect(judge(machine('x86_64', flags('la57')), kernels.x86_64).refusals).toEqual([])
  })

  test('a kernel that has to leave 5 levels for 4 is warned of: since Linux 6.12 machines were seen to reset', () => {
    const running = (release: string, flags = 'la57') =>
      machine('x86_64', {
        '/proc/cpuinfo': { text: `flags\t\t: fpu lm ${flags}\n` },
        '/proc/sys/kernel/osrelease': { text: `${release}\n` },
      })
    const warnings = (system: System, bytes: Buffer, commandLine = 'ro') => {
      return told(checkPagingLeft(readRunningMachine(system), inspectImage(bytes, 20_000_000), commandLine)).warnings
    }
    // Debian's 5.10 has 0x3f.
    const without = patched(kernels.x86_64, 0x236, 0x3f)
    expect(warnings(running('6.12.1'), without)).toEqual([expect.stringContaining('without CONFIG_X86_5LEVEL')])
    expect(warnings(running('6.12.1'), kernels.x86_64, 'ro no5lvl')).toEqual([expect.stringContaining('no5lvl is on')])
    expect(warnings(running('6.12.1'), kernels.x86_64)).toEqual([])
    expect(warnings(running('6.1.0'), without)).toEqual([])
    expect(warnings(running('6.12.1', ''), without)).toEqual([])
  })

  test('a kernel that is too old for the format is warned of', () => {
    const running = (release: string) => machine('riscv64', { '/proc/sys/kernel/osrelease': { text: `${release}\n` } })
    expect(judge(running('6.12.107+deb13-riscv64'), kernels.riscv64).warnings).toEqual([
      'kexec_file_load takes the format riscv Image on riscv64 since Linux 6.16, and Linux 6.12 is running',
    ])
    expect(judge(running('6.16.1'), kernels.riscv64).warnings).toEqual([])
    expect(judge(running('7.0.0'), kernels.riscv64).warnings).toEqual([])
  })

  test('of a directory without /proc nothing is guessed', () => {
    const result = judge(new System(makeTree({})), kernels.arm64)
    expect(result.refusals).toEqual([])
    expect(result.unchecked.join()).toContain('whether a kernel for aarch64 suits the machine')
  })

  test('a kernel before 6.1 does not name itself: then the width of its addresses counts, not the personality', () => {
    const of = (symbol: string) => new System(makeTree({ '/proc/kallsyms': { text: `${symbol} T _text\n` } }))
    const [wide, narrow] = [of('0000000000000000'), of('c1000000')]
    const names = {
      i686: 'x86_64',
      armv8l: 'aarch64',
      armv8b: 'aarch64_be',
      ppc: 'ppc64',
      s390: 's390x',
      x86_64: 'x86_64',
    }
    for (const [name, architecture] of Object.entries(names)) {
      expect(trueArchitecture(wide, name)).toBe(architecture)
      expect(trueArchitecture(narrow, name)).toBe(name)
    }
  })

  test('this one is known, whatever it is', () => {
    const { architecture, pageSize, series, evidence } = readRunningMachine(new System())
    expect({ architecture, series }).toEqual({ architecture: expect.any(String), series: expect.any(Number) })
    expect(pageSize).toBe(Number(execFileSync('getconf', ['PAGESIZE']).toString()))
    expect(evidence.length).toBeGreaterThan(2)
  })
})

describe('the kernel', () => {
  const x86 = () => machine('x86_64')

  test.each<[what: string, offset: number, values: number[], refusals: string[]]>([
    ['of protocol 2.11', 0x206, [0x0b, 0x02], ['not-a-kernel ENOEXEC']],
    ['loaded low', 0x211, [0], ['not-a-kernel ENOEXEC']],
    ['that cannot be loaded above 4 GiB', 0x236, [0x7d], ['not-relocatable ENOEXEC']],
    // The kernel would take it.
    ['that says it cannot be moved', 0x234, [0], ['not-relocatable NOT_RELOCATABLE']],
  ])('%s', (_, offset, values, refusals) => {
    expect(judge(x86(), patched(kernels.x86_64, offset, ...values)).refusals).toEqual(refusals)
  })

  test('of an old protocol may be of 64 bits: it is not called one of 32', () => {
    const [error] = judge(x86(), patched(kernels.x86_64, 0x206, 0x0a, 0x02)).errors
    expect(error?.summary).toMatch(/Linux 6\.1\.0-50-cloud-amd64: boot protocol 2\.10 is older than 2\.12/)
    expect(error?.summary).not.toContain('32')
  })

  test('that is cut off', () => {
    expect(judge(x86(), kernels.x86_64, 5_000_000).refusals).toEqual(['truncated-kernel TRUNCATED_KERNEL'])
    expect(judge(x86(), kernels.x86_64.subarray(0, 600), 600).refusals).toEqual(['truncated-kernel ENOEXEC'])
  })

  test('with several faults: each is told, and none twice', () => {
    const bad = patched(patched(kernels.x86_64, 0x234, 0), 0x206, 0x0b, 0x02)
    expect(judge(x86(), bad, 5_000_000).refusals).toEqual([
      'truncated-kernel TRUNCATED_KERNEL',
      'not-relocatable NOT_RELOCATABLE',
      'not-a-kernel ENOEXEC',
    ])
    expect(judge(x86(), kernels.armhf, 5000).refusals).toEqual([
      'wrong-architecture ENOEXEC',
      'truncated-kernel TRUNCATED_KERNEL',
    ])
  })

  test('in a form that only kexec_load takes, and what is none', () => {
    expect(judge(machine('armv7l'), kernels.armhf).errors[0]).toMatchObject({
      reason: 'not-a-kernel',
      summary: 'this is a 32-bit ARM zImage, which kexec_file_load does not take: 32-bit ARM has no kexec_file_load',
    })
    expect(judge(machine('aarch64'), Buffer.from('just text')).errors[0]).toMatchObject({
      reason: 'not-a-kernel',
      code: 'EINVAL',
      hint: expect.stringContaining('arch/arm64/boot/Image'),
    })
  })

  test('that is unpacked with nothing we have', async () => {
    const zboot = lzoZboot()
    const { image, chain } = await inspectNested(memoryBytes(zboot))
    const kernel = { path: '/k', image, chain, fileSize: zboot.length, loadedSize: null, way }
    expect(told(checkKernelImage(readRunningMachine(x86()), kernel)).errors).toMatchObject([
      { reason: 'not-a-kernel', summary: expect.stringContaining('compressed with lzo, which is not unpacked here') },
    ])
  })

  test('inside a container: its own length counts once it is unpacked', () => {
    const image: KernelImage = inspectImage(kernels.x86_64, 20_000_000)
    const outer = inspectImage(Buffer.from('\x1f\x8b\x08', 'latin1'), 3)
    const check = (loadedSize: number | null) => {
      const kernel = { path: '/k', image, chain: [outer, image], fileSize: 3, loadedSize, way }
      return told(checkKernelImage(readRunningMachine(x86()), kernel)).refusals
    }
    expect(check(null)).toEqual([])
    expect(check(image.minimumSize)).toEqual([])
    expect(check(5_000_000)).toEqual(['truncated-kernel TRUNCATED_KERNEL'])
  })
})

describe('the memory', () => {
  const MIB = 1024 ** 2
  /** Debian's 6.1 on 1 GiB. */
  const sizes: LoadSizes = { kernelFile: 14 * MIB, kernelMemory: 52 * MIB, initrdBytes: 0, copiedBytes: 0 }
  const of = (total: number, available: number | null, swap = 0): Tree => ({
    '/proc/meminfo': {
      text: [
        `MemTotal:       ${total * 1024} kB`,
        ...(available === null ? [] : [`MemAvailable:    ${available * 1024} kB`]),
        `SwapFree:       ${swap * 1024} kB\n`,
      ].join('\n'),
    },
  })
  const crash = (size: number): Tree => ({ '/sys/kernel/kexec_crash_size': { text: `${size * MIB}\n` } })

  interface Weight {
    readonly panic?: boolean
    readonly copied?: number
    readonly unpacked?: number | null
    readonly source?: BootSource
  }

  function weigh(tree: Tree, initrd: number, { panic = false, copied = 0, unpacked, source }: Weight = {}) {
    const system = new System(makeTree(tree))
    const unpackedBytes = typeof unpacked === 'number' ? unpacked * MIB : unpacked
    const all = {
      ...sizes,
      initrdBytes: initrd * MIB,
      copiedBytes: copied * MIB,
      ...(unpackedBytes === undefined ? {} : { unpackedBytes }),
    }
    const crash = { sizes: all, architecture: 'x86_64', source: source ?? null }
    const running = readRunningMachine(system)
    return told([
      ...(panic ? checkCrashMemory(system, running, crash) : []),
      ...checkMemory(system, running, { sizes: all, panic }),
    ])
  }

  test('half of it may stay loaded, and not one page more', () => {
    const total = 1024
    expect(weigh(of(total, 4096), 460).refusals).toEqual([])
    const { refusals, errors } = weigh(of(total, 4096), 461)
    expect(refusals).toEqual(['no-memory EINVAL'])
    expect(errors[0]).toMatchObject({
      summary: 'kernel and initrd take 513.0 MiB, and Linux loads at most half of the memory, 512.0 MiB',
      hint: 'Use a smaller initrd.',
    })
    expect(errors[0]?.evidence).toEqual([
      { source: '/proc/meminfo MemTotal', value: `${1024 * 1024} kB` },
      { source: '/proc/meminfo MemAvailable', value: `${4096 * 1024} kB` },
      { source: '/proc/meminfo SwapFree', value: '0 kB' },
      { source: 'the kernel', value: `${14 * MIB} bytes` },
      { source: 'the kernel at its place, by its header', value: `${52 * MIB} bytes` },
      { source: 'the initrd', value: `${461 * MIB} bytes` },
      { source: 'what stays loaded', value: `${513 * MIB} bytes` },
      { source: 'what loading takes at its peak', value: expect.stringMatching(/^\d+ bytes$/) },
    ])
  })

  test('what is done only to be faster leaves others a tenth of what is available, and swap alone', () => {
    const need = (available: number, initrdBytes: number, more: Partial<LoadSizes> = {}) => {
      const system = new System(makeTree(of(2048, available, 1024)))
      return () => requireAmpleMemory(system, { ...sizes, initrdBytes: initrdBytes * MIB, ...more })
    }
    // 14 + 52 + 2 × 300 MiB.
    expect(need(750, 300)).not.toThrow()
    expect(need(730, 300)).toThrow('loading takes 666.7 MiB for a moment, and 730.0 MiB of memory are available')
    // What is in memory already, and given back before the kernel copies, counts once.
    const releasedBytes = 300 * MIB
    expect(need(420, 300, { releasedBytes })).not.toThrow()
    expect(need(400, 300, { releasedBytes })).toThrow('400.0 MiB of memory are available')
    expect(need(4000, 1000)).toThrow('Linux loads at most half of the memory')
  })

  test('the initrd counts twice at the peak, and what we copy once more', () => {
    // 14 + 52 + 2 × 300 MiB, and a page for 512.
    expect(weigh(of(2048, 800), 300)).toMatchObject({ refusals: [], warnings: [] })
    expect(weigh(of(2048, 660), 300).refusals).toEqual(['no-memory ENOMEM'])
    expect(weigh(of(2048, 800), 300, { copied: 300 }).refusals).toEqual(['no-memory ENOMEM'])
  })

  test('what is close is warned of, and what only swapping makes room for', () => {
    expect(weigh(of(2048, 700), 300).warnings).toEqual([expect.stringMatching(/that is close$/)])
    expect(weigh(of(2048, 660, 100), 300)).toMatchObject({
      refusals: [],
      warnings: [expect.stringMatching(/and 100\.0 MiB of swap are available: others will be swapped out$/)],
    })
  })

  test('too much for both is one refusal, with the errno that comes first', () => {
    expect(weigh(of(1024, 700), 600).refusals).toEqual(['no-memory EINVAL'])
    const { refusals, errors } = weigh(of(1024, 700), 900)
    expect(refusals).toEqual(['no-memory ENOMEM'])
    expect(errors[0]?.summary).toMatch(/at most half.*; loading takes/)
  })

  test('what is loaded already can be unloaded first', () => {
    const loaded: Tree = { '/sys/kernel/kexec_loaded': { text: '1\n' } }
    expect(weigh({ ...of(2048, 660), ...loaded }, 300).errors[0]?.hint).toContain('linux-kexec unload')
    expect(weigh(of(2048, 660), 300).errors[0]?.hint).not.toContain('unload')
  })

  test('a crash kernel has to fit into what is reserved for it', () => {
    const room = of(4096, 4000)
    expect(weigh({ ...room, ...crash(256) }, 30, { panic: true })).toMatchObject({ refusals: [], warnings: [] })
    expect(weigh({ ...room, ...crash(128) }, 30, { panic: true }).warnings.join()).toContain('crashkernel=256M')
    const { refusals, errors } = weigh({ ...room, ...crash(64) }, 30, { panic: true })
    expect(refusals).toEqual(['no-crash-memory EADDRNOTAVAIL'])
    expect(errors[0]?.evidence[0]).toEqual({ source: '/sys/kernel/kexec_crash_size', value: String(64 * MIB) })
  })

  test('its initrd lies there twice for a while, packed and unpacked', () => {
    const room = { ...of(4096, 4000), ...crash(256) }
    const unpacked = (size: number | null) => weigh(room, 30, { panic: true, unpacked: size })
    expect(unpacked(60)).toMatchObject({ refusals: [], warnings: [], unchecked: [] })
    expect(unpacked(120).warnings.join()).toContain('crashkernel=384M')
    const { refusals, errors } = unpacked(200)
    expect(refusals).toEqual(['no-crash-memory EADDRNOTAVAIL'])
    expect(errors[0]).toMatchObject({
      summary: 'kernel, initrd and what it unpacks to take 282.0 MiB, and 256.0 MiB are reserved for a crash kernel',
      hint: expect.stringContaining('crashkernel=448M'),
    })
    expect(errors[0]?.evidence).toContainEqual({ source: 'the initrd, unpacked', value: `${200 * MIB} bytes` })
    expect(unpacked(null)).toMatchObject({ refusals: [], unchecked: [expect.stringContaining('unpacked')] })
  })

  test('nothing reserved: how much this machine should, and where its boot loader is told so', () => {
    const hint = (tree: Tree, source?: BootSource) =>
      weigh({ ...of(8192, 8000), ...crash(0), ...tree }, 0, { panic: true, ...(source ? { source } : {}) }).errors[0]
    expect(hint({})).toMatchObject({
      summary: 'no memory is reserved for a crash kernel',
      hint: "Add crashkernel=256M to the kernel command line in the boot loader's configuration, and reboot.",
    })
    const debianGrub: Tree = { '/etc/default/grub': 'empty', '/usr/sbin/update-grub': 'empty' }
    expect(hint(debianGrub, 'grub')?.hint).toContain('GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub')
    expect(hint({ '/etc/default/grub': 'empty', '/usr/sbin/grubby': 'empty' }, 'bls')?.hint).toContain('grubby')
    expect(hint({}, 'raspberry-pi')?.hint).toContain('cmdline.txt')
    expect(hint({}, 'zipl')?.hint).toContain('/etc/zipl.conf')
    const failed = hint({ '/proc/cmdline': { text: 'ro crashkernel=1G crashkernel=7G quiet\n' } })
    expect(failed?.summary).toBe(
      'no memory is reserved for a crash kernel, although crashkernel=7G is on the command line',
    )
    expect(failed?.hint).toContain('dmesg')
    expect(hint(of(512, 400))?.hint).toContain('crashkernel=192M')
  })

  test('what the kernel might take after all is warned of, not refused', () => {
    const withCache = (available: number, cached: number): Tree => ({
      '/proc/meminfo': {
        text: `MemTotal: ${2048 * 1024} kB\nMemFree: ${200 * 1024} kB\nMemAvailable: ${available * 1024} kB\nCached: ${cached * 1024} kB\nShmem: 1024 kB\nSwapFree: 0 kB\n`,
      },
    })
    expect(weigh(withCache(660, 700), 300)).toMatchObject({
      refusals: [],
      warnings: [expect.stringContaining('may end other programs')],
    })
    expect(weigh(withCache(660, 100), 300).refusals).toEqual(['no-memory ENOMEM'])
  })

  test('kernels before 4.8 load more than half of the memory', () => {
    const old: Tree = { '/proc/sys/kernel/osrelease': { text: '3.10.0-1160.el7.x86_64\n' } }
    expect(weigh(of(1024, 4096), 600).refusals).toEqual(['no-memory EINVAL'])
    expect(weigh({ ...of(1024, 4096), ...old }, 600).refusals).toEqual([])
  })

  test('half of the memory does not count for a crash kernel, and its own peak is smaller', () => {
    expect(weigh({ ...of(512, 400), ...crash(1024) }, 300, { panic: true }).refusals).toEqual([])
    expect(weigh({ ...of(512, 400), ...crash(1024) }, 300).refusals).toEqual(['no-memory EINVAL'])
    expect(weigh({ ...of(512, 300), ...crash(1024) }, 300, { panic: true }).refusals).toEqual(['no-memory ENOMEM'])
  })

  test('what is not told is not guessed', () => {
    expect(weigh({}, 5000)).toMatchObject({ refusals: [], unchecked: [expect.stringContaining('/proc/meminfo')] })
    expect(weigh(of(4096, 4000), 10, { panic: true }).unchecked.join()).toContain('kexec_crash_size')
    // Before Linux 3.14 there is no MemAvailable.
    expect(weigh(of(1024, null), 461).refusals).toEqual(['no-memory EINVAL'])
    expect(weigh(of(1024, null), 400).refusals).toEqual([])
  })

  test.each([
    ['6.1.0-50-cloud-amd64', 4096, [], 0],
    ['6.1.0-50-cloud-amd64', 4097, ['initrd-too-large EFBIG'], 0],
    ['5.10.0-30-amd64', 2047, [], 0],
    ['5.10.0-30-amd64', 2048, [], 1],
  ])('Linux %s and an initrd of %i MiB', (release, size, refusals, warnings) => {
    const running = readRunningMachine(machine('x86_64', { '/proc/sys/kernel/osrelease': { text: `${release}\n` } }))
    const found = told(checkFileSize(running, { path: '/initrd', size: size * MIB, what: 'initrd' }))
    expect(found.refusals).toEqual(refusals)
    expect(found.warnings).toHaveLength(warnings)
  })
})
