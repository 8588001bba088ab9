import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadingDrivers } from '../../../../src/cli/checks/load-driver.ts'
import { KexecError } from '../../../../src/errors.ts'
import { System } from '../../../../src/system/system.ts'
import { guardsOf } from '../../../../src/trial/guards/control.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'
import { watchdogGuard } from '../../trial/machine.ts'

const guards = { panic: 10, watchdog: watchdogGuard, deadman: false }

/** A machine whose modprobe notes its arguments, and does this. */
function machine(body: string, tree: Tree = {}) {
  const root = makeTree({
    '/opt/modprobe': { text: `#!/bin/sh\necho "$@" >"\${0%/*}/called"\n${body}\n` },
    '/proc/sys/kernel/modprobe': { text: '/opt/modprobe\n' },
    '/sys/class/watchdog': 'directory',
    ...tree,
  })
  chmodSync(join(root, 'opt/modprobe'), 0o755)
  const called = join(root, 'opt/called')
  const system = new System(root)
  const released: unknown[] = []
  const control = loadingDrivers(system, { release: (given) => void released.push(given), fire: () => false })
  return { system, control, released, called: () => (existsSync(called) ? readFileSync(called, 'utf8') : null) }
}

test("the watchdog's driver is loaded before the release, with the kernel's own modprobe", () => {
  const { control, released, called } = machine('exit 0')
  control.release(guards)
  expect(called()).toBe('-- i6300esb\n')
  expect(released).toEqual([guards])
})

test('nothing is started where it is loaded, built in, or no guard', () => {
  const loaded = { '/sys/class/watchdog/watchdog0/identity': { text: 'i6300ESB timer\n' } } as const
  const { control, released, called } = machine('exit 0', { '/sys/class/watchdog': 'directory', ...loaded })
  control.release(guards)
  control.release({ ...guards, watchdog: { ...guards.watchdog, driver: null } })
  control.release({ ...guards, watchdog: null })
  expect(called()).toBeNull()
  expect(released).toHaveLength(3)
})

test('where it cannot be loaded, the release says what to do', () => {
  const { control, system, released } = machine('echo "modprobe: FATAL: not found" >&2; exit 1')
  control.release(guards)
  expect(released).toEqual([guards])
  const refused = () => guardsOf(system).release(guards)
  expect(refused).toThrow(KexecError)
  expect(refused).toThrow(expect.objectContaining({ hint: 'modprobe i6300esb && linux-kexec trial confirm' }))
})
