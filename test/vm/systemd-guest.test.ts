import { expect, test } from 'vitest'
import { buildGuest, newestKernels, startVm } from '../../src/vm/index.ts'

const slowToStop = `[Unit]
Description=slow to stop
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh -c 'sleep 1; echo stopped in order >/dev/console'
[Install]
WantedBy=multi-user.target
`

test('a systemd guest comes up whole, and stops its services in order', async () => {
  const progress = (message: string) => console.error(message)
  const unit = '/etc/systemd/system/slow.service'
  const guest = await buildGuest({
    kernels: await newestKernels({ progress }),
    userland: 'systemd',
    files: [
      { path: unit, data: slowToStop },
      { path: '/etc/systemd/system/multi-user.target.wants/slow.service', link: '../slow.service' },
    ],
    progress,
  })
  const vm = await startVm({ guest, memory: 1536 })
  await vm.booted()
  expect(await vm.run('systemctl is-system-running --wait')).toMatchObject({ status: 0, stdout: 'running\n' })
  expect((await vm.run('cat /proc/1/comm; command -v kexec; node -p 1+1')).stdout).toBe('systemd\n2\n')
  await vm.spawn('systemctl poweroff')
  expect(await vm.outcome).toEqual({ kind: 'passed' })
  expect(vm.console.at(-1)?.text).toContain('stopped in order')
})
