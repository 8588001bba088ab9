import { describe, expect, test } from 'vitest'
import { predictAnswer, type VerdictImage } from '../../../src/policy/verdict/predict.ts'
import type { Tree } from '../entries/tree.ts'
import { bookworm, machine, policyOf } from './machines.ts'

const file = { owner: 0, fileSystem: 0xef53, attribute: null, digestMatches: null }
const image: VerdictImage = { isPe: true, file, initrd: null }

const text = (path: string, content: string): Tree => ({ [path]: { text: content } })
const lsm = (...modules: readonly string[]) =>
  text('/sys/kernel/security/lsm', `lockdown,capability,${modules.join(',')}`)
const label = (content: string) => text('/proc/self/attr/current', content)

/** What is said of both calls, and to whom nothing is said of this process. */
function outcomes(...trees: readonly Tree[]) {
  const policy = policyOf(machine(bookworm, ...trees))
  const of = (options: Parameters<typeof predictAnswer>[3]) => predictAnswer(policy, image, null, options).outcome
  return [of({}), of({ call: 'kexec_load' }), of({ privileged: true })]
}

const promised = ['will-load', 'will-load', 'will-load']
const ofProcess = ['cannot-tell', 'cannot-tell', 'will-load']
const ofMachine = ['cannot-tell', 'cannot-tell', 'cannot-tell']

describe('AppArmor', () => {
  test.each(['unconfined\n', 'snap.x (complain)\n', 'firefox (unconfined)\n', 'unconfined\0'])(
    '%j refuses nothing',
    (content) => {
      expect(outcomes(lsm('apparmor'), label(content))).toEqual(promised)
    },
  )

  test.each(['docker-default (enforce)\n', 'a//&:b:unconfined (mixed)\n', '/usr/bin/x (kill)\n', 'odd\n'])(
    '%j may',
    (content) => {
      expect(outcomes(lsm('apparmor'), label(content))).toEqual(ofProcess)
      expect(outcomes(label(content))).toEqual(ofProcess)
    },
  )

  test('its own file counts before the one of the first module', () => {
    const own = text('/proc/self/attr/apparmor/current', 'unconfined\n')
    expect(outcomes(lsm('selinux', 'apparmor'), own)).toEqual(promised)
    const { missing } = predictAnswer(policyOf(machine(bookworm, label('updater (enforce)\n'))), image, null)
    expect(missing).toEqual([
      { code: 'confinement', text: 'what the AppArmor profile updater on this process refuses' },
    ])
  })
})

describe('SELinux', () => {
  const enforcing = text('/sys/fs/selinux/enforce', '1')
  test.each(['unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\0', 'system_u:system_r:unconfined_service_t:s0'])(
    '%j is free',
    (content) => expect(outcomes(lsm('selinux'), enforcing, label(content))).toEqual(promised),
  )

  test('another domain is not, unless the policy is permissive or none is loaded', () => {
    const confined = label('system_u:system_r:container_t:s0:c1,c2\0')
    expect(outcomes(lsm('selinux'), enforcing, confined)).toEqual(ofProcess)
    expect(outcomes(lsm('selinux'), confined)).toEqual(ofProcess)
    expect(outcomes(lsm('selinux'), text('/sys/fs/selinux/enforce', '0'), confined)).toEqual(promised)
    expect(outcomes(lsm('selinux'), label('kernel\0'))).toEqual(promised)
  })
})

test('a label that may not be read promises nothing; none at all does', () => {
  expect(outcomes({ '/proc/self/attr/current': 'directory' })).toEqual(ofProcess)
  expect(outcomes()).toEqual(promised)
  expect(outcomes(lsm('smack'), label('_'))).toEqual(promised)
  // Landlock has no say in the calls that load.
  expect(outcomes(lsm('landlock', 'yama'))).toEqual(promised)
})

test('LoadPin and IPE concern every process, where they enforce', () => {
  expect(outcomes(lsm('loadpin'))).toEqual(ofMachine)
  expect(outcomes(lsm('loadpin'), text('/proc/sys/kernel/loadpin/enforce', '0\n'))).toEqual(promised)
  const active = text('/sys/kernel/security/ipe/policies/boot/active', '1\n')
  expect(outcomes(lsm('ipe'), active)).toEqual(ofMachine)
  expect(outcomes(lsm('ipe'), active, text('/sys/kernel/security/ipe/enforce', '0\n'))).toEqual(promised)
  expect(outcomes(lsm('ipe'))).toEqual(promised)
})
