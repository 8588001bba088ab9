import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { KexecPolicy } from '../../../src/index.ts'
import { detectPolicy } from '../../../src/policy/detect.ts'
import { modeOfKexecLoad } from '../../../src/policy/modes.ts'
import { type LoadVerdict, predictAnswer, type VerdictImage } from '../../../src/policy/verdict/predict.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree, type Tree } from '../entries/tree.ts'
import { bookworm, builtMachines, machine, policyOf } from './machines.ts'

const plainFile = { owner: 0, fileSystem: 0xef53, attribute: null, digestMatches: null }
const withInitrd: VerdictImage = { isPe: true, file: plainFile, initrd: plainFile }
const calls = ['kexec_file_load', 'kexec_load'] as const

const verdictsOf = (policy: KexecPolicy) =>
  calls.map((call) => predictAnswer(policy, withInitrd, null, { call }).outcome)

/** Knowing less, nobody may be surer, nor of the opposite. */
const allowed: Readonly<Record<LoadVerdict['outcome'], readonly LoadVerdict['outcome'][]>> = {
  'will-load': ['will-load', 'cannot-tell'],
  'will-be-refused': ['will-be-refused', 'cannot-tell'],
  'cannot-tell': ['cannot-tell'],
}

/** Files that say what kernel it is: without them another machine is looked at, and of that something else may be certain. */
const identity = /config-|osrelease/

test.each(Object.entries(builtMachines))(
  '%s: a file that cannot be read leads to no wrong prediction',
  (_name, tree) => {
    const root = makeTree(tree)
    const known = verdictsOf(detectPolicy({ system: new System(root) }))
    const wrong: string[] = []
    for (const file of Object.keys(tree).filter((path) => !identity.test(path))) {
      const [path, aside] = [join(root, file), join(root, 'aside')]
      renameSync(path, aside)
      // A directory in its place is there, and cannot be read; one that may not be written is as IMA leaves its policy.
      mkdirSync(path, { mode: 0o500 })
      const now = verdictsOf(detectPolicy({ system: new System(root) }))
      for (const [index, outcome] of now.entries()) {
        const before = known[index] as LoadVerdict['outcome']
        if (!allowed[before].includes(outcome))
          wrong.push(`${calls[index]} without ${file}: ${before} becomes ${outcome}`)
      }
      rmSync(path, { recursive: true })
      renameSync(aside, path)
    }
    expect(wrong).toEqual([])
  },
)

test('a rule of IMA whose mode is unknown leaves kexec_load unknown, not open', () => {
  const policy = policyOf(builtMachines['where IMA appraises kernels'] as Tree)
  const facts = {
    configuration: {
      source: null,
      architecture: 'x86_64',
      has: (option: string) => option === 'KEXEC',
      quote: (value: string) => ({ source: '', value }),
    },
    core: true,
    limits: policy.limits,
    remedy: null,
    lockdown: policy.lockdown,
    secureBoot: policy.secureBoot,
    signature: policy.signature,
  }
  const mode = (appraise: KexecPolicy['ima']['appraise']) =>
    modeOfKexecLoad({ ...facts, ima: { ...policy.ima, appraise } }).mode
  expect([mode(null), mode('log'), mode('enforce')]).toEqual(['unknown', 'unchecked', 'disabled'])
})

test('the map of user ids alone tells of a user namespace', () => {
  const { namespaces } = policyOf({ '/proc/self/uid_map': { text: '         0       1000          1\n' } })
  expect(namespaces.user).toBe(false)
})

test('what IMA says to the initrd is certain only where nothing about the kernel is unknown', () => {
  const asks: Tree = {
    '/sys/kernel/security/ima/policy': { text: 'appraise func=KEXEC_INITRAMFS_CHECK appraise_type=imasig\n' },
  }
  const told = (tree: Tree) => predictAnswer(policyOf(tree), withInitrd, null).outcome
  expect(told(machine(bookworm, asks))).toBe('will-be-refused')
  expect(told(machine(bookworm, asks, { '/proc/sys/kernel/kexec_load_disabled': 'directory' }))).toBe('cannot-tell')
})
