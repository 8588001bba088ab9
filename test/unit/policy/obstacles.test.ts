import { describe, expect, test } from 'vitest'
import { predictAnswer } from '../../../src/policy/verdict/predict.ts'
import type { Tree } from '../entries/tree.ts'
import { bookworm, configuration, machine, policyOf } from './machines.ts'

const arm = '6.1.0-50-cloud-arm64'
const several = (text = '0-3'): Tree => ({ '/sys/devices/system/cpu/possible': { text: `${text}\n` } })
const spinTable: Tree = { '/proc/device-tree/cpus/cpu@0/enable-method': { text: 'spin-table\0' } }
const noHotplug: Tree = {
  [`/boot/config-${arm}`]: {
    text: configuration(arm).replace(/.*CONFIG_HOTPLUG_CPU\b.*\n|$/, '# CONFIG_HOTPLUG_CPU is not set\n'),
  },
}
const protectedKvm: Tree = { '/proc/cmdline': { text: 'root=/dev/vda1 kvm_arm.mode=protected\n' } }
const erratum: Tree = { '/proc/cpuinfo': { text: 'processor\t: 0\nbugs\t\t: spectre_v1 tdx_pw_mce\n' } }
const xen = (type: string): Tree => ({
  '/sys/hypervisor/type': { text: 'xen\n' },
  '/sys/hypervisor/guest_type': { text: `${type}\n` },
})

const found = (release: string, ...changes: Tree[]) => policyOf(machine(release, ...changes)).obstacles

const machines: Readonly<Record<string, [string, Tree[], object]>> = {
  'spin-table': [arm, [several(), spinTable], { certain: true, code: 'EBUSY', concernsCrash: false }],
  'no-cpu-hotplug': [arm, [several(), noHotplug], { certain: true, code: 'EBUSY', concernsCrash: false }],
  'protected-kvm': [arm, [protectedKvm], { certain: false, code: 'EBUSY', concernsCrash: false }],
  'tdx-erratum': [bookworm, [erratum], { certain: false, code: 'EOPNOTSUPP', concernsCrash: true }],
  xen: [bookworm, [xen('PV')], { certain: true, code: null, concernsCrash: true }],
}

test.each(Object.entries(machines))(
  '%s is found alone, with a remedy and evidence',
  (name, [release, trees, facts]) => {
    const obstacles = found(release, ...trees)
    expect(obstacles).toEqual([
      expect.objectContaining({
        name,
        ...facts,
        summary: expect.stringMatching(/^\S.{20,}[^.]$/),
        remedy: expect.stringMatching(/^[A-Z].{10,}\.$/),
      }),
    ])
    expect(obstacles[0]?.evidence).not.toEqual([])
    for (const { source, value } of obstacles[0]?.evidence ?? []) {
      expect(source).toMatch(/^\//)
      expect(value).not.toBe('')
    }
  },
)

describe('no obstacle', () => {
  test.each<[string, string, Tree[]]>([
    ['an ordinary machine', bookworm, [several()]],
    ['an arm64 machine with PSCI', arm, [several()]],
    ['spin tables with one processor', arm, [several('0'), spinTable]],
    ['spin tables where the processors are unknown', arm, [spinTable]],
    ['spin tables on another architecture', bookworm, [several(), spinTable]],
    ['protected KVM on another architecture', bookworm, [protectedKvm]],
    ['another mode of KVM', arm, [{ '/proc/cmdline': { text: 'kvm-arm.mode=nvhe\n' } }]],
    ['a processor with other errata', bookworm, [{ '/proc/cpuinfo': { text: 'bugs\t\t: spectre_v1\n' } }]],
    ['a guest of Xen that runs as PVH', bookworm, [xen('PVH')]],
  ])('%s', (_name, release, trees) => {
    expect(found(release, ...trees)).toEqual([])
  })

  test('the erratum of TDX from 7.2 on, where the kernel shuts TDX down', () => {
    const at = (release: string) => found(bookworm, erratum, { '/proc/sys/kernel/osrelease': { text: `${release}\n` } })
    expect(at('7.1.9').map(({ name }) => name)).toEqual(['tdx-erratum'])
    expect(at('7.2.0')).toEqual([])
  })
})

test('certain obstacles come first, and a processor is named in the list of several', () => {
  const names = found(arm, several('0,2'), spinTable, protectedKvm).map(({ name }) => name)
  expect(names).toEqual(['spin-table', 'protected-kvm'])
})

describe('the verdict', () => {
  const verdict = (panic: boolean, ...changes: Tree[]) => {
    const policy = policyOf(machine(arm, several(), ...changes))
    const image = { isPe: true, file: null, initrd: null } as unknown as Parameters<typeof predictAnswer>[1]
    const { outcome, reason, code, hint } = predictAnswer(policy, image, null, { call: 'kexec_load', panic })
    return { outcome, reason, code, hint }
  }

  test('a certain obstacle refuses every load but that of a crash kernel, which stops no processor', () => {
    expect(verdict(false, spinTable)).toMatchObject({ outcome: 'will-be-refused', reason: 'busy', code: 'EBUSY' })
    expect(verdict(false, spinTable).hint).toContain('PSCI')
    expect(verdict(true, spinTable).outcome).toBe('will-load')
  })

  test('an obstacle that is only possible refuses nothing, and one that the load does not show neither', () => {
    expect(verdict(false, protectedKvm).outcome).not.toBe('will-be-refused')
    expect(verdict(false, xen('PV')).outcome).not.toBe('will-be-refused')
  })
})
