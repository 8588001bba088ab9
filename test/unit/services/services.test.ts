import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { installServices, removeServices, showServices } from '../../../src/services/install.ts'
import { type ServiceKind, serviceKinds } from '../../../src/services/service.ts'
import { System } from '../../../src/system/system.ts'
import { json } from '../cli/cli.ts'
import { makeTree, type Tree } from '../entries/tree.ts'

const program: Tree = { '/usr/bin/node': 'empty', '/usr/bin/linux-kexec': 'empty' }
const managers: Record<ServiceKind, Tree> = {
  systemd: { '/usr/lib/systemd/systemd': 'empty' },
  openrc: { '/sbin/openrc-run': 'empty' },
  sysvinit: { '/etc/rc6.d': 'directory', '/etc/init.d': 'directory' },
}

/** Every file and link of a directory and below, without what stands for programs. */
function filesOf(root: string): string[] {
  const names = readdirSync(join(root, 'etc'), { recursive: true, withFileTypes: true })
  return names
    .filter((each) => !each.isDirectory())
    .map((each) => join(each.parentPath, each.name).slice(root.length))
    .sort()
}

describe.each(serviceKinds)('%s', (kind) => {
  const made = () => makeTree({ ...program, ...managers[kind], '/etc/hostname': { text: 'x\n' } })

  test('is found by what is installed; four services are placed, none is enabled', () => {
    const root = made()
    const system = new System(root)
    expect(showServices({ system })).toMatchObject({
      kind,
      services: [{ state: 'absent', enabled: false }, {}, {}, {}],
    })
    const changes = installServices({ system })
    expect(changes.map(({ action }) => action)).toEqual(['create', 'create', 'create', 'create'])
    const { services } = showServices({ system })
    expect(services.map(({ state, enabled }) => [state, enabled])).toEqual(Array(4).fill(['installed', false]))
    for (const { name, paths } of services)
      for (const path of paths)
        expect(readFileSync(join(root, path), 'utf8')).toContain(
          name === 'trial' ? 'linux-kexec trial confirm' : 'linux-kexec load',
        )
  })

  test('a dry run changes nothing, a second run finds nothing to do, and what was removed leaves nothing behind', () => {
    const root = made()
    const system = new System(root)
    const before = filesOf(root)
    const enable = ['boot', 'shutdown', 'crash', 'trial'] as const
    const told = installServices({ system, enable, dryRun: true })
    expect(filesOf(root)).toEqual(before)
    expect(installServices({ system, enable })).toEqual(told)
    expect(showServices({ system }).services.every(({ enabled }) => enabled)).toBe(true)
    expect(installServices({ system, enable })).toEqual([])
    // Without --enable, what is enabled stays so.
    expect(installServices({ system })).toEqual([])
    expect(removeServices({ system, dryRun: true })).toHaveLength(told.length)
    expect(removeServices({ system })).toHaveLength(told.length)
    expect(filesOf(root)).toEqual(before)
    expect(removeServices({ system })).toEqual([])
  })

  test('a file that is not ours stays, and one of ours that was changed is put right', () => {
    const root = made()
    const system = new System(root)
    const path = showServices({ system }).services[2]?.paths[0] as string
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), '#!/bin/sh\n# by hand\n')
    expect(() => installServices({ system })).toThrow(
      expect.objectContaining({ reason: 'unsupported-init', refused: true }),
    )
    expect(showServices({ system }).services.map(({ state }) => state)).toEqual([
      'absent',
      'absent',
      'foreign',
      'absent',
    ])
    expect(removeServices({ system })).toEqual([])
    expect(readFileSync(join(root, path), 'utf8')).toContain('by hand')
    writeFileSync(join(root, path), '# Placed by linux-kexec service, long ago\n')
    installServices({ system })
    expect(showServices({ system }).services[2]?.state).toBe('installed')
  })
})

test.each(['openrc', 'sysvinit'] as const)('the scripts of %s are sh, and may be run', (kind) => {
  const root = makeTree(program)
  for (const { path, kind: part } of installServices({ system: new System(root), kind })) {
    if (part !== 'file') continue
    execFileSync('dash', ['-n', join(root, path)], { stdio: 'pipe' })
    expect(statSync(join(root, path)).mode & 0o777).toBe(0o755)
  }
})

test('links that insserv has made are the links, and go with the service', () => {
  const root = makeTree({ ...program, ...managers.sysvinit })
  const system = new System(root)
  installServices({ system })
  mkdirSync(join(root, 'etc/rc0.d'))
  for (const link of ['rc6.d/K03linux-kexec-shutdown', 'rc0.d/K02linux-kexec-crash'])
    symlinkSync(`../init.d/${link.slice('rcN.d/KNN'.length)}`, join(root, 'etc', link))
  expect(showServices({ system }).services.map(({ enabled }) => enabled)).toEqual([false, true, false, false])
  expect(installServices({ system, enable: ['shutdown'] })).toEqual([])
  removeServices({ system })
  expect(filesOf(root)).toEqual([])
})

test('nothing is placed where neither the kind nor the program is known', async () => {
  const bare = await json(['service', 'install', '--root', makeTree(program)])
  expect([bare.status, bare.document.error.reason]).toEqual([3, 'unsupported-init'])
  const without = await json(['service', 'install', '--openrc', '--root', makeTree({ '/etc': 'directory' })])
  expect([without.status, without.document.error.summary]).toEqual([3, expect.stringContaining('not installed here')])
})

test.each([
  [['service', 'start'], "service takes install, remove or show, not 'start'"],
  [['service', 'install', '--enable', 'all'], "--enable takes boot, shutdown, crash, trial, not 'all'"],
  [['service', 'show', '--enable', 'boot'], '--enable goes with install'],
  [['service', 'show', '--openrc', '--systemd'], '--systemd and --openrc exclude each other'],
])('%j is refused', async (args, message) => {
  expect(await json(args)).toMatchObject({ status: 2, document: { error: { reason: 'usage', message } } })
})
