import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCommandLine, printCommandLine } from '../../src/cmdline/parse.ts'
import { deadmanOverlay, startDeadman } from '../../src/trial/guards/deadman.ts'
import { type Boot, type Guest, startVm, type Vm } from '../../src/vm/index.ts'
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

interface Trial {
  readonly release: string
  readonly deadlineSeconds: number
  /** Added to the command line that the machine was booted with. */
  readonly append?: string
  readonly architecture?: string
}

/** Loads a kernel with a deadman, and jumps into it. */
async function startTrial(vm: Vm, before: Boot, trial: Trial): Promise<void> {
  const { release, deadlineSeconds, append = '', architecture = 'x86_64' } = trial
  const line = startDeadman(parseCommandLine(`${before.commandLine} ${append}`))
  const files = deadmanOverlay({ id: ID, deadlineSeconds, architecture, nextInit: line.nextInit })
  const written = files.map(({ source, mode = 0o644 }, index) => {
    const name = `/root/overlay.${index}`
    const base64 = Buffer.from(source as Uint8Array).toString('base64')
    return `echo ${base64} | base64 -d >${name}; chmod ${mode.toString(8)} ${name}`
  })
  const overlays = files.map(({ destination }, index) => `--overlay /root/overlay.${index}:${destination}`)
  await vm.run([...written, `cat >/root/report <<'END'\n${REPORT}END`, 'chmod 755 /root/report'].join('\n'))
  const load = await json(
    vm,
    `linux-kexec load ${release} ${overlays.join(' ')} --overlay /root/report:/report \
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

/** How a reset of the machine ended it: the last lines of its console, and when the kernel printed one of them, in seconds. */
async function reset(vm: Vm) {
  const outcome = await vm.outcome
  expect(outcome).toMatchObject({ kind: 'rebooted' })
  const console = 'consoleTail' in outcome ? outcome.consoleTail : []
  const timeOf = (text: string) => {
    const line = console.find((each) => each.includes(text))
    expect(line, console.join('\n')).toBeDefined()
    return Number(/\[ *(\d+\.\d+)\]/.exec(line ?? '')?.[1])
  }
  return { timeOf }
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
    vm = await startVm({ guest, qemuArguments: ['-drive', drive, '-device', 'virtio-blk-pci,drive=slow,serial=slow'] })
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

  test('a failed trial resets at once, even when sysrq is forbidden and a disk hangs', async () => {
    await startTrial(vm, cold, { release: newer(), deadlineSeconds: 3600 })
    await vm.booted(BOOT)
    await vm.run(`
      for b in /sys/block/vd*; do [ "$(cat $b/serial)" = slow ] && d=/dev/\${b##*/}; done
      echo 0 >/proc/sys/kernel/sysrq
      dd if=/dev/zero of=$d bs=1M count=8 >/dev/null 2>&1 &
      until grep -Eq '^Writeback: +[1-9]' /proc/meminfo; do sleep 0.1; done`)
    await vm.spawn(withDeadman('fireDeadman(deadman.pid)'))
    const { timeOf } = await reset(vm)
    const fired = timeOf(`linux-kexec: trial ${ID}: ended as failed by process`)
    // It waits five seconds for the disk, and not longer.
    const late = timeOf('sysrq: Resetting') - fired
    expect(late).toBeGreaterThan(4.9)
    expect(late).toBeLessThan(9)
  })
})

describe.each([
  { architecture: 'x86_64', guestOptions: {} },
  { architecture: 'aarch64', guestOptions: { architecture: 'arm64' as const } },
])('nobody confirms on $architecture', ({ architecture, guestOptions }) => {
  test('the machine resets at the deadline, and the console names the trial', async () => {
    const guest = await guestWithDeadman(guestOptions)
    const vm = await startVm({ guest })
    try {
      const release = guest.kernels.at(-1)?.release as string
      await startTrial(vm, await vm.booted(BOOT), { release, deadlineSeconds: 20, architecture })
      const { timeOf } = await reset(vm)
      const fired = timeOf(`linux-kexec: trial ${ID}: not confirmed within 20 s; resetting the machine`)
      expect(fired).toBeGreaterThan(18)
      expect(timeOf('sysrq: Resetting')).toBeLessThan(fired + 9)
    } finally {
      await vm.stop()
    }
  })
})
