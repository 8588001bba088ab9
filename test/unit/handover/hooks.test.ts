import { execFileSync } from 'node:child_process'
import { chmodSync, lstatSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KexecError } from '../../../src/errors.ts'
import { assessHandover } from '../../../src/handover/assess.ts'
import { installHandover, removeHandover } from '../../../src/handover/install.ts'
import { insertLines, withoutLines } from '../../../src/hooks/hook-plan.ts'
import { hookScript } from '../../../src/hooks/hook-script.ts'
import type { System } from '../../../src/system/system.ts'
import { installed, machine, program } from './machine.ts'

/** The lines of Debian's sysvinit and initscripts that count here. */
const debianSysvinit: Record<string, string | null> = {
  ...installed,
  '/proc/1/comm': 'init\n',
  '/proc/1/exe': '->/sbin/init',
  '/etc/inittab':
    'id:2:initdefault:\nsi::sysinit:/etc/init.d/rcS\nl6:6:wait:/etc/init.d/rc 6\nz6:6:respawn:/sbin/sulogin\n',
  '/etc/init.d/rc': '#!/bin/sh\n',
  '/etc/init.d/reboot': '#! /bin/sh\n[ -f /etc/default/halt ] && . /etc/default/halt\nreboot -d -f -i\n',
  '/etc/rc6.d/K09reboot': '->../init.d/reboot',
  // Not UTF-8, no newline at its end, not everyone's to read.
  '/etc/default/halt': '# caf\xe9\nHALT=poweroff',
}

const gentoo: Record<string, string | null> = {
  ...installed,
  '/proc/1/comm': 'init\n',
  '/run/openrc': null,
  '/etc/inittab': 'l6:6:wait:/sbin/openrc reboot\nr6:6:wait:/sbin/reboot -dkn\n',
}

/** Every file below /etc with its mode, bytes as latin1. */
function contents({ root }: System, directory = 'etc'): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(join(root, directory))) {
    const [path, stats] = [join(directory, name), lstatSync(join(root, directory, name))]
    if (stats.isDirectory()) Object.assign(found, contents({ root } as System, path))
    else if (stats.isFile()) found[path] = `${stats.mode.toString(8)} ${readFileSync(join(root, path), 'latin1')}`
  }
  return found
}

test('Debian on sysvinit: not verified, then installed, verified, and removed without a trace', () => {
  const system = machine(debianSysvinit)
  chmodSync(join(system.root, 'etc/default/halt'), 0o640)
  writeFileSync(join(system.root, 'etc/default/halt'), debianSysvinit['/etc/default/halt'] ?? '', 'latin1')
  const before = contents(system)
  expect(assessHandover(system)).toMatchObject({
    via: 'sysvinit',
    proven: false,
    obstacles: [{ code: 'hook-absent' }],
    remedy: 'linux-kexec handover --install',
  })

  const planned = installHandover({ system, dryRun: true })
  expect(planned.map(({ path, action }) => [path, action])).toEqual([
    ['/etc/linux-kexec/start-kernel', 'create'],
    ['/etc/default/halt', 'edit'],
  ])
  expect(contents(system)).toEqual(before)

  expect(installHandover({ system })).toEqual(planned)
  expect(assessHandover(system)).toMatchObject({ proven: true, obstacles: [], remedy: null })
  expect(statSync(join(system.root, 'etc/linux-kexec/start-kernel')).mode & 0o777).toBe(0o755)
  expect(contents(system)['etc/default/halt']).toContain('# caf\xe9\nHALT=poweroff\n# linux-kexec')
  expect(installHandover({ system })).toEqual([])

  expect(removeHandover({ system }).map(({ path, action }) => [path, action])).toEqual([
    ['/etc/default/halt', 'edit'],
    ['/etc/linux-kexec/start-kernel', 'remove'],
  ])
  expect(contents(system)).toEqual(before)
  expect(removeHandover({ system })).toEqual([])
})

test('a hook that was changed is reported and renewed; a foreign file is never touched', () => {
  const system = machine(debianSysvinit)
  installHandover({ system })
  const script = join(system.root, 'etc/linux-kexec/start-kernel')
  writeFileSync(script, readFileSync(script, 'utf8').replace('exec\n', 'exec --no-sync\n'))
  expect(assessHandover(system)).toMatchObject({ proven: false, hook: { state: 'outdated' } })
  expect(installHandover({ system }).map(({ action }) => action)).toEqual(['replace'])
  chmodSync(script, 0o644)
  expect(assessHandover(system)).toMatchObject({ proven: false, hook: { state: 'outdated' } })

  writeFileSync(script, '#!/bin/sh\n# an administrator wrote this\n')
  expect(assessHandover(system)).toMatchObject({
    proven: false,
    hook: { state: 'foreign', foreign: ['/etc/linux-kexec/start-kernel'], toInstall: [] },
    remedy: 'move /etc/linux-kexec/start-kernel away, then: linux-kexec handover --install',
  })
  expect(() => installHandover({ system })).toThrow(KexecError)
  removeHandover({ system })
  expect(readFileSync(script, 'utf8')).toContain('an administrator wrote this')
})

test('lines with one mark only were edited by hand: they are left alone', () => {
  const system = machine({ ...debianSysvinit, '/etc/default/halt': 'A=1\n# linux-kexec handover: begin\nB=2\n' })
  expect(assessHandover(system).hook).toMatchObject({ state: 'foreign', foreign: ['/etc/default/halt'] })
})

test('Gentoo: reboot -k needs no hook; without -k a line before it does, in place of nothing', () => {
  expect(assessHandover(machine(gentoo))).toMatchObject({ via: 'openrc-sysvinit', proven: true, hook: null })
  const system = machine({ ...gentoo, '/etc/inittab': gentoo['/etc/inittab']?.replace('-dkn', '-dn') ?? '' })
  expect(assessHandover(system)).toMatchObject({ via: 'openrc-sysvinit', proven: false })
  installHandover({ system })
  expect(readFileSync(join(system.root, 'etc/inittab'), 'utf8')).toBe(`l6:6:wait:/sbin/openrc reboot
# linux-kexec handover: begin
lk:6:wait:/etc/linux-kexec/start-kernel
# linux-kexec handover: end
r6:6:wait:/sbin/reboot -dn
`)
  expect(assessHandover(system).proven).toBe(true)
})

test('RHEL 6: halt calls /sbin/kexec, which is ours where kexec-tools is not there', () => {
  const redHat = {
    ...installed,
    '/proc/1/comm': 'init\n',
    '/etc/inittab': 'l6:6:wait:/etc/rc.d/rc 6\n',
    '/etc/rc.d/init.d/halt': '#!/bin/bash\n[ -n "$kexec_command" ] && $kexec_command -e -x >& /dev/null\n',
  }
  const system = machine({ ...redHat, '/sbin': null })
  expect(installHandover({ system }).map(({ path }) => path)).toEqual(['/sbin/kexec'])
  expect(assessHandover(system).proven).toBe(true)
  expect(assessHandover(machine({ ...redHat, '/sbin/kexec': '#!/bin/sh\n' }))).toMatchObject({
    proven: true,
    hook: null,
  })
})

test('a program on a file system that is unmounted before the end is an obstacle', () => {
  const mounts = `27 1 8:1 / / rw - ext4 /dev/sda1 rw
31 27 8:2 / /usr rw - ext4 /dev/sda2 rw
`
  const system = machine({ ...debianSysvinit, '/proc/self/mountinfo': mounts })
  installHandover({ system })
  const { proven, obstacles } = assessHandover(system)
  expect(proven).toBe(false)
  expect(obstacles[0]).toEqual({
    code: 'program-unmounted',
    text: '/usr/bin/node lies on /usr, which is unmounted before the end',
  })
})

test('an init script that does not end as it should is named, and so is a root without linux-kexec', () => {
  const other = machine({ ...debianSysvinit, '/etc/init.d/reboot': '#!/bin/sh\nreboot -d -f\n' })
  expect(assessHandover(other).obstacles).toContainEqual({
    code: 'kexec-not-supported',
    text: '/etc/init.d/reboot does not read /etc/default/halt',
  })
  const unknown = machine({ ...debianSysvinit, '/etc/inittab': 'l6:6:wait:/opt/own/reboot-script\n' })
  expect(assessHandover(unknown).obstacles[0]?.text).toContain('/opt/own/reboot-script')
  const bare = machine(debianSysvinit)
  rmSync(join(bare.root, 'usr/bin/linux-kexec'))
  expect(assessHandover(bare).obstacles.map(({ code }) => code)).toContain('program-absent')
  expect(() => installHandover({ system: bare })).toThrow(/calls Node and linux-kexec, which are not installed/)
})

test('no hook is installed for an init system that is unknown or not supported', () => {
  const install = (name: string) => () => installHandover({ system: machine({ ...installed, '/proc/1/comm': name }) })
  expect(install('own-init\n')).toThrow('the init system is unknown')
  expect(install('tini\n')).toThrow('tini (a container) is not supported')
})

test('an opt-out of an administrator is noted', () => {
  const [note] = assessHandover(machine({ ...debianSysvinit, '/nokexec': '' })).notes
  expect(note).toMatchObject({
    code: 'opt-out',
    text: expect.stringContaining('/nokexec exists: a plain reboot goes through the firmware'),
  })
})

test('lines put into any text come out again without a trace', () => {
  const text = fc
    .array(fc.constantFrom('a', 'r6:6:wait:x', '', '#', ' \xff'), { maxLength: 6 })
    .map((lines) => lines.join('\n'))
  fc.assert(
    fc.property(text, fc.boolean(), (before, anchored) => {
      const part = anchored ? { lines: ['ours'], before: /^r6:/ } : { lines: ['ours'] }
      const after = insertLines(before, part)
      expect(after).toContain('# linux-kexec handover: begin\nours\n')
      expect(withoutLines(after)).toBe(before)
    }),
  )
})

test('the script is POSIX sh; a path with a quote in it stays one word', () => {
  const odd = { node: "/opt/it's/node", command: program.command }
  execFileSync('sh', ['-n'], { input: hookScript({ program: odd }) })
  expect(hookScript({ program: odd })).toContain(`'/opt/it'\\''s/node' ${program.command} exec`)
})
