import { describe, expect, test } from 'vitest'
import type { ImageEntry } from '../../src/vm/initramfs/cpio.ts'
import { machineForFile } from './guests.ts'

/**
 * Scripts that were written for kexec-tools, as their packages ship them, with us as /sbin/kexec. The package kexec-tools is
 * unpacked for its scripts; this stands where its program would be, and tells on the console how it is called.
 */
const kexec: ImageEntry = {
  path: '/sbin/kexec',
  mode: 0o755,
  data: `#!/bin/sh
echo "called: kexec $*" >/dev/console
exec /usr/bin/node /usr/lib/node_modules/linux-kexec/dist/linux-kexec.cjs kexec "$@"
`,
}

/** Without the kernel's messages between the lines: what was called on the kernel that ran before the last boot. */
function callsBefore(console: readonly { release: string | null; text: string }[]): string[] {
  const text = console.map((section) => section.text).join('')
  return [...text.matchAll(/called: (kexec [^\r\n]*)/g)].map(([, call = '']) => call)
}

/** Milliseconds: on a busy machine, boot scripts under emulation take their time. */
const patient = { deadline: 280_000 }

const common = 'console=ttyS0 panic=-1 loglevel=6 nokaslr no_timer_check'

describe('systemd', () => {
  const machine = machineForFile(
    { memory: 2048, append: 'crashkernel=192M' },
    { userland: 'systemd', packages: ['kdump-tools'], files: [kexec] },
  )

  test('kdump-tools: kdump-config load, status, show and unload', async () => {
    const { vm, older } = machine
    // What the package's postinst makes, and its hook for new kernels.
    const prepared = await vm.run(`cp /usr/share/kdump-tools/kdump-tools.conf /etc/default/kdump-tools
      mkdir -p /var/lib/kdump && cp /boot/initrd.img-${older} /var/lib/kdump/
      cp /etc/kdump/sysctl.conf /var/lib/kdump/latest_sysctls-${older}`)
    expect(prepared).toMatchObject({ status: 0 })
    const loaded = await vm.run('kdump-config load; cat /sys/kernel/kexec_crash_loaded')
    expect(loaded.stdout).toContain('loaded kdump kernel')
    expect(loaded.stdout).toMatch(/^1$/m)
    expect((await vm.run('kdump-config status')).stdout).toContain('ready to kdump')
    const shown = (await vm.run('kdump-config show')).stdout
    expect(shown).toMatch(/kexec command:\n.*kexec -p --command-line=".*reset_devices.*" --initrd=/)
    const unloaded = await vm.run('kdump-config unload; cat /sys/kernel/kexec_crash_loaded')
    expect(unloaded.stdout).toContain('unloaded kdump kernel')
    expect(unloaded.stdout).toMatch(/^0$/m)
  })

  test('kdump-tools.service: started and stopped by systemd', async () => {
    const { vm } = machine
    const started = await vm.run('systemctl start kdump-tools; cat /sys/kernel/kexec_crash_loaded')
    expect(started).toMatchObject({ status: 0, stdout: '1\n' })
    expect((await vm.run('kdump-config status')).stdout).toContain('ready to kdump')
    const stopped = await vm.run('systemctl stop kdump-tools; cat /sys/kernel/kexec_crash_loaded')
    expect(stopped).toMatchObject({ status: 0, stdout: '0\n' })
  })

  test('systemctl kexec with a kernel loaded: systemd-shutdown calls kexec -e at the end', async () => {
    const { vm, newer } = machine
    const commandLine = `${common} crashkernel=192M by="kexec -l"`
    const load = `kexec -l /boot/vmlinuz-${newer} --initrd=/boot/initrd.img-${newer} --append='${commandLine}'`
    expect(await vm.run(load)).toMatchObject({ status: 0 })
    await vm.spawn('systemctl kexec')
    expect(await vm.booted(patient)).toMatchObject({ release: newer, commandLine })
    expect(callsBefore(vm.console)).toContain('kexec -e')
  })

  test('systemctl kexec with nothing loaded: systemd itself calls kexec --load for its boot entry', async () => {
    const { vm, older } = machine
    const entry = `title Old\\nversion ${older}\\nlinux /vmlinuz-${older}\\ninitrd /initrd.img-${older}\\noptions ${common} by=entry\\n`
    // systemd-boot would lie in the ESP; entries may also be left here, by what boots over the network.
    const directory = '/run/boot-loader-entries'
    const written = await vm.run(`mkdir -p ${directory}/loader/entries
      cp /boot/vmlinuz-${older} /boot/initrd.img-${older} ${directory}/
      printf '${entry}' >${directory}/loader/entries/old.conf; : >${directory}/loader/loader.conf`)
    expect(written).toMatchObject({ status: 0 })
    await vm.spawn('systemctl kexec')
    expect(await vm.booted(patient)).toMatchObject({ release: older, commandLine: `${common} by=entry` })
    const calls = callsBefore(vm.console)
    expect(calls).toContainEqual(expect.stringMatching(/^kexec --load \/run\/.*vmlinuz-.* --append/))
  })
})

describe('sysvinit', () => {
  /** A helper as many machines have it: picks the newest kernel, loads it, and reboots. */
  const kexecReboot: ImageEntry = {
    path: '/usr/local/sbin/kexec-reboot',
    mode: 0o755,
    data: `#!/bin/sh
set -e
kernel=$(ls /boot/vmlinuz-* | sort -V | head -n 1)
version=\${kernel#/boot/vmlinuz-}
kexec -u || true
kexec -l "$kernel" --initrd="/boot/initrd.img-$version" --reuse-cmdline
shutdown -r now
`,
  }
  const machine = machineForFile(
    { memory: 1536 },
    { userland: 'sysvinit', packages: ['kexec-tools', 'debianutils'], files: [kexec, kexecReboot] },
  )

  test("Debian's kexec-load and kexec: a reboot loads the kernel of /etc/default/kexec, and ends in it", async () => {
    const { vm, newer } = machine
    const prepared = await vm.run(`cat >/etc/default/kexec <<'END'
LOAD_KEXEC=true
KERNEL_IMAGE="/boot/vmlinuz-${newer}"
INITRD="/boot/initrd.img-${newer}"
APPEND=""
USE_GRUB_CONFIG=false
END
      ls /etc/rc6.d`)
    expect(prepared.stdout).toMatch(/^K\d\dkexec-load$/m)
    expect(prepared.stdout).toMatch(/^K\d\dkexec$/m)
    const before = (await vm.run('cat /proc/cmdline')).stdout.trim()
    await vm.spawn('shutdown -r now')
    expect(await vm.booted(patient)).toMatchObject({ release: newer, commandLine: before })
    const calls = callsBefore(vm.console)
    expect(calls[0]).toMatch(/^kexec -l \/boot\/vmlinuz-.* --initrd=.* --append=console=ttyS0/)
    expect(calls.at(-1)).toBe('kexec -e')
  })

  test('a helper in the style of kexec-reboot: what it loaded is what the boot scripts start', async () => {
    const { vm, older } = machine
    const before = (await vm.run('cat /proc/cmdline')).stdout.trim()
    await vm.spawn('kexec-reboot')
    expect(await vm.booted(patient)).toMatchObject({ release: older, commandLine: before })
    expect(callsBefore(vm.console).at(-1)).toBe('kexec -e')
  })
})

/** Of the same shape as Gentoo's service and its conf.d/kexec, and with the same calls; written here, as no Debian has it. */
describe('OpenRC on sysvinit', () => {
  const service: ImageEntry = {
    path: '/etc/init.d/kexec-gentoo',
    mode: 0o755,
    data: `#!/sbin/openrc-run
description="Loads the kernel that a reboot starts"
depend() { use localmount; }
start() {
  ebegin "Loading \${KNAME}"
  kexec \${KEXEC_OPT_ARGS} -l "\${BOOTPART}/\${KNAME}" --append="root=\${ROOTPART} \${KPARAM}" --initrd="\${BOOTPART}/\${INITRD}"
  eend $?
}
stop() {
  [ -e /nokexec ] || return 0
  ebegin "Unloading \${KNAME}"
  kexec -u
  eend $?
}
`,
  }
  const machine = machineForFile({ memory: 1536 }, { userland: 'openrc-sysvinit', files: [kexec, service] })

  test('the service loads when it is started, and unloads when it is stopped with /nokexec there', async () => {
    const { vm, newer } = machine
    const prepared = await vm.run(`mkdir -p /etc/conf.d; cat >/etc/conf.d/kexec-gentoo <<'END'
KNAME="vmlinuz-${newer}"
INITRD="initrd.img-${newer}"
BOOTPART="/boot"
ROOTPART="/dev/none"
KPARAM="${common} by=conf.d"
KEXEC_OPT_ARGS="-x"
END
      rc-service kexec-gentoo start && cat /sys/kernel/kexec_loaded
      touch /nokexec && rc-service kexec-gentoo stop && cat /sys/kernel/kexec_loaded
      rm /nokexec && rc-service kexec-gentoo start && cat /sys/kernel/kexec_loaded`)
    expect(prepared.stdout.match(/^[01]$/gm), prepared.stdout + prepared.stderr).toEqual(['1', '0', '1'])
    const calls = callsBefore(vm.console)
    expect(calls[0]).toBe(
      `kexec -x -l /boot/vmlinuz-${newer} --append=root=/dev/none ${common} by=conf.d --initrd=/boot/initrd.img-${newer}`,
    )
    expect(calls).toContain('kexec -u')
  })
})
