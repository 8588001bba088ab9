import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { KexecError } from '../../../../src/errors.ts'
import { System } from '../../../../src/system/system.ts'
import { armWatchdog, releaseWatchdog } from '../../../../src/trial/guards/arm-watchdog.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'

// Real watchdogs are armed and released in test/vm/trial-watchdog.test.ts; here, only what is no watchdog.

const guard = { name: 'watchdog0', driver: 'i6300esb', timeout: 60 }

const idle: Tree = {
  '/sys/class/watchdog/watchdog0/identity': { text: 'i6300ESB timer\n' },
  '/sys/class/watchdog/watchdog0/state': { text: 'inactive\n' },
  '/sys/class/watchdog/watchdog0/nowayout': { text: '0\n' },
  '/sys/class/watchdog/watchdog0/timeout': { text: '30\n' },
}

function failureOf(call: () => unknown): KexecError {
  try {
    call()
  } catch (error) {
    if (error instanceof KexecError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('arming', () => {
  test('without a device', () => {
    const system = new System(makeTree({ '/dev': 'directory' }))
    expect(failureOf(() => armWatchdog(system, guard))).toMatchObject({ reason: 'not-found', path: '/dev/watchdog0' })
  })

  test('a file in its place is not written to', () => {
    const system = new System(makeTree({ ...idle, '/dev/watchdog0': { text: 'mine' } }))
    expect(failureOf(() => armWatchdog(system, guard))).toMatchObject({ reason: 'io' })
    expect(system.readText('/dev/watchdog0')).toBe('mine')
  })

  test('a link in its place is not followed', () => {
    const system = new System(makeTree({ ...idle, '/dev/watchdog0': { link: '/dev/null' }, '/dev/null': 'empty' }))
    expect(failureOf(() => armWatchdog(system, guard)).reason).toBe('io')
  })

  // The null device stands for a driver without that ioctl. Making one takes root.
  test.skipIf(process.getuid?.() !== 0)('a device that takes no timeout', () => {
    const root = makeTree(idle)
    mkdirSync(join(root, 'dev'))
    execFileSync('mknod', [join(root, 'dev/watchdog0'), 'c', '1', '3'])
    const error = failureOf(() => armWatchdog(new System(root), guard))
    expect(error).toMatchObject({ reason: 'kernel-refused', code: 'ENOTTY', syscall: 'ioctl' })
    expect(error.summary, 'it could be stopped again').not.toContain('running')
    expect(error.evidence).toContainEqual({ source: '/sys/class/watchdog/watchdog0/nowayout', value: '0' })
  })
})

describe('releasing', () => {
  test('its driver is not loaded', () => {
    const release = releaseWatchdog(new System(makeTree({ '/sys/class/watchdog': 'directory' })), guard)
    expect(release).toEqual({ outcome: 'driver-missing', module: 'i6300esb' })
  })

  test('another watchdog of that name is left alone', () => {
    const other = { '/sys/class/watchdog/watchdog0/identity': { text: 'Software Watchdog\n' } } as const
    const system = new System(makeTree({ ...idle, ...other }))
    expect(releaseWatchdog(system, guard)).toMatchObject({ outcome: 'driver-missing' })
  })

  test('one that cannot be stopped is not opened', () => {
    const stuck: Tree = { ...idle, '/sys/class/watchdog/watchdog0/nowayout': { text: '1\n' } }
    const released = releaseWatchdog(new System(makeTree(stuck)), guard)
    expect(released).toEqual({ outcome: 'runs-on', name: 'watchdog0', timeout: 30 })
    const fed: Tree = { ...stuck, '/proc/1/fd/9': { link: '/dev/watchdog' } }
    expect(releaseWatchdog(new System(makeTree(fed)), guard)).toMatchObject({ outcome: 'handed-over' })
  })
})
