import { afterEach, expect, test, vi } from 'vitest'
import { openImage } from '../../../../src/image/inspect/open.ts'
import { System } from '../../../../src/system/system.ts'

afterEach(() => vi.restoreAllMocks())

/** A machine whose files are refused, as a security module or the server of a file system does it. */
class Refusing extends System {
  override open(): never {
    throw Object.assign(new Error('refused'), { code: 'EACCES', errno: -13, syscall: 'open' })
  }
}

test.each([
  [1000, 'Run it as root'],
  [0, 'a network file system refuses it to root'],
])('what cannot be read: user %i gets a hint that helps', (user, hint) => {
  vi.spyOn(process, 'geteuid').mockReturnValue(user)
  expect(() => openImage(new Refusing(), '/net/vmlinuz')).toThrow(
    expect.objectContaining({ reason: 'not-readable', code: 'EACCES', hint: expect.stringContaining(hint) }),
  )
})
