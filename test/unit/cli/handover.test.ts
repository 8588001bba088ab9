import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeMachine } from '../plan/debian.ts'
import { cli, json } from './cli.ts'

/** The files of a Debian machine on sysvinit, with linux-kexec where npm installs it. */
function sysvinitMachine(): string {
  const root = makeMachine({
    '/proc/1/comm': { text: 'init\n' },
    '/etc/inittab': { text: 'l6:6:wait:/etc/init.d/rc 6\n' },
    '/etc/init.d/rc': { text: '#!/bin/sh\n' },
    '/etc/init.d/reboot': { text: '#! /bin/sh\n[ -f /etc/default/halt ] && . /etc/default/halt\nreboot -d -f -i\n' },
    '/etc/rc6.d/K05reboot': { text: '' },
    '/etc/default/halt': { text: 'HALT=poweroff\n' },
    '/usr/bin/node': { text: '' },
    '/usr/lib/node_modules/linux-kexec/dist/linux-kexec.cjs': { text: '' },
  })
  symlinkSync('../lib/node_modules/linux-kexec/dist/linux-kexec.cjs', join(root, 'usr/bin/linux-kexec'))
  return root
}

test('a hook is missing: exit status 3, and the remedy; reviewed, installed, verified, removed', async () => {
  const root = sysvinitMachine()
  const call = (...words: string[]) => cli(['handover', '--root', root, ...words])
  const first = await call()
  expect(first).toMatchObject({ status: 3, stderr: '' })
  expect(first.stdout).toMatch(/^init system {2}sysvinit$/m)
  expect(first.stdout).toMatch(/^verified {5}no$/m)
  expect(first.stdout).toMatch(/^do {11}linux-kexec handover --install$/m)

  const review = await call('--install', '--dry-run')
  expect(review).toMatchObject({ status: 0, stderr: '' })
  expect(review.stdout).toContain('would create /etc/linux-kexec/start-kernel (mode 0755)\n  + #!/bin/sh\n')
  expect(review.stdout).toMatch(
    /^would edit \/etc\/default\/halt \(mode 0\d+\)\n {2}\+ # linux-kexec handover: begin$/m,
  )
  expect(review.stdout).not.toContain('HALT=poweroff')
  expect(await call()).toMatchObject({ status: 3 })

  expect(await call('--install')).toMatchObject({
    status: 0,
    stdout: review.stdout.replaceAll('would create', 'created').replaceAll('would edit', 'edited'),
  })
  expect(await call('--install')).toMatchObject({ status: 0, stdout: 'nothing to change\n' })
  expect((await call()).stdout).toMatch(/^verified {5}yes$/m)
  expect(await call()).toMatchObject({ status: 0 })

  const { status, document } = await json(['handover', '--root', root, '--remove'])
  expect(status).toBe(0)
  expect(document.changes.map(({ path }: { path: string }) => path)).toEqual([
    '/etc/default/halt',
    '/etc/linux-kexec/start-kernel',
  ])
  expect(document.proven).toBe(false)
  expect(readFileSync(join(root, 'etc/default/halt'), 'utf8')).toBe('HALT=poweroff\n')
})

test('a foreign file stays, and --install refuses by its name', async () => {
  const root = sysvinitMachine()
  mkdirSync(join(root, 'etc/linux-kexec'))
  writeFileSync(join(root, 'etc/linux-kexec/start-kernel'), 'mine\n')
  const { status, stderr } = await cli(['handover', '--install', '--root', root])
  expect(status).toBe(3)
  expect(stderr).toContain('/etc/linux-kexec/start-kernel does not belong to linux-kexec')
  expect(readFileSync(join(root, 'etc/linux-kexec/start-kernel'), 'utf8')).toBe('mine\n')
})

test('wrong usage: options that exclude each other, and --dry-run alone', async () => {
  expect(await cli(['handover', '--install', '--remove'])).toMatchObject({ status: 2 })
  expect(await cli(['handover', '--dry-run'])).toMatchObject({ status: 2 })
})

test('hostile names stay on their line and move no cursor', async () => {
  const root = makeMachine({
    '/proc/1/comm': { text: 'init\n' },
    '/etc/inittab': { text: 'l6:6:wait:/sbin/\u001b[2Jevil\n' },
  })
  const { status, stdout } = await cli(['handover', '--root', root])
  expect(status).toBe(3)
  expect(stdout).toContain('/sbin/\\x1b[2Jevil')
})
