import { expect, test } from 'vitest'
import { json, machineForFile } from './guests.ts'

const machine = machineForFile({ append: 'console=tty0 quoted="two words" panic=5' })

test('the guest has no kexec-tools', async () => {
  const { stdout } = await machine.vm.run('command -v kexec; ls /sbin/kexec /usr/sbin/kexec 2>/dev/null')
  expect(stdout).toBe('')
})

test('list finds both kernels, and marks the running and the newest', async () => {
  const { document } = await json(machine.vm, 'linux-kexec list')
  expect(document.schemaVersion).toBe(2)
  expect(document.entries).toMatchObject([
    {
      version: machine.newer,
      isNewest: true,
      isRunning: false,
      initrds: [`/boot/initrd.img-${machine.newer}`],
      problems: [],
    },
    { version: machine.older, isNewest: false, isRunning: true, architecture: 'x86_64', source: 'boot-dir' },
  ])
})

test('plan tells what load would do, and loads nothing', async () => {
  const { status, document } = await json(machine.vm, 'linux-kexec plan newest')
  expect(status).toBe(0)
  expect(document).toMatchObject({
    version: machine.newer,
    kernel: `/boot/vmlinuz-${machine.newer}`,
    engine: 'file',
    refusals: [],
  })
  expect(document.commandLine).not.toContain('BOOT_IMAGE')
  expect((await json(machine.vm, 'linux-kexec status')).document.loaded).toBe(false)
})

test('load newest, status, reboot: the newer kernel comes up with the planned command line', async () => {
  const before = await machine.vm.run('cat /proc/cmdline')
  const load = await json(machine.vm, 'linux-kexec load newest --append added=1 --remove panic')
  expect(load.status).toBe(0)
  expect(load.document.loaded).toBe(true)
  const status = await json(machine.vm, 'linux-kexec status')
  expect(status).toMatchObject({ status: 0, document: { loaded: true, crashLoaded: false } })

  await machine.vm.spawn('linux-kexec reboot --via direct')
  const boot = await machine.vm.booted()
  expect(boot.release).toBe(machine.newer)
  expect(boot.commandLine).toBe(load.document.plan.commandLine)
  expect(boot.commandLine).toContain('quoted="two words"')
  expect(boot.commandLine).toContain('added=1')
  expect(boot.commandLine).not.toContain('panic=5')
  expect(before.stdout).toContain('panic=5')
  expect(machine.vm.console.at(-1)?.release).toBe(machine.newer)
})

test('several initrds are joined in order, even where executable memory files are forbidden', async () => {
  // The running kernel is the newer one now; before 6.3 there is no such switch.
  const load = await machine.vm.run(`
    [ -e /proc/sys/vm/memfd_noexec ] && echo 2 > /proc/sys/vm/memfd_noexec
    mkdir -p /root/extra/modules && cd /root/extra && echo marker > modules/99-marker.ko
    find . | cpio -o -H newc > /root/extra.cpio && truncate -s -1 /root/extra.cpio
    linux-kexec load ${machine.older} --initrd /root/extra.cpio --initrd /boot/initrd.img-${machine.older}`)
  expect(load).toMatchObject({ status: 0 })
  await machine.vm.spawn('linux-kexec reboot --via direct')
  expect((await machine.vm.booted()).release).toBe(machine.older)
  // The first archive brought a file of 7 bytes that is no module, the second the /init that tries to insert it.
  expect(machine.vm.console.at(-1)?.text).toContain('Invalid ELF header len 7')
})
