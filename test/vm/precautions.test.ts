import { expect, test } from 'vitest'
import { json, machineForFile } from './guests.ts'

/** A service that takes longer to stop than anyone waits. */
const slowService = `[Unit]
Description=A service that is slow to stop
[Service]
ExecStart=/usr/bin/busybox sleep 100000
ExecStop=/usr/bin/busybox sleep 15
`

const machine = machineForFile(
  { memory: 1536 },
  { userland: 'systemd', files: [{ path: '/etc/systemd/system/slow.service', data: slowService }] },
)

test('a program that blocks the shutdown is named by reboot, with why; --ignore-inhibitors goes on', async () => {
  const prepared = await machine.vm.run(`linux-kexec load newest
    systemd-run --unit=upgrade systemd-inhibit --what=shutdown --who=upgrade --why='Packages are "installed"' sleep 100000
    systemd-run --unit=player systemd-inhibit --what=shutdown --mode=delay --who=player --why=music sleep 100000
    until [ "$(systemd-inhibit --list --no-legend | grep -c shutdown)" = 2 ]; do sleep 0.1; done`)
  expect(prepared).toMatchObject({ status: 0 })
  const refused = await machine.vm.run('linux-kexec reboot --dry-run')
  expect(refused.status).toBe(3)
  expect(refused.stderr).toContain('INHIBITED: upgrade inhibits a shutdown (Packages are "installed")')
  expect(refused.stderr).not.toContain('player')
  const ignored = await machine.vm.run('linux-kexec reboot --dry-run --ignore-inhibitors')
  expect(ignored).toMatchObject({ status: 0, stderr: expect.stringContaining('is ignored') })
  await machine.vm.run(
    'systemctl stop upgrade; until ! systemd-inhibit --list --no-legend | grep upgrade; do sleep 0.1; done',
  )
  expect(await json(machine.vm, 'linux-kexec reboot --dry-run')).toMatchObject({
    status: 0,
    document: {
      schemaVersion: 2,
      via: 'systemd',
      init: 'systemd',
      steps: expect.any(Array),
      warnings: expect.any(Array),
    },
  })
})

test('what is loaded is ours under systemd as well, and its doctor tells a file that changed', async () => {
  expect((await json(machine.vm, 'linux-kexec status')).document.kernel.state).toBe('ours')
  await machine.vm.run(`touch /boot/vmlinuz-${machine.newer}`)
  const { document } = await json(machine.vm, 'linux-kexec doctor')
  const check = document.checks.find(({ id }: { id: string }) => id === 'loaded-kernel')
  expect(check).toMatchObject({ status: 'warning', remedy: 'linux-kexec load' })
  expect(check.summary).toContain('was written at')
  expect((await machine.vm.run('linux-kexec reboot')).stderr).toContain('IMAGE_STALE')
})

test('after the deadline the services that systemd has not stopped are named; with nothing loaded, an allowed reboot goes through the firmware', async () => {
  await machine.vm.run('linux-kexec unload && systemctl start slow')
  expect((await machine.vm.run('linux-kexec reboot')).status).toBe(4)
  await machine.vm.spawn('linux-kexec reboot --allow-firmware-reboot --deadline 5')
  expect(await machine.vm.outcome).toMatchObject({ kind: 'rebooted' })
  const text = machine.vm.console.at(-1)?.text ?? ''
  expect(text).toContain('systemd did not begin to stop this process within 5 s')
  expect(text).toContain('not stopped yet: slow.service')
})
