import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCommandLine, printCommandLine } from '../../src/cmdline/parse.ts'
import { deadmanOverlay, startDeadman } from '../../src/trial/guards/deadman.ts'
import { type Boot, type Guest, startVm, type Vm } from '../../src/vm/index.ts'
import { ROOT_SERIAL, unpackRoot } from '../../src/vm/initramfs/scripts.ts'
import { BOOT, debianGuest, json } from './guests.ts'
import { INTERNALS, internals } from './internals.ts'

// The deadman (native/deadman/deadman.c) in the initrds of real kernels: that init never notices it, and that the machine resets
// unless it was released. It is loaded by our command, with --overlay and its parameter.

const ID = '0123456789abcdef'

/** The first program of the initrd but for the deadman: keeps what it was given in devtmpfs, which outlives the move to the root. */
const REPORT = `#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
{ echo "$$ $0 $*"; echo "$given"; echo /*; } >/dev/report
exec /init "$@"
`

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-deadman-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** The same, with a child of process 1 that nobody knows, as the deadman is one. */
const WITH_CHILD = `#!/bin/sh
# The shell opens it for what runs in the background.
[ -c /dev/null ] || /bin/busybox mknod /dev/null c 1 3
/bin/busybox sleep 7777 &
exec /init "$@"
`

interface Trial {
  readonly release: string
  readonly deadlineSeconds: number
  /** Added to the command line that the machine was booted with. */
  readonly append?: string
  readonly architecture?: string
  /** The first program that `rdinit=/report` names. */
  readonly report?: string
  /** Options of `load`. */
  readonly options?: string
}

/** Loads a kernel with a deadman, and jumps into it. */
async function startTrial(vm: Vm, before: Boot, trial: Trial): Promise<void> {
  const { release, deadlineSeconds, append = '', architecture = 'x86_64', report = REPORT, options = '' } = trial
  const line = startDeadman(parseCommandLine(`${before.commandLine} ${append}`))
  const files = deadmanOverlay({ id: ID, deadlineSeconds, architecture, nextInit: line.nextInit })
  const written = files.map(({ source, mode = 0o644 }, index) => {
    const name = `/root/overlay.${index}`
    const base64 = Buffer.from(source as Uint8Array).toString('base64')
    return `echo ${base64} | base64 -d >${name}; chmod ${mode.toString(8)} ${name}`
  })
  const overlays = files.map(({ destination }, index) => `--overlay /root/overlay.${index}:${destination}`)
  await vm.run([...written, `cat >/root/report <<'END'\n${report}END`, 'chmod 755 /root/report'].join('\n'))
  const load = await json(
    vm,
    `linux-kexec load ${release} ${options} ${overlays.join(' ')} --overlay /root/report:/report \
      --command-line '${printCommandLine(line.commandLine)}'`,
  )
  expect(load, load.stderr).toMatchObject({ status: 0, document: { loaded: true } })
  await vm.spawn('linux-kexec exec')
}

/** A program for Node in the guest, with our own functions. */
const withDeadman = (statement: string) => `node --input-type=module -e "
import { System, findDeadman, releaseDeadman, fireDeadman } from '${INTERNALS}'
const deadman = findDeadman(new System())
${statement}"`

const guestWithDeadman = async (options: Parameters<typeof debianGuest>[0] = {}) =>
  debianGuest({
    ...options,
    files: [
      await internals({
        'system/system.ts': 'System',
        'trial/guards/deadman.ts': 'findDeadman, releaseDeadman, fireDeadman',
      }),
    ],
  })

/**
 * Waits for the reset, which takes the machine back to its own kernel.
 * @returns when the kernel under trial printed a line of its console, in seconds
 */
async function reset(vm: Vm, guest: Guest): Promise<(text: string) => number> {
  // The kernel under trial may come up before its deadline.
  const { release } = await vm.booted(BOOT)
  if (release !== guest.kernels[0]?.release) expect((await vm.booted(BOOT)).release).toBe(guest.kernels[0]?.release)
  const lines = vm.console.flatMap(({ text }) => text.split('\n'))
  return (wanted) => {
    const line = lines.findLast((each) => each.includes(wanted))
    expect(line, lines.slice(-200).join('\n')).toBeDefined()
    return Number(/\[ *(\d+\.\d+)\]/.exec(line ?? '')?.[1])
  }
}

async function expectResetAtDeadline(vm: Vm, guest: Guest, cold: Boot, architecture: string): Promise<void> {
  const release = guest.kernels.at(-1)?.release as string
  await startTrial(vm, cold, { release, deadlineSeconds: 20, architecture })
  const timeOf = await reset(vm, guest)
  const fired = timeOf(`linux-kexec: trial ${ID}: not confirmed within 20 s; resetting the machine`)
  expect(fired).toBeGreaterThan(18)
  expect(timeOf('sysrq: Resetting')).toBeLessThan(fired + 9)
}

describe('busybox on x86_64', () => {
  let guest: Guest
  let vm: Vm
  let cold: Boot
  const newer = () => guest.kernels.at(-1)?.release as string

  beforeAll(async () => {
    guest = await guestWithDeadman()
    // A disk that takes next to nothing, so that writing to it ends in no test's time.
    const slow = join(directory, 'slow')
    writeFileSync(slow, '')
    truncateSync(slow, 64 * 1024 * 1024)
    const drive = `if=none,id=slow,file=${slow},format=raw,throttling.bps-write=512`
    const qemuArguments = ['-drive', drive, '-device', 'virtio-blk-pci,drive=slow,serial=slow']
    vm = await startVm({ guest, firmwareReboot: 'allowed', qemuArguments })
    cold = await vm.booted(BOOT)
  })
  afterAll(() => vm?.stop())

  test('init runs as ever, and the machine of a released deadman lives', async () => {
    const append = 'rdinit=/report one given=value -- two'
    await startTrial(vm, cold, { release: newer(), deadlineSeconds: 100, append })
    expect((await vm.booted(BOOT)).release).toBe(newer())

    // Process 1, its arguments and environment are those of the kernel; the initrd is as it was.
    const [first, given, files] = (await vm.run('cat /dev/report')).stdout.trim().split('\n')
    expect([first, given]).toEqual(['1 /report one two', 'value'])
    expect(files).toContain('/init')
    expect(files).not.toContain('linux-kexec')

    const found = JSON.parse((await vm.run(withDeadman('console.log(JSON.stringify(deadman))'))).stdout)
    expect(found).toEqual({ pid: expect.any(Number), id: ID })
    const process = `/proc/${found.pid}`
    const facts = await vm.run(`
      tr '\\0' ' ' <${process}/cmdline; echo
      cat ${process}/comm ${process}/oom_score_adj
      ls -l ${process}/fd | sed -n 's/.* -> //p'
      readlink ${process}/cwd
      wc -c <${process}/environ
      [ "$(readlink ${process}/ns/mnt)" = "$(readlink /proc/1/ns/mnt)" ] && echo the same namespace
      cut -d ' ' -f 3 ${process}/mounts
      grep -E '^(VmLck|SigBlk):' ${process}/status`)
    expect(
      facts.stdout
        .replaceAll(/\t +|\t/g, ' ')
        .trim()
        .split('\n'),
    ).toEqual([
      `@linux-kexec-trial ${ID} 100 `,
      'kexec-deadman',
      '-1000',
      expect.stringContaining('sysrq-trigger'),
      expect.stringContaining('kmsg'),
      '/',
      '0',
      // The initrd alone: nothing that was mounted later.
      'rootfs',
      expect.stringMatching(/^VmLck: [1-9]/),
      // All but the two that it waits for, and SIGKILL and SIGSTOP, which cannot be blocked.
      'SigBlk: fffffffffffbf4ff',
    ])

    // Of the signals that can be blocked, only two do anything.
    const alive = await vm.run(`
      for number in $(seq 1 64); do case $number in 9 | 10 | 12 | 19) ;; *) kill -$number ${found.pid} 2>/dev/null ;; esac; done
      kill -STOP ${found.pid}; kill -CONT ${found.pid}
      sleep 1; cat ${process}/comm`)
    expect(alive.stdout).toBe('kexec-deadman\n')

    const released = await vm.run(`${withDeadman('releaseDeadman(deadman.pid)')}
      until [ ! -s ${process}/cmdline ]; do sleep 0.1; done
      ${withDeadman('console.log(deadman)')}
      dmesg | sed -n 's/.*linux-kexec: //p'
      until [ "$(cut -d . -f 1 /proc/uptime)" -gt 107 ]; do sleep 1; done`)
    const [none, ...log] = released.stdout.trim().split('\n')
    expect(none).toBe('null')
    expect(log).toEqual([
      `trial ${ID}: unless it is confirmed, the machine resets 100 s after the start of this kernel`,
      expect.stringMatching(new RegExp(`^trial ${ID}: released by process [0-9]+; its deadman ends$`)),
    ])
    expect((await vm.run('uname -r')).stdout).toBe(`${newer()}\n`)
  })

  test('without a confirmation the machine comes back at the deadline, and the console names the trial', async () => {
    await expectResetAtDeadline(vm, guest, cold, 'x86_64')
  })

  test('a failed trial resets at once, even locked down, with sysrq forbidden and a disk that hangs', async () => {
    await startTrial(vm, cold, { release: newer(), deadlineSeconds: 3600, append: 'lockdown=confidentiality' })
    await vm.booted(BOOT)
    expect((await vm.run('cat /sys/kernel/security/lockdown')).stdout).toContain('[confidentiality]')
    await vm.run(`
      for b in /sys/block/vd*; do [ "$(cat $b/serial)" = slow ] && d=/dev/\${b##*/}; done
      echo 0 >/proc/sys/kernel/sysrq
      dd if=/dev/zero of=$d bs=1M count=8 >/dev/null 2>&1 &
      until grep -Eq '^Writeback: +[1-9]' /proc/meminfo; do sleep 0.1; done`)
    await vm.spawn(withDeadman('fireDeadman(deadman.pid)'))
    const timeOf = await reset(vm, guest)
    const fired = timeOf(`linux-kexec: trial ${ID}: ended as failed by process`)
    // It waits five seconds for the disk, and not longer.
    const late = timeOf('sysrq: Resetting') - fired
    expect(late).toBeGreaterThan(4.9)
    expect(late).toBeLessThan(9)
  })
})

test('on arm64 too, the machine comes back at the deadline', async () => {
  const guest = await guestWithDeadman({ architecture: 'arm64' })
  await using vm = await startVm({ guest, firmwareReboot: 'allowed' })
  await expectResetAtDeadline(vm, guest, await vm.booted(BOOT), 'aarch64')
})

/** The initrds that distributions make, but for the root file system: it is the guest's, in memory, as in the guest's own initrd. */
const fillRoot = (root: string) => `
/bin/busybox mount -t tmpfs -o size=90%,mode=755 root ${root}
for disk in /sys/block/*; do
  [ "$(cat $disk/serial 2>/dev/null)" = ${ROOT_SERIAL} ] && disk=/dev/\${disk##*/} && break
done
(
cd ${root} || exit 1
${unpackRoot('/bin/busybox ')}
)
mkdir -p ${root}/dev ${root}/proc ${root}/sys ${root}/run ${root}/tmp`

const initrds = [
  {
    name: 'initramfs-tools',
    append: 'boot=guest',
    sparesOthers: true,
    make: (release: string) => `
      cd /etc/initramfs-tools
      printf 'virtio_pci\\nvirtio_blk\\n' >modules
      cat >scripts/guest <<'END'
mountroot() {
${fillRoot('$rootmnt')}
}
END
      cat >hooks/guest <<'END'
#!/bin/sh
[ "$1" = prereqs ] && exit
. /usr/share/initramfs-tools/hook-functions
copy_exec /usr/bin/busybox /bin/busybox
END
      chmod 755 hooks/guest
      mkinitramfs -c gzip -o /root/initrd ${release}`,
  },
  {
    name: 'dracut with systemd',
    append: '',
    // systemd ends all processes of the initrd but ours.
    sparesOthers: false,
    make: (release: string) => `
      mkdir -p /root/hooks/cmdline /root/hooks/mount
      echo 'root=guest rootok=1' >/root/hooks/cmdline/10-guest.sh
      cat >/root/hooks/mount/10-guest.sh <<'END'
${fillRoot('$NEWROOT')}
END
      dracut --quiet --no-hostonly --no-compress --force --kver ${release} --include /root/hooks /lib/dracut/hooks \
        --modules 'base udev-rules systemd systemd-initrd dracut-systemd' --force-drivers 'virtio_pci virtio_blk' \
        --install busybox /root/initrd`,
  },
] as const

describe('the real initrds of a system with systemd', () => {
  let guest: Guest
  let vm: Vm
  let cold: Boot

  beforeAll(async () => {
    guest = await guestWithDeadman({
      userland: 'systemd',
      packages: ['initramfs-tools-core', 'dracut-core', 'libc-bin'],
    })
    vm = await startVm({ guest, memory: 2048 })
    cold = await vm.booted(BOOT)
  })
  afterAll(() => vm?.stop())

  test.each(initrds)('$name: the deadman survives the move to the root', async ({ append, make, sparesOthers }) => {
    const release = guest.kernels.at(-1)?.release as string
    const made = await vm.run(`depmod ${release}\n${make(release)}`)
    expect(made.status, made.stderr).toBe(0)
    const given = { release, deadlineSeconds: 3600, append: `${append} rdinit=/report`, report: WITH_CHILD }
    await startTrial(vm, cold, { ...given, options: '--initrd /root/initrd' })
    expect((await vm.booted(BOOT)).release).toBe(release)

    expect((await vm.run('systemctl is-system-running --wait')).stdout).toBe('running\n')
    const found = JSON.parse((await vm.run(withDeadman('console.log(JSON.stringify(deadman))'))).stdout)
    expect(found).toEqual({ pid: expect.any(Number), id: ID })
    const facts = await vm.run(`
      cut -d ' ' -f 3 /proc/${found.pid}/mounts
      cat /proc/${found.pid}/oom_score_adj
      grep -lsz '^7777$' /proc/[0-9]*/cmdline | wc -l`)
    expect(facts.stdout).toBe(`rootfs\n-1000\n${sparesOthers ? 1 : 0}\n`)

    await vm.run(withDeadman('releaseDeadman(deadman.pid)'))
    const gone = await vm.run(
      `until [ ! -s /proc/${found.pid}/cmdline ]; do sleep 0.1; done; systemctl is-system-running`,
    )
    expect(gone.stdout).toBe('running\n')
  })
})
