import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { installServices, removeServices, showServices } from '../../../src/services/install.ts'
import { type ServiceKind, serviceKinds, serviceNames } from '../../../src/services/service.ts'
import { System } from '../../../src/system/system.ts'
import { json } from '../cli/cli.ts'
import { makeTree, type Tree } from '../entries/tree.ts'

const program: Tree = { '/usr/bin/node': 'empty', '/usr/bin/linux-kexec': 'empty' }
const managers: Record<ServiceKind, Tree> = {
  systemd: { '/usr/lib/systemd/systemd': 'empty' },
  openrc: { '/sbin/openrc-run': 'empty' },
  sysvinit: { '/etc/rc6.d': 'directory', '/etc/init.d': 'directory' },
  // Debian's runit-init has the scripts of sysvinit too.
  runit: {
    '/sbin/init': { link: '/usr/bin/runit-init' },
    '/usr/bin/runit-init': 'empty',
    '/etc/rc6.d': 'directory',
    '/etc/runit/runsvdir/default': 'directory',
    '/etc/sv/getty/run': { text: '#!/bin/sh\n' },
    '/etc/sv/getty/supervise': { link: '/run/runit/supervise.getty' },
  },
  busybox: {
    '/sbin/init': { link: '/bin/busybox' },
    '/bin/busybox': 'empty',
    '/etc/inittab': { text: '::sysinit:/etc/init.d/rcS\n# no end of line' },
  },
}
const namesOf = (kind: ServiceKind) =>
  kind === 'runit' || kind === 'busybox' ? (['boot', 'crash', 'trial'] as const) : serviceNames

/** Every file and link of a directory and below, with its mode and content, without what stands for programs. */
function filesOf(root: string): string[] {
  const names = readdirSync(join(root, 'etc'), { recursive: true, withFileTypes: true })
  return names
    .filter((each) => !each.isDirectory())
    .map((each) => {
      const path = join(each.parentPath, each.name)
      const content = each.isFile() ? `${statSync(path).mode} ${readFileSync(path, 'latin1')}` : readlinkSync(path)
      return `${path.slice(root.length)} ${content}`
    })
    .sort()
}

describe.each(serviceKinds)('%s', (kind) => {
  const made = () => makeTree({ ...program, ...managers[kind], '/etc/hostname': { text: 'x\n' } })

  test('is found by what is installed; its services are placed, none is enabled', () => {
    const root = made()
    const system = new System(root)
    expect(showServices({ system })).toMatchObject({
      kind,
      services: namesOf(kind).map((name) => ({ name, state: 'absent', enabled: false })),
    })
    const changes = installServices({ system })
    expect(new Set(changes.map(({ action }) => action))).toEqual(new Set(['create']))
    const { services } = showServices({ system })
    expect(services.map(({ state, enabled }) => [state, enabled])).toEqual(
      namesOf(kind).map(() => ['installed', false]),
    )
    for (const { name, paths } of services)
      for (const path of paths.filter((each) => !each.endsWith('/supervise')))
        expect(readFileSync(join(root, path), 'utf8')).toContain(
          name === 'trial' ? 'linux-kexec trial confirm' : 'linux-kexec load',
        )
  })

  test('a dry run changes nothing, a second run finds nothing to do, and what was removed leaves nothing behind', () => {
    const root = made()
    const system = new System(root)
    const before = filesOf(root)
    const enable = namesOf(kind)
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
    const crash = namesOf(kind).indexOf('crash')
    const path = showServices({ system }).services[crash]?.paths[0] as string
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), '#!/bin/sh\n# by hand\n')
    expect(() => installServices({ system })).toThrow(
      expect.objectContaining({ reason: 'unsupported-init', refused: true }),
    )
    expect(showServices({ system }).services.map(({ state }) => state)).toEqual(
      namesOf(kind).map((name) => (name === 'crash' ? 'foreign' : 'absent')),
    )
    expect(removeServices({ system })).toEqual([])
    expect(readFileSync(join(root, path), 'utf8')).toContain('by hand')
    writeFileSync(join(root, path), '# Placed by linux-kexec service, long ago\n')
    installServices({ system })
    expect(showServices({ system }).services[crash]?.state).toBe('installed')
  })
})

test.each(['openrc', 'sysvinit', 'runit', 'busybox'] as const)('the scripts of %s are sh, and may be run', (kind) => {
  const root = makeTree(program)
  for (const { path, kind: part } of installServices({ system: new System(root), kind })) {
    if (part !== 'file') continue
    execFileSync('dash', ['-n', join(root, path)], { stdio: 'pipe' })
    expect(statSync(join(root, path)).mode & 0o777).toBe(0o755)
  }
})

test('runit: in the directories of the distribution, its state where that of its neighbours is', () => {
  const paths = (tree: Tree) => {
    const system = new System(makeTree({ ...program, ...tree }))
    return installServices({ system, kind: 'runit', enable: ['trial'] }).flatMap(({ path, new: text, kind }) =>
      path.includes('trial') ? [`${path}${kind === 'link' ? ` ${text}` : ''}`] : [],
    )
  }
  expect(paths(managers.runit)).toEqual([
    '/etc/sv/linux-kexec-trial/run',
    '/etc/sv/linux-kexec-trial/supervise /run/runit/supervise.linux-kexec-trial',
    '/etc/runit/runsvdir/default/linux-kexec-trial /etc/sv/linux-kexec-trial',
  ])
  expect(paths({ '/etc/runit/sv': 'directory', '/etc/service': 'directory' })).toEqual([
    '/etc/runit/sv/linux-kexec-trial/run',
    '/etc/service/linux-kexec-trial /etc/runit/sv/linux-kexec-trial',
  ])
})

test('busybox: the services share a line of /etc/inittab, beside those of the handover', () => {
  const handover = '# linux-kexec handover: begin\n::restart:/etc/linux-kexec/restart\n# linux-kexec handover: end\n'
  const root = makeTree({ ...program, ...managers.busybox })
  const inittab = join(root, 'etc/inittab')
  writeFileSync(inittab, '')
  chmodSync(inittab, 0o640)
  const system = new System(root)
  installServices({ system, enable: ['trial'] })
  installServices({ system, enable: ['crash'] })
  const own = '# linux-kexec service: begin\n::once:/etc/linux-kexec/at-boot\n# linux-kexec service: end\n'
  expect(readFileSync(inittab, 'utf8')).toBe(own)
  // Where its lines lie makes no difference.
  appendFileSync(inittab, handover)
  expect(installServices({ system, enable: ['crash', 'trial'] })).toEqual([])
  expect(showServices({ system }).services.map(({ enabled }) => enabled)).toEqual([false, true, true])
  removeServices({ system })
  expect([readFileSync(inittab, 'utf8'), statSync(inittab).mode & 0o777]).toEqual([handover, 0o640])
})

test('what a kind does not have is refused, and nothing is placed', () => {
  for (const kind of ['runit', 'busybox'] as const) {
    const root = makeTree({ ...program, ...managers[kind] })
    const system = new System(root)
    const before = filesOf(root)
    expect(() => installServices({ system, enable: ['shutdown'] })).toThrow(
      expect.objectContaining({ reason: 'unsupported-init', hint: expect.stringContaining('boot') }),
    )
    expect(filesOf(root)).toEqual(before)
  }
  const bare = new System(makeTree(program))
  expect(() => installServices({ system: bare, kind: 'busybox', enable: ['trial'] })).toThrow(
    expect.objectContaining({ reason: 'unsupported-init', path: '/etc/inittab' }),
  )
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
