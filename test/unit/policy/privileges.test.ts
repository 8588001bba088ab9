import { describe, expect, test } from 'vitest'
import {
  CAPABILITIES,
  readCapabilities,
  readPrivileges,
  requireCapability,
} from '../../../src/policy/process/privileges.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree, type Tree } from '../entries/tree.ts'
import { root } from './machines.ts'

const systemOf = (...changes: Tree[]) => new System(makeTree(Object.assign({}, root, ...changes)))
const status = (capabilities: string, uid = 0): Tree => ({
  '/proc/self/status': {
    text: `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nCapEff:\t${capabilities}\nSeccomp:\t0\n`,
  },
})

describe('capabilities', () => {
  test('each is one bit of the set, which is quoted', () => {
    const only = (1n << CAPABILITIES.CAP_SYS_BOOT).toString(16).padStart(16, '0')
    const held = readCapabilities(systemOf(status(only)))
    for (const capability of Object.values(CAPABILITIES))
      expect(held.has(capability)).toBe(capability === CAPABILITIES.CAP_SYS_BOOT)
    expect(held.evidence).toEqual([{ source: '/proc/self/status CapEff', value: only }])
  })

  test.each(['', 'nonsense', '0'.repeat(17)])('none in a set that reads %j', (text) => {
    const held = readCapabilities(systemOf(status(text)))
    expect(held.has(CAPABILITIES.CAP_SYS_BOOT)).toBe(false)
    expect(held.evidence[0]?.value).toBe('unreadable')
  })
})

describe('an action that needs CAP_SYS_BOOT', () => {
  const required = (...changes: Tree[]) => requireCapability(readPrivileges(systemOf(...changes)), 'loading a kernel')
  const otherNamespace: Tree = { '/proc/self/ns/user': { link: 'user:[4026532281]' } }

  test('is open to root on the host', () => {
    expect(() => required()).not.toThrow()
  })

  test.each<[string, Tree[]]>([
    ['no-capability', [status('0000000000000000', 1000)]],
    ['not-init-user-namespace', [otherNamespace]],
    ['no-capability', [status('0000000000000000'), otherNamespace]],
  ])('%s: the refusal names the action, a remedy and its evidence', (reason, changes) => {
    expect(() => required(...changes)).toThrow(
      expect.objectContaining({
        reason,
        code: 'EPERM',
        refused: true,
        summary: expect.stringMatching(/^loading a kernel .*CAP_SYS_BOOT/),
        hint: expect.stringMatching(/^(Run it|Run linux-kexec|This is root).*plan and status work without\.$/),
        evidence: expect.arrayContaining([expect.objectContaining({ source: expect.stringContaining('/proc/self/') })]),
      }),
    )
  })
})
