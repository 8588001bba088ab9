import { beforeAll, describe, expect, test } from 'vitest'
import { type Guest, type GuestKernel, startVm, type Vm } from '../../src/vm/index.ts'
import { busyboxInit } from '../../src/vm/initramfs/scripts.ts'
import { newestOfSeries } from '../../src/vm/provision/kernels.ts'
import { BOOT, debianGuest, guestOfSeries, json } from './guests.ts'
import { consoleSays } from './inits/conduct.ts'
import { INTERNALS, internals } from './internals.ts'

/** In place of the commands that will call these: `node /root/guard.mjs COMMAND [ARGUMENT…]` prints JSON. */
const program = `
import {
  armWatchdog, detectInit, fireWatchdog, judgeWatchdogs, readWatchdogFacts, readWatchdogTarget, releaseWatchdog, System,
} from '${INTERNALS}'
const [command, ...words] = process.argv.slice(2)
const system = new System()
const commands = {
  judge: (release, seconds) =>
    judgeWatchdogs(readWatchdogFacts(system, detectInit(system).name), readWatchdogTarget(system, release), +seconds),
  arm: (timeout, driver = 'i6300esb') => armWatchdog(system, { name: 'watchdog0', driver, timeout: +timeout }) ?? 'armed',
  release: () => releaseWatchdog(system, { name: 'watchdog0', driver: 'i6300esb', timeout: 1 }),
  fire: () => fireWatchdog(system, { name: 'watchdog0', driver: 'i6300esb', timeout: 1 }),
}
try {
  console.log(JSON.stringify(commands[command](...words)))
} catch (error) {
  console.log(JSON.stringify(error))
  process.exitCode = 1
}
`

/** A new kernel whose userspace never comes up, where the command line asks for that. */
const sleeper = busyboxInit.replace(
  '\nmkdir -p /dev/pts',
  '\nif grep -q test.sleep /proc/cmdline; then echo it sleeps >/dev/console; while :; do sleep 1000; done; fi\nmkdir -p /dev/pts',
)

/** With panic=-1 of the harness, a panic would reset the machine too. */
const SLEEP = 'test.sleep panic=0'

/** Debian's kernels for clouds have no driver for it. */
const ITCO = ['lpc_ich', 'iTCO_wdt']

let guest: Guest
let older: GuestKernel
let newer: string

/** What every guest of this file has. */
async function contents() {
  return {
    packages: ['kmod'],
    files: [
      await internals({
        'handover/detect.ts': 'detectInit',
        'system/system.ts': 'System',
        'trial/guards/arm-watchdog.ts': 'armWatchdog, fireWatchdog, releaseWatchdog',
        'trial/guards/watchdog.ts': 'judgeWatchdogs',
        'trial/guards/watchdog-facts.ts': 'readWatchdogFacts, readWatchdogTarget',
      }),
      { path: '/root/guard.mjs', data: program },
      { path: '/sbin/init', data: sleeper, mode: 0o755 },
    ],
  }
}

beforeAll(async () => {
  expect(sleeper).not.toBe(busyboxInit)
  guest = await guestOfSeries({ modules: ['i6300esb', 'softdog'], ...(await contents()) })
  // Debian's 6.1 for clouds has no driver for the watchdog.
  const kernels = guest.kernels.filter(({ release }) => !release.startsWith('6.1.'))
  older = kernels[0] as GuestKernel
  newer = kernels.at(-1)?.release as string
})

interface Guarded {
  readonly vm: Vm
  /** Seconds in which its kernel starts several times over, however busy this machine is. */
  readonly timeout: number
}

/** A machine with the watchdog, its driver loaded by modprobe, which reads the parameters of the command line. */
async function machine(append?: string): Promise<Guarded & AsyncDisposable> {
  const begin = performance.now()
  const vm = await startVm({
    guest,
    kernel: older,
    qemuArguments: ['-device', 'i6300esb', '-action', 'watchdog=reset'],
    ...(append !== undefined && { append }),
  })
  await vm.booted(BOOT)
  const timeout = Math.min(Math.max(Math.ceil((4 * (performance.now() - begin)) / 1000), 40), 240)
  const loaded = await vm.run(`depmod $(uname -r) && depmod ${newer} && modprobe i6300esb`)
  expect(loaded, loaded.stderr).toMatchObject({ status: 0 })
  return { vm, timeout, [Symbol.asyncDispose]: async () => void (await vm.stop()) }
}

async function guard(vm: Vm, command: string) {
  const { stdout, stderr } = await vm.run(`node /root/guard.mjs ${command}`)
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

/**
 * Loads the newer kernel, arms the watchdog and jumps.
 * @returns between which times it was armed, on the clock of `performance.now()`
 */
async function jump({ vm, timeout }: Guarded, append: string): Promise<{ begin: number; end: number }> {
  const loaded = await vm.run(`linux-kexec load ${newer} --append '${append}'`)
  expect(loaded, loaded.stderr).toMatchObject({ status: 0 })
  const begin = performance.now()
  expect(await guard(vm, `arm ${timeout}`)).toBe('armed')
  const end = performance.now()
  expect((await vm.run('cat /sys/class/watchdog/watchdog0/state')).stdout).toBe('active\n')
  await vm.spawn('linux-kexec exec --no-sync')
  return { begin, end }
}

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Fulfils at `until`, on the clock of `performance.now()`; the machine must still be there then. */
async function outlives(vm: Vm, until: number): Promise<void> {
  const ended = vm.outcome.then((outcome) => outcome.kind)
  expect(await Promise.race([ended, wait(until - performance.now()).then(() => 'it runs')])).toBe('it runs')
}

describe('a kernel that keeps its watchdogs running', () => {
  const KEEP = 'watchdog.stop_on_reboot=0'

  test('userspace does not come up: the watchdog resets the machine at its timeout', async () => {
    await using guarded = await machine(KEEP)
    const { vm, timeout } = guarded
    const [judgement] = await guard(vm, `judge ${newer} ${timeout}`)
    expect(judgement, JSON.stringify(judgement)).toMatchObject({
      guards: true,
      guard: { name: 'watchdog0', driver: 'i6300esb', timeout, armedBy: 'linux-kexec', until: 'confirmation' },
      parameters: [{ parameter: 'modprobe.blacklist=i6300esb' }],
    })
    const armed = await jump(guarded, `${judgement.parameters[0].parameter} ${SLEEP}`)
    const { kind } = await vm.outcome
    const now = performance.now()
    expect(vm.consoleTail().join('\n')).toContain('it sleeps')
    expect(kind).toBe('rebooted')
    expect((now - armed.begin) / 1000).toBeGreaterThan(timeout - 2)
    expect((now - armed.end) / 1000).toBeLessThan(timeout + 15)
  })

  test('userspace comes up: the driver is kept away, and stops the watchdog when it is loaded', async () => {
    await using guarded = await machine(KEEP)
    const { vm, timeout } = guarded
    const armed = await jump(guarded, 'modprobe.blacklist=i6300esb')
    expect((await vm.booted(BOOT)).release).toBe(newer)
    // The root file system is in memory, and another one now. udev loads drivers by the device's alias.
    const byAlias = await vm.run(`depmod; for each in /sys/bus/pci/devices/*/modalias; do
      modprobe -R "$(cat $each)"; modprobe -b "$(cat $each)"; done; grep -c i6300esb /proc/modules`)
    expect(byAlias.stdout.split('\n')).toEqual(expect.arrayContaining(['i6300esb', '0']))
    expect(await guard(vm, 'release')).toEqual({ outcome: 'driver-missing', module: 'i6300esb' })
    const loaded = await vm.run('modprobe i6300esb && cat /sys/class/watchdog/watchdog0/state')
    expect(loaded).toMatchObject({ status: 0, stdout: 'inactive\n' })
    expect((performance.now() - armed.begin) / 1000, 'in time').toBeLessThan(timeout)
    await outlives(vm, armed.end + (timeout + 15) * 1000)
    expect(await guard(vm, 'release')).toEqual({ outcome: 'stopped', name: 'watchdog0' })
  })
})

/** GRUB's menu of a machine that boots its older kernel by default. */
const menu = (release: string) => `set timeout=5
set default=old
menuentry 'Debian, as it was' --id old { linux /boot/vmlinuz-${release} root=/dev/vda1; initrd /boot/initrd.img-${release} }
`

/**
 * Patches a copy of the newer kernel: at its 64-bit entry point, 0x200 bytes into the protected-mode code
 * (Documentation/arch/x86/boot.rst), it switches interrupts off and jumps to itself (cli; jmp .).
 */
const hanging = `node -e '
  const file = require("fs").readFileSync(process.argv[1])
  file.set([0xfa, 0xeb, 0xfe], (file[0x1f1] + 1) * 512 + 0x200)
  require("fs").writeFileSync("/boot/vmlinuz-hangs", file)'`

test('load --trial: without a gap with this watchdog; a kernel that hangs with interrupts off is reset', async () => {
  await using guarded = await machine('watchdog.stop_on_reboot=0')
  const { vm } = guarded
  await vm.run(`mkdir -p /boot/grub && cat > /boot/grub/grub.cfg <<'CFG'\n${menu(older.release)}CFG`)
  const good = await json(vm, `linux-kexec plan ${newer} --trial --deadline 5`)
  expect(good.document.refusals).toEqual([])
  const guards = good.document.trial.coverage.map(({ failure, guard: its }: { failure: string; guard: string }) => [
    failure,
    /watchdog0|initrd|itself/.exec(its)?.[0],
  ])
  expect(guards).toEqual([
    ['panic', 'itself'],
    ['hang', 'watchdog0'],
    ['userspace', 'initrd'],
    ['check', 'initrd'],
  ])

  const made = await vm.run(`${hanging} /boot/vmlinuz-${newer}`)
  expect(made, made.stderr).toMatchObject({ status: 0 })
  const options = `--initrd /boot/initrd.img-${newer} --reuse-cmdline --trial --deadline 5 --try-anyway`
  const load = await json(vm, `linux-kexec load /boot/vmlinuz-hangs ${options}`)
  expect(load, load.stderr).toMatchObject({ status: 0 })
  const { timeout, latest } = load.document.plan.trial.guards.watchdog
  const begin = performance.now()
  await vm.spawn('linux-kexec reboot --via direct')
  const { kind } = await vm.outcome
  const seconds = (performance.now() - begin) / 1000
  expect(kind).toBe('rebooted')
  expect(vm.console, 'the new kernel said nothing').toHaveLength(1)
  expect(seconds).toBeGreaterThan(timeout - 2)
  expect(seconds).toBeLessThan(latest + 20)
})

test('a kernel as Debian has it stops the watchdog at the jump, as the judgement says', async () => {
  await using guarded = await machine()
  const { vm, timeout } = guarded
  const [judgement] = await guard(vm, `judge ${newer} ${timeout}`)
  expect(judgement).toMatchObject({ guards: false, fault: 'stopped-at-reboot' })

  // Arming fails where another process holds it, or its driver does not take the timeout: nothing is left running.
  expect((await vm.run('exec 9>/dev/watchdog0; node /root/guard.mjs arm 60; printf V >&9')).stdout).toContain('"busy"')
  expect(await guard(vm, 'arm 5000')).toMatchObject({ reason: 'kernel-refused', code: 'EINVAL', syscall: 'ioctl' })
  expect((await vm.run('cat /sys/class/watchdog/watchdog0/state')).stdout).toBe('inactive\n')

  const sleeps = consoleSays(vm, 'it sleeps')
  const armed = await jump(guarded, `modprobe.blacklist=i6300esb ${SLEEP}`)
  await sleeps
  await outlives(vm, armed.end + (timeout + 15) * 1000)
})

test('the hint makes the kernel keep it; a timer of the kernel, a daemon and nowayout are no guards', async () => {
  await using guarded = await machine()
  const { vm, timeout } = guarded
  const [{ hint }] = await guard(vm, `judge ${newer} ${timeout}`)
  expect((await vm.run(hint)).status).toBe(0)
  expect(await guard(vm, `judge ${newer} ${timeout}`)).toMatchObject([{ guards: true }])
  const held = await vm.run(`exec 9>/dev/watchdog0; node /root/guard.mjs judge ${newer} ${timeout}; printf V >&9`)
  expect(JSON.parse(held.stdout)).toMatchObject([{ fault: 'held', reason: expect.stringMatching(/process \d+/) }])
  expect(await guard(vm, `judge ${newer} 3000`)).toMatchObject([{ fault: 'timeout-too-short' }])
  await vm.run('modprobe softdog')
  expect(await guard(vm, `judge ${newer} ${timeout}`)).toMatchObject([
    { guards: true, name: 'watchdog0' },
    { fault: 'ends-with-the-kernel', name: 'watchdog1' },
  ])
  // modprobe removes the core with the last driver.
  await vm.run('modprobe -r softdog i6300esb; modprobe watchdog stop_on_reboot=0; modprobe i6300esb nowayout=1')
  expect(await guard(vm, `judge ${newer} ${timeout}`)).toMatchObject([{ fault: 'cannot-be-stopped' }])
})

test('a watchdog that is released before its time does not reset the machine; one that is fired does at once', async () => {
  await using guarded = await machine()
  const { vm, timeout } = guarded
  expect(await guard(vm, `arm ${timeout}`)).toBe('armed')
  const armed = performance.now()
  expect(await guard(vm, 'release')).toEqual({ outcome: 'stopped', name: 'watchdog0' })
  await outlives(vm, armed + (timeout + 15) * 1000)
  expect((await vm.run('cat /sys/class/watchdog/watchdog0/state')).stdout).toBe('inactive\n')
  await vm.spawn('node /root/guard.mjs fire')
  expect((await vm.outcome).kind).toBe('rebooted')
})

test('iTCO: the new kernel finds it running and feeds it until watchdog.open_timeout, if nobody opens it', async () => {
  const kernels = await newestOfSeries(['6.12'], { flavour: 'standard', suites: ['bookworm-security', 'trixie'] })
  const itco = await debianGuest({ kernels: [...kernels.values()], modules: ITCO, ...(await contents()) })
  const release = itco.kernels[0]?.release as string
  const begin = performance.now()
  await using vm = await startVm({
    guest: itco,
    append: 'watchdog.stop_on_reboot=0',
    qemuArguments: ['-machine', 'q35', '-global', 'ICH9-LPC.noreboot=false', '-action', 'watchdog=reset'],
  })
  await vm.booted(BOOT)
  const timeout = Math.max(Math.ceil((4 * (performance.now() - begin)) / 1000), 40)
  const insert = `depmod && modprobe -a ${ITCO.join(' ')} && cat /sys/class/watchdog/watchdog0/identity`
  expect((await vm.run(insert)).stdout).toBe('iTCO_wdt\n')
  const [judgement] = await guard(vm, `judge ${release} ${timeout}`)
  expect(judgement, JSON.stringify(judgement)).toMatchObject({
    guards: true,
    guard: { driver: 'iTCO_wdt', timeout, latest: 2 * timeout, until: 'confirmation' },
  })
  const parameters = judgement.parameters.map(({ parameter }: { parameter: string }) => parameter).join(' ')
  expect(parameters).toBe(`watchdog.handle_boot_enabled=1 watchdog.open_timeout=${timeout}`)
  await vm.run(`linux-kexec load ${release} --append '${parameters}'`)
  expect(await guard(vm, `arm ${timeout} iTCO_wdt`)).toBe('armed')
  await vm.spawn('linux-kexec exec --no-sync')
  await vm.booted(BOOT)
  const sought = performance.now()
  expect((await vm.run(insert)).stdout).toBe('iTCO_wdt\n')
  const found = performance.now()
  expect((await vm.outcome).kind).toBe('rebooted')
  const now = performance.now()
  // Then the driver's own 30 s, once or twice.
  expect((now - sought) / 1000).toBeGreaterThan(timeout)
  expect((now - found) / 1000).toBeLessThan(timeout + 60 + 20)
})
