import { describe, expect, test } from 'vitest'
import { checkCrashMemory } from '../../../../src/plan/checks/crash-memory.ts'
import { checkMemory } from '../../../../src/plan/checks/memory.ts'
import { checkSizes } from '../../../../src/plan/checks/sizes.ts'
import { readRunningMachine } from '../../../../src/plan/context/running-machine.ts'
import type { LoadSizes } from '../../../../src/plan/context/sizes.ts'
import { sortFindings } from '../../../../src/plan/findings.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'
import { said } from './remarks.ts'

const MIB = 1024 ** 2

function meminfo(fields: Readonly<Record<string, number>>): Tree {
  const lines = Object.entries(fields).map(([name, mebibytes]) => `${name}: ${mebibytes * 1024} kB\n`)
  return { '/proc/meminfo': { text: lines.join('') } }
}
const loaded: Tree = { '/sys/kernel/kexec_loaded': { text: '1\n' } }
const reserved = (mebibytes: number): Tree => ({ '/sys/kernel/kexec_crash_size': { text: `${mebibytes * MIB}\n` } })
const sizesOf = (kernel: number, initrd: number, more: Partial<LoadSizes> = {}): LoadSizes => ({
  kernelFile: kernel * MIB,
  kernelMemory: null,
  initrdBytes: initrd * MIB,
  copiedBytes: 0,
  ...more,
})

function weigh(tree: Tree, sizes: LoadSizes, panic = false) {
  const system = new System(makeTree(tree))
  return said(checkMemory(system, readRunningMachine(system), { sizes, panic }))
}

describe('too little memory for a moment: what would help', () => {
  const scarce = meminfo({ MemTotal: 4096, MemAvailable: 100, SwapFree: 0 })

  test('depends on what is large, and on what is loaded', () => {
    const hint = (tree: Tree, sizes: LoadSizes) => weigh(tree, sizes).refusals[0]?.split('available. ')[1]
    expect(hint(scarce, sizesOf(20, 200))).toBe('Use a smaller initrd, or stop programs.')
    expect(hint(scarce, sizesOf(200, 20))).toBe('Stop programs.')
    expect(hint(scarce, sizesOf(100, 100))).toBe('Stop programs.')
    expect(hint({ ...scarce, ...loaded }, sizesOf(20, 200))).toBe(
      '`linux-kexec unload` frees what is loaded now; or stop programs.',
    )
  })

  test('is told with swap, where there is some', () => {
    expect(weigh(scarce, sizesOf(20, 200)).refusals).toEqual([
      'loading takes 440.4 MiB for a moment, and 100.0 MiB of memory are available. Use a smaller initrd, or stop programs.',
    ])
    const swapping = meminfo({ MemTotal: 4096, MemAvailable: 100, SwapFree: 100 })
    expect(weigh(swapping, sizesOf(20, 200)).refusals[0]).toMatch(
      /^loading takes 440\.4 MiB for a moment, and 100\.0 MiB of memory and 100\.0 MiB of swap are available\. /,
    )
  })

  test('half of all memory is the most, whatever is available', () => {
    const small = meminfo({ MemTotal: 400, MemAvailable: 4000, SwapFree: 0 })
    const half = (sizes: LoadSizes) => weigh({ ...small, ...loaded }, sizes).refusals
    expect(half(sizesOf(20, 200))).toEqual([
      'kernel and initrd take 220.0 MiB, and Linux loads at most half of the memory, 200.0 MiB. Use a smaller initrd.',
    ])
    expect(half(sizesOf(200, 20))).toEqual([expect.stringMatching(/\. Use a smaller kernel, or stop programs\.$/)])
    expect(half(sizesOf(100, 100))).toEqual([])
  })

  test('a crash kernel has a place of its own: only its files must be read', () => {
    expect(weigh({ ...scarce, ...loaded }, sizesOf(20, 200), true).refusals[0]).toMatch(
      /^loading takes 220\.0 MiB for a moment, .* Use a smaller initrd\.$/,
    )
    expect(weigh(scarce, sizesOf(20, 60), true).refusals).toEqual([])
  })

  test('what could be freed counts: free memory, buffers, cache without what is shared, slabs', () => {
    const parts = {
      MemTotal: 4096,
      MemAvailable: 100,
      SwapFree: 0,
      MemFree: 100,
      Buffers: 50,
      Cached: 250,
      Shmem: 50,
      SReclaimable: 50,
    }
    // Together 400 MiB.
    expect(weigh(meminfo(parts), sizesOf(10, 185)).refusals).toEqual([])
    for (const [name, change] of Object.entries({
      MemFree: -50,
      Buffers: -50,
      Cached: -50,
      Shmem: 50,
      SReclaimable: -50,
    })) {
      const fewer = { ...parts, [name]: parts[name as 'MemFree'] + change }
      expect(weigh(meminfo(fewer), sizesOf(10, 185)).refusals, name).toHaveLength(1)
    }
    // More is shared than cached: that frees nothing, and costs nothing.
    const shared = meminfo({ ...parts, Cached: 0, Shmem: 500, MemFree: 300 })
    expect(weigh(shared, sizesOf(10, 185)).refusals).toEqual([])
  })

  test('the evidence is what was read and what is to be loaded', () => {
    const system = new System(makeTree(scarce))
    const sizes = sizesOf(20, 200, { kernelMemory: 64 * MIB, copiedBytes: 200 * MIB })
    const { refusals } = sortFindings([], checkMemory(system, readRunningMachine(system), { sizes, panic: false }))
    expect(refusals[0]?.evidence).toEqual([
      { source: '/proc/meminfo MemTotal', value: `${4096 * 1024} kB` },
      { source: '/proc/meminfo MemAvailable', value: `${100 * 1024} kB` },
      { source: '/proc/meminfo SwapFree', value: '0 kB' },
      { source: 'the kernel', value: `${20 * MIB} bytes` },
      { source: 'the kernel at its place, by its header', value: `${64 * MIB} bytes` },
      { source: 'the initrd', value: `${200 * MIB} bytes` },
      { source: 'to be unpacked and joined in memory', value: `${200 * MIB} bytes` },
      { source: 'what stays loaded', value: `${264 * MIB} bytes` },
      { source: 'what loading takes at its peak', value: expect.stringMatching(/^\d{9} bytes$/) },
    ])
  })

  test('what is close is said to be close, and what others pay', () => {
    const closeTo = (available: number, swap: number) =>
      weigh(meminfo({ MemTotal: 4096, MemAvailable: available, SwapFree: swap, MemFree: 1000 }), sizesOf(20, 200))
        .warnings
    // 440.4 MiB at the peak.
    expect(closeTo(490, 0)).toEqual([])
    expect(closeTo(489, 0)).toEqual([
      expect.stringMatching(/^memory-short: loading takes 440\.4 MiB.*are available: that is close$/),
    ])
    expect(closeTo(441, 0)).toEqual([expect.stringMatching(/: that is close$/)])
    expect(closeTo(440, 100)).toEqual([expect.stringMatching(/: others will be swapped out$/)])
    expect(closeTo(300, 100)).toEqual([expect.stringMatching(/: the kernel may end other programs for it$/)])
  })

  test('is unknown without /proc/meminfo', () => {
    expect(weigh({}, sizesOf(20, 200))).toEqual({
      refusals: [],
      warnings: [],
      unchecked: ['memory: whether the memory is enough: there is no /proc/meminfo'],
    })
    expect(weigh(meminfo({ MemTotal: 4096 }), sizesOf(20, 200))).toEqual({ refusals: [], warnings: [], unchecked: [] })
  })
})

describe('the memory that is reserved for a crash kernel', () => {
  function reserve(tree: Tree, sizes: LoadSizes) {
    const system = new System(makeTree({ ...meminfo({ MemTotal: 4096 }), ...tree }))
    return said(checkCrashMemory(system, readRunningMachine(system), { sizes, architecture: 'x86_64', source: null }))
  }

  test('suffices with 64 MiB to run in, not with less', () => {
    expect(reserve(reserved(164), sizesOf(20, 80, { unpackedBytes: 0 }))).toEqual({
      refusals: [],
      warnings: [],
      unchecked: [],
    })
    expect(reserve(reserved(163), sizesOf(20, 80, { unpackedBytes: 0 })).warnings).toEqual([
      expect.stringMatching(
        /^crash-memory-short: of 163\.0 MiB reserved for a crash kernel, kernel and initrd take 100\.0 MiB: the rest may not be enough to run \(better: crashkernel=\d+M\)$/,
      ),
    ])
    expect(reserve(reserved(163), sizesOf(20, 40, { unpackedBytes: 40 * MIB })).warnings).toEqual([
      expect.stringContaining('kernel and initrd take 100.0 MiB, unpacked: the rest may not'),
    ])
    expect(reserve(reserved(100), sizesOf(20, 80)).refusals).toEqual([])
  })

  test('that is too small for them is told with both, and with the way to more', () => {
    expect(reserve(reserved(99), sizesOf(20, 80)).refusals).toEqual([
      expect.stringMatching(
        /^kernel and initrd take 100\.0 MiB, and 99\.0 MiB are reserved for a crash kernel\. .*crashkernel=\d+M.* Or use a smaller initrd\.$/,
      ),
    ])
    expect(reserve(reserved(99), sizesOf(20, 40, { unpackedBytes: 60 * MIB })).refusals).toEqual([
      expect.stringMatching(/^kernel, initrd and what it unpacks to take 120\.0 MiB, and 99\.0 MiB are reserved/),
    ])
  })

  test('that was asked for and is not there: why, as far as that can be told', () => {
    const asked = { ...reserved(0), '/proc/cmdline': { text: 'ro crashkernel=256M\n' } } as const
    expect(reserve(asked, sizesOf(20, 80)).refusals).toEqual([
      expect.stringMatching(
        /^no memory is reserved for a crash kernel, although crashkernel=256M is on the command line\. The kernel log of the boot says why \(dmesg \| grep -i crash\), unless the memory was given back since \(crash-size\)\. /,
      ),
    ])
    const system = new System(makeTree({ ...meminfo({ MemTotal: 4096 }), ...asked }))
    const load = { sizes: sizesOf(20, 80), architecture: 'x86_64', source: null }
    const { refusals } = sortFindings([], checkCrashMemory(system, readRunningMachine(system), load))
    expect(refusals[0]?.evidence).toContainEqual({ source: '/proc/cmdline', value: 'crashkernel=256M' })
    expect(refusals[0]?.evidence).toContainEqual({ source: 'what stays loaded', value: `${100 * MIB} bytes` })
    expect(refusals[0]).toMatchObject({ reason: 'no-crash-memory', code: 'EADDRNOTAVAIL', refused: true })
  })

  test('that nothing is known of, or of what unpacks there, is told', () => {
    expect(reserve({}, sizesOf(20, 80)).unchecked).toEqual([
      'crash-memory: whether the memory reserved for a crash kernel is enough: /sys/kernel/kexec_crash_size does not exist',
    ])
    expect(reserve(reserved(512), sizesOf(20, 80, { unpackedBytes: null })).unchecked).toEqual([
      'unpacked-size: how much of the reserved memory the initrd takes when it is unpacked: not all of it can be read',
    ])
  })
})

describe('asking anyway', () => {
  const load = (tree: Tree, panic: boolean, initrd: number) => {
    const system = new System(makeTree(tree))
    const names = { kernel: '/boot/k', initrd: '/boot/i' }
    const more = { names, panic, architecture: 'x86_64', source: null, tryAnyway: true }
    return said(checkSizes(system, readRunningMachine(system), { sizes: sizesOf(20, initrd), ...more }))
  }

  test('makes a warning of a lack of memory, each under its own name', () => {
    const scarce = meminfo({ MemTotal: 4096, MemAvailable: 100, SwapFree: 0 })
    expect(load(scarce, false, 200)).toMatchObject({
      refusals: [],
      warnings: [expect.stringMatching(/^memory-short: loading takes .* are available; the kernel is asked anyway$/)],
    })
    const short = { ...meminfo({ MemTotal: 4096, MemAvailable: 4000 }), ...reserved(50) }
    expect(load(short, true, 80)).toMatchObject({
      refusals: [],
      warnings: [expect.stringMatching(/^crash-memory-short: kernel and initrd take .*; the kernel is asked anyway$/)],
    })
  })

  test('not of a file that the call does not read', () => {
    expect(load({}, false, 5000).refusals).toEqual([expect.stringMatching(/^the initrd has 4\.9 GiB/)])
  })
})
