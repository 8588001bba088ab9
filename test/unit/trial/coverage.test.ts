import { expect, test } from 'vitest'
import { coverageOf } from '../../../src/trial/coverage.ts'
import type { TrialGuards, WatchdogGuard } from '../../../src/trial/model/trial.ts'

const watchdog: WatchdogGuard = {
  name: 'watchdog0',
  driver: 'iTCO_wdt',
  timeout: 60,
  latest: 120,
  armedBy: 'linux-kexec',
  until: 'confirmation',
}

/** What brings the machine back, by the kind of failure. */
function guardsOf(guards: Partial<TrialGuards>) {
  const rows = coverageOf({ panic: null, watchdog: null, deadman: false, ...guards }, 90_000)
  return Object.fromEntries(rows.map(({ failure, guard }) => [failure, guard]))
}

test('nothing brings an unguarded machine back', () => {
  expect(guardsOf({})).toEqual({ panic: null, hang: null, userspace: null, check: null })
})

test('a watchdog alone covers everything, and says when at the latest', () => {
  const guards = guardsOf({ watchdog })
  expect(guards['hang']).toBe('watchdog0 resets the machine at most 120 s after the reboot begins')
  expect(guards['panic']).toBe(guards['hang'])
  expect(guards['userspace']).toContain('not confirmed in time')
  expect(guards['check']).toBe(guards['userspace'])
})

test('a watchdog that systemd feeds sees nothing of what comes after its start', () => {
  expect(guardsOf({ watchdog: { ...watchdog, until: 'systemd' } })).toMatchObject({
    hang: expect.stringContaining('watchdog0'),
    userspace: null,
    check: null,
  })
})

test('each failure is left to the guard that is made for it', () => {
  expect(guardsOf({ panic: 5, watchdog, deadman: true })).toMatchObject({
    panic: expect.stringContaining('after 5 s'),
    hang: expect.stringContaining('watchdog0'),
    userspace: expect.stringContaining('after 90 s'),
    check: expect.stringContaining('after 90 s'),
  })
})
