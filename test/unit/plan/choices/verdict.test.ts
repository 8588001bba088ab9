import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../../src/index.ts'
import { emptyArchive, type Tree } from '../../entries/tree.ts'
import { bookworm, builtMachines, machine } from '../../policy/machines.ts'
import { debian, makeMachine, newer } from '../debian.ts'

const kernel = `/boot/vmlinuz-${newer}`

/** What the plan predicts, and what it makes of that. */
async function predicted(tree: Tree, options: PlanOptions = {}) {
  const root = makeMachine({ ...debian, ...tree, '/proc/sys/kernel/arch': { text: 'x86_64\n' } })
  using made = await plan({ root, entry: newer, ...options })
  const decisions = made.decisions.filter(({ subject }) => subject === 'verdict')
  return {
    outcome: made.verdict?.outcome ?? null,
    told: decisions.map(({ choice, reason }) => `${choice}: ${reason}`),
    warnings: made.warnings.map(({ code, text }) => `${code}: ${text}`),
    refusals: made.refusals.map(({ reason, code, path, summary }) => ({ reason, code, path, summary })),
    errors: made.refusals,
  }
}
const on = (name: string) => builtMachines[name] as Tree

describe('the answer of the kernel', () => {
  const taken = 'signatures are verified, but a kernel that fails is accepted anyway'

  test('is predicted with its reason', async () => {
    expect(await predicted(on('plain'))).toMatchObject({
      outcome: 'will-load',
      told: [`the kernel will take it: ${taken}`],
      warnings: [],
      refusals: [],
    })
  })

  test('for a user is that for root: to plan needs no privilege', async () => {
    for (const name of ['seen by a user', 'in a user namespace'])
      expect(await predicted(on(name)), name).toMatchObject({
        told: [`the kernel will take it: for a process with the privilege to load: ${taken}`],
        refusals: [],
      })
  })

  test('that cannot be known is told with what is missing', async () => {
    const unknown = 'unknown: what the seccomp filter on this process refuses'
    expect(await predicted(on('behind a seccomp filter'))).toMatchObject({
      outcome: 'cannot-tell',
      told: [`whether the kernel takes it cannot be predicted: ${unknown}`],
      warnings: [`verdict-unknown: whether the kernel takes it cannot be predicted; ${unknown}`],
      refusals: [],
    })
    const { [`/boot/config-${bookworm}`]: _, ...unconfigured } = machine(bookworm)
    expect((await predicted(unconfigured)).told).toEqual([
      'whether the kernel takes it cannot be predicted: unknown: whether a signature is required; which kind of signature this kernel verifies',
    ])
  })

  test('of no machine is none', async () => {
    expect(await predicted({})).toMatchObject({ outcome: null, told: [], warnings: [], refusals: [] })
  })
})

describe('a refusal that is certain', () => {
  test.each<[string, { reason: string; code: string; path: string | undefined; summary: string }]>([
    [
      'locked down',
      {
        reason: 'lockdown',
        code: 'EPERM',
        path: kernel,
        summary: 'the kernel is locked down (integrity) and takes only what it trusts: the kernel is not signed',
      },
    ],
    [
      'under Secure Boot',
      {
        reason: 'signature-rejected',
        code: 'ENODATA',
        path: kernel,
        summary:
          'only kernels signed with a key that this kernel trusts are accepted: Secure Boot is on; the kernel is not signed',
      },
    ],
    [
      'with a limit that is used up',
      {
        reason: 'load-limit',
        code: 'EPERM',
        path: undefined,
        summary: 'no more loads are allowed until the next boot (kernel.kexec_load_limit_reboot)',
      },
    ],
    [
      'switched off',
      {
        reason: 'kexec-disabled',
        code: 'EPERM',
        path: undefined,
        summary: 'loading is switched off until the next boot (kernel.kexec_load_disabled)',
      },
    ],
  ])('%s: the plan refuses, and asks where that is wanted', async (name, refusal) => {
    const made = await predicted(on(name))
    expect(made).toMatchObject({
      outcome: 'will-be-refused',
      told: [`the kernel will refuse it: ${refusal.summary}`],
      warnings: [],
      refusals: [refusal],
    })
    expect(made.errors[0]).toMatchObject({ refused: true, hint: expect.any(String), kind: 'policy' })
    expect(made.errors[0]?.evidence.length).toBeGreaterThan(0)
    expect(await predicted(on(name), { tryAnyway: true })).toMatchObject({
      outcome: 'will-be-refused',
      warnings: [`asked-anyway: the kernel will refuse it, and is asked anyway: ${refusal.summary}`],
      refusals: [],
    })
  })

  test('of kexec_load is about what it is given, which is no file', async () => {
    expect(await predicted(on('under Secure Boot'), { engine: 'segments' })).toMatchObject({
      refusals: [
        { reason: 'ima-appraisal', code: 'EACCES', summary: expect.stringContaining('only a file can carry') },
      ],
    })
    const rules: Tree = {
      '/sys/kernel/security/ima/policy': { text: 'appraise func=KEXEC_INITRAMFS_CHECK appraise_type=imasig\n' },
    }
    const made = await predicted(machine(bookworm, rules), { engine: 'segments' })
    expect(made).toMatchObject({ outcome: 'will-load', refusals: [] })
  })
})

describe('IMA', () => {
  const appraises = (what: string): Tree =>
    machine(bookworm, {
      '/sys/kernel/security/ima/policy': {
        text: `dont_appraise fsmagic=0x1021994\nappraise func=KEXEC_${what}_CHECK appraise_type=imasig\n`,
      },
      '/etc/motd': { text: 'hello\n' },
    })
  const summaries = async (what: string, options: PlanOptions = {}) =>
    (await predicted(appraises(what), options)).refusals.map(({ summary }) => summary)

  test('asks about the files that are loaded, and not about those that are made in memory', async () => {
    const inMemory = statfsSync(tmpdir()).type === 0x1021994
    const kernelRefused = inMemory ? [] : ["IMA would refuse the kernel's file: it has no IMA signature (security.ima)"]
    const initrdRefused = inMemory ? [] : ['IMA would refuse the initrd: it has no IMA signature (security.ima)']
    expect(await summaries('KERNEL')).toEqual(kernelRefused)
    expect(await summaries('INITRAMFS')).toEqual(initrdRefused)
    if (!inMemory) {
      const refusal = async (what: string) => (await predicted(appraises(what))).errors[0]
      expect((await refusal('KERNEL'))?.path).toMatch(/\/boot\/vmlinuz-/)
      expect((await refusal('INITRAMFS'))?.path).toMatch(/\/boot\/initrd\.img-/)
    }
    expect(await summaries('INITRAMFS', { noInitrd: true })).toEqual([])
    expect(await summaries('INITRAMFS', { overlay: ['/etc/motd'] })).toEqual([])
    const two = [`/boot/initrd.img-${newer}`, `/boot/initrd.img-${newer}`]
    expect(await summaries('INITRAMFS', { initrds: two })).toEqual([])
    expect(await summaries('INITRAMFS', { initrds: [`/boot/initrd.img-${newer}`] })).toEqual(initrdRefused)
    expect(await summaries('INITRAMFS', { initrds: [emptyArchive] })).toEqual([])
  })
})
