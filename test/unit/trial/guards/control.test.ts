import { expect, test } from 'vitest'
import { System } from '../../../../src/system/system.ts'
import { guardsOf } from '../../../../src/trial/guards/control.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'
import { watchdogGuard as watchdog } from '../machine.ts'

const control = (tree: Tree) => guardsOf(new System(makeTree({ '/sys/class': 'directory', ...tree })))

/** One that cannot be stopped, so that a release does not open it. */
const stuck: Tree = {
  '/sys/class/watchdog/watchdog0/identity': { text: 'i6300ESB timer\n' },
  '/sys/class/watchdog/watchdog0/nowayout': { text: '1\n' },
}

test('panic= alone needs no release, and cannot reset a machine that runs', () => {
  const guards = { panic: 10, watchdog: null, deadman: false }
  expect(() => control({}).release(guards)).not.toThrow()
  expect(control({}).fire(guards)).toBe(false)
})

test('a watchdog that nobody feeds is not released; one that PID 1 feeds is', () => {
  const guards = { panic: null, watchdog, deadman: false }
  expect(() => control(stuck).release(guards)).toThrow(expect.objectContaining({ reason: 'kernel-refused' }))
  const fed: Tree = { ...stuck, '/proc/1/fd/5': { link: '/dev/watchdog0' } }
  expect(() => control(fed).release(guards)).not.toThrow()
})

test('without its driver it is neither released nor fired', () => {
  const guards = { panic: null, watchdog, deadman: false }
  expect(() => control({}).release(guards)).toThrow(expect.objectContaining({ reason: 'not-found' }))
  expect(control({}).fire(guards)).toBe(false)
  // There is no device either.
  expect(control(stuck).fire(guards)).toBe(false)
})
