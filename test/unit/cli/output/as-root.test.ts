import { expect, test } from 'vitest'
import { asRoot } from '../../../../src/cli/output/as-root.ts'
import { KexecError, type Reason } from '../../../../src/errors.ts'

const told = (reason: Reason, uid: number | undefined, ...args: string[]) =>
  asRoot(new KexecError('x', { reason }), ['/usr/bin/node', '/usr/bin/linux-kexec', ...args], uid)

test('the very command line, as a shell reads it', () => {
  expect(told('no-capability', 1000, 'load', 'newest', '--append', 'panic=10 quiet')).toBe(
    "sudo linux-kexec load newest --append 'panic=10 quiet'",
  )
  expect(told('not-readable', 1000, 'load', '#2', "it's")).toBe("sudo linux-kexec load '#2' 'it'\\''s'")
  expect(asRoot(new KexecError('x', { reason: 'no-capability' }), ['node', '/sbin/kexec', '-e'], 1000)).toBe(
    'sudo kexec -e',
  )
})

test('nothing for root, and for what root could not either', () => {
  expect(told('no-capability', 0, 'load')).toBeUndefined()
  expect(told('lockdown', 1000, 'load')).toBeUndefined()
})
