import { describe, expect, test } from 'vitest'
import { hotplugAdvice, readCrashHotplug } from '../../../src/crash-kernel/hotplug.ts'
import { recommendReservation } from '../../../src/crash-kernel/reservation.ts'
import { planShrinking } from '../../../src/crash-kernel/shrink.ts'
import { System } from '../../../src/system/system.ts'
import { json } from '../cli/cli.ts'
import { makeTree, type Tree } from '../entries/tree.ts'

const MIB = 1024 ** 2
const reserved = (size: number, loaded = 0): Tree => ({
  '/sys/kernel/kexec_loaded': { text: '0\n' },
  '/sys/kernel/kexec_crash_size': { text: `${size * MIB}\n` },
  '/sys/kernel/kexec_crash_loaded': { text: `${loaded}\n` },
})
const on = (tree: Tree) => new System(makeTree(tree))

describe('giving memory back', () => {
  test('in whole pages, and the same size changes nothing', () => {
    expect(planShrinking(128 * MIB - 1, on(reserved(256)))).toEqual({ before: 256 * MIB, after: 128 * MIB })
    expect(planShrinking(256 * MIB, on(reserved(256, 1)))).toEqual({ before: 256 * MIB, after: 256 * MIB })
    expect(planShrinking(0, on(reserved(256)))).toEqual({ before: 256 * MIB, after: 0 })
  })

  test.each([
    ['more than there is', 512, reserved(256), 'invalid-argument'],
    ['while a crash kernel is loaded', 128, reserved(256, 1), 'busy'],
    ['where nothing is reserved', 128, reserved(0), 'no-crash-memory'],
    ['on a kernel without crash kernels', 128, {}, 'no-kexec-support'],
  ] as const)('%s is refused', (_name, size, tree, reason) => {
    const refusal = expect.objectContaining({ reason, refused: true })
    expect(() => planShrinking(size * MIB, on(tree))).toThrow(refusal)
  })
})

test.each([['12Q'], ['1.5M'], ['0x100']])('%s is no size', async (size) => {
  const { status, document } = await json(['crash-size', '--dry-run', size])
  expect([status, document.error.message]).toEqual([2, expect.stringContaining(`not '${size}'`)])
})

test('what is usual grows with the memory, by architecture, and with what is needed', () => {
  const sized = (gibibytes: number, architecture: string, needed: number | null = null) => {
    const memory = on({ '/proc/meminfo': { text: `MemTotal:       ${gibibytes * MIB} kB\n` } })
    return recommendReservation(memory, architecture, needed).parameter
  }
  expect([0.5, 2, 8, 128].map((size) => sized(size, 'x86_64'))).toEqual(
    [128, 192, 256, 512].map((size) => `crashkernel=${size}M`),
  )
  expect(sized(256, 'ppc64le')).toBe('crashkernel=4096M')
  expect(sized(8, 'aarch64')).toBe('crashkernel=320M')
  expect(sized(8, 'x86_64', 300 * MIB)).toBe('crashkernel=448M')
  expect(recommendReservation(on({}), 'x86_64', null).parameter).toBe('crashkernel=192M')
})

test('a crash kernel learns of memory and CPUs that come later only where the kernel says so', () => {
  const follows = (what: string): Tree => ({ [`/sys/devices/system/${what}/crash_hotplug`]: { text: '1\n' } })
  const advice = (tree: Tree) => hotplugAdvice(readCrashHotplug(on(tree)))
  expect(advice({ ...follows('cpu'), ...follows('memory') })).toBeNull()
  expect(advice(follows('cpu'))).toContain('for added memory')
  expect(advice({})).toContain('memory or CPUs')
})
