import { describe, expect, test } from 'vitest'
import type { GuestOptions } from '../../src/vm/index.ts'
import { blankDisk, examineDisk, findDisk } from './disk.ts'
import { json, machineForFile } from './guests.ts'
import { captureInit } from './init-capture.ts'

type Files = NonNullable<GuestOptions['files']>

/** What a service does that takes two seconds to stop: it says so on a disk when it is done. */
const stopSlowly = 'sleep 2; echo stopped in order >/mnt/data/service'

const script = (path: string, data: string) => ({ path, data: `#!/bin/sh\n${data}\n`, mode: 0o755 })

/** A service whose stop script is slow, in the way of each init system. */
const rows: readonly {
  name: NonNullable<GuestOptions['userland']>
  via?: string
  slow: Files
  more?: (machine: ReturnType<typeof machineForFile>) => void
}[] = [
  {
    name: 'busybox-init',
    via: 'busybox',
    slow: [
      script('/etc/init.d/S50slow', `[ "$1" = stop ] || exit 0\n${stopSlowly}`),
      script('/etc/init.d/S60unload', `[ "$1" = stop ] && rm /root/unload 2>/dev/null && linux-kexec unload`),
    ],
    // Only busybox init can be started again.
    more: (machine) =>
      test('has init start again when the kernel cannot be started at the last moment', async () => {
        const before = await machine.vm.run(
          'linux-kexec load newest; touch /root/unload; cat /proc/sys/kernel/random/boot_id',
        )
        await machine.vm.spawn('linux-kexec reboot')
        const again = await machine.vm.booted()
        expect(again).toMatchObject({ release: machine.older, bootId: before.stdout.trim().split('\n').at(-1) })
        expect(machine.vm.console.at(-1)?.text).toContain('linux-kexec: starting init again')
      }),
  },
  {
    name: 'runit',
    slow: [
      script('/etc/sv/slow/run', 'exec sleep 100000'),
      script('/etc/sv/slow/finish', stopSlowly),
      { path: '/etc/sv/slow/supervise', link: '/run/runit/supervise/slow' },
      { path: '/etc/runit/runsvdir/default/slow', link: '/etc/sv/slow' },
    ],
  },
  {
    name: 's6-linux-init',
    slow: [script('/etc/s6-linux-init/current/scripts/rc.shutdown', stopSlowly)],
  },
  {
    name: 'finit',
    slow: [
      script('/usr/bin/slow', `trap '${stopSlowly}; exit 0' TERM\nwhile :; do sleep 1; done`),
      { path: '/etc/finit.d/slow.conf', data: 'service [2345] /usr/bin/slow -- slow to stop\n' },
    ],
  },
]

for (const { name, via = name, slow, more } of rows) {
  describe(name, () => {
    const machine = machineForFile({ disks: [blankDisk()] }, { userland: name, packages: ['e2fsprogs'], files: slow })

    test('is told, and without its hook a reboot is refused', async () => {
      if (process.env.UPDATE_INIT_SYSTEMS) await captureInit(machine.vm, `test/fixtures/init-systems/${name}.json`)
      const { status, document } = await json(machine.vm, 'linux-kexec handover')
      expect(document).toMatchObject({ init: via, via, proven: false, hook: { state: 'absent' } })
      expect(document.obstacles).toEqual(['the hook that starts the loaded kernel is not installed'])
      expect(status).toBe(3)
      const refused = await machine.vm.run('linux-kexec load newest && linux-kexec reboot')
      expect(refused).toMatchObject({ status: 3 })
      expect(refused.stderr).toContain('linux-kexec handover --install')
    })

    test('takes the hook, twice the same; with nothing loaded a reboot is refused', async () => {
      const installed = await json(machine.vm, 'linux-kexec handover --install')
      expect(installed).toMatchObject({ status: 0, document: { proven: true } })
      const again = await json(machine.vm, 'linux-kexec handover --install')
      expect(again).toMatchObject({ status: 0, document: { proven: true, changes: [] } })
      expect(await machine.vm.run('linux-kexec unload && linux-kexec reboot')).toMatchObject({ status: 4 })
    })

    more?.(machine)

    test('stops the services in order, unmounts, and the planned kernel comes up, without kexec-tools', async () => {
      expect((await machine.vm.run('ls /sbin/kexec /usr/sbin/kexec')).status).not.toBe(0)
      // What is held open when the file systems are unmounted must not stay behind dirty.
      const prepared = await machine.vm.run(`${findDisk}
        mkfs.ext4 -q $d && mkdir -p /mnt/data && mount $d /mnt/data
        setsid sh -c 'exec 7>/mnt/data/held; sleep 100000' </dev/null >/dev/null 2>&1 &
        until [ -e /mnt/data/held ]; do sleep 0.1; done`)
      expect(prepared).toMatchObject({ status: 0 })
      const { document } = await json(machine.vm, 'linux-kexec load newest --append marker=1')
      await machine.vm.spawn('linux-kexec reboot')
      const boot = await machine.vm.booted()
      expect(boot.release).toBe(machine.newer)
      expect(boot.commandLine).toBe(document.plan.cmdline)
      const { stdout } = await machine.vm.run(examineDisk)
      expect(stdout).toContain('stopped in order')
      expect(stdout).toMatch(/Filesystem state: +clean/)
      expect(stdout).not.toContain('needs_recovery')
      expect(stdout).toContain('fsck 0')
    })
  })
}
