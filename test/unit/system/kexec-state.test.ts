import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { loadedImages } from '../../../src/state/loaded-image.ts'
import { status } from '../../../src/system/kexec-state.ts'
import { System } from '../../../src/system/system.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

function machine(files: Record<string, string>): System {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-status-'))
  roots.push(root)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  return new System(root)
}

const sys = { '/sys/kernel/uevent_seqnum': '1\n' }
const sysctl = { '/proc/sys/kernel/kexec_load_disabled': '0\n' }

test('what is loaded is read, by its old names and its new ones', () => {
  const old = { ...sys, '/sys/kernel/kexec_loaded': '1\n', '/sys/kernel/kexec_crash_loaded': '0\n' }
  expect(status(machine({ ...old, '/sys/kernel/kexec_crash_size': '268435456\n' }))).toEqual({
    loaded: true,
    crashLoaded: false,
    crashSize: 268_435_456,
    supported: true,
  })
  // CONFIG_CRASH_DUMP is off.
  expect(status(machine({ ...sys, '/sys/kernel/kexec/loaded': '0\n' }))).toEqual({
    loaded: false,
    crashLoaded: false,
    crashSize: null,
    supported: true,
  })
})

test('a kernel without kexec is told from a /sys that is not mounted', () => {
  expect(status(machine({ ...sys, '/proc/sys/kernel/osrelease': '6.1\n' }))).toEqual({
    loaded: false,
    crashLoaded: false,
    crashSize: null,
    supported: false,
  })
  const unknown = { loaded: null, crashLoaded: null, crashSize: null }
  expect(status(machine(sysctl))).toEqual({ ...unknown, supported: true })
  expect(status(machine({ '/etc/hostname': 'x' }))).toEqual({ ...unknown, supported: null })
  expect(status(machine({ ...sys, '/sys/kernel/kexec_loaded': '' }))).toEqual({
    ...unknown,
    crashLoaded: false,
    supported: true,
  })
})

test('the owner of an image is unknown where it is unknown whether there is one', () => {
  const { kernel } = loadedImages({ system: machine(sysctl) })
  expect(kernel).toMatchObject({ state: 'unreadable', record: null })
  expect(kernel.warnings).toEqual([
    { code: 'loaded-unknown', text: expect.stringContaining('mount -t sysfs sysfs /sys') },
  ])
  expect(loadedImages({ system: machine(sys) }).kernel.state).toBe('none')
})
