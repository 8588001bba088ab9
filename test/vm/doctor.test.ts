import { describe, expect, test } from 'vitest'
import type { Vm } from '../../src/vm/index.ts'
import { blankDisk, findDisk } from './disk.ts'
import { json, machineForFile } from './guests.ts'

/** systemd runs on the older of two kernels; a program at its console may open a watchdog and an encrypted disk. */
const machine = machineForFile(
  { memory: 1536, disks: [blankDisk()] },
  {
    userland: 'systemd',
    packages: ['cryptsetup-bin'],
    modules: ['softdog', 'dm_crypt', 'xts', 'ecb', 'cbc', 'aes_generic', 'aesni_intel'],
  },
)

/** Shell that inserts what the guest has of modules, each when those it depends on are in. */
const insertModules = `for round in 1 2 3; do for each in /usr/lib/modules/$(uname -r)/kernel/*.ko; do
  busybox insmod $each 2>/dev/null; done; done`

interface Told {
  readonly id: string
  readonly status: string
  readonly summary: string
}

/** Exit status, verdict, and the checks that are not ok. */
async function doctor(machine: Vm, prefix = '') {
  const { status, document, stderr } = await json(machine, `${prefix} linux-kexec doctor`)
  expect(stderr).toBe('')
  const checks: readonly Told[] = document.checks
  return { status, verdict: document.verdict, notes: checks.filter((check) => check.status !== 'ok'), checks }
}

const problems = (notes: readonly Told[]) => notes.filter(({ status }) => status === 'problem').map(({ id }) => id)

/** All that a prediction might use up or leave behind. */
const traces = `cd /proc/sys/kernel; for file in kexec_load_disabled kexec_load_limit_reboot kexec_load_limit_panic tainted \\
  /sys/kernel/kexec_loaded /sys/kernel/kexec_crash_loaded; do test ! -e $file || echo $file $(cat $file); done
  grep -c . /proc/modules; wc -c < /proc/mounts`

/** One check of the machine as it is now. */
async function check(id: string): Promise<Told | undefined> {
  return (await doctor(machine.vm)).checks.find((each) => each.id === id)
}

describe('systemd on Debian', () => {
  test('nothing stands in the way', async () => {
    const { status, notes } = await doctor(machine.vm)
    expect({ status, problems: problems(notes) }, JSON.stringify(notes)).toEqual({ status: 0, problems: [] })
    expect((await machine.vm.run('linux-kexec doctor')).stdout).toMatch(/A kexec would work/)
  })

  test('the privilege: a user who may become root, and processes that cannot gain it', async () => {
    // Without the bounding set, root's programs would have it again.
    const bounded = await doctor(machine.vm, 'setpriv --bounding-set=-sys_boot --inh-caps=-sys_boot')
    expect([bounded.status, problems(bounded.notes)]).toEqual([3, ['capability']])
    const user = await doctor(machine.vm, 'setpriv --reuid=65534 --regid=65534 --clear-groups')
    const told = user.notes.find(({ id }) => id === 'capability')
    expect([user.status, told?.status], JSON.stringify(user.notes)).toEqual([0, 'warning'])
    const once = user.notes.filter(({ summary }) => summary.includes('CAP_SYS_BOOT'))
    expect(once, 'told once, not also as a warning of the plan').toHaveLength(1)
    const never = await doctor(machine.vm, 'setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs')
    expect([never.status, problems(never.notes)]).toEqual([3, ['capability']])
    const child = await doctor(machine.vm, 'unshare --pid --fork --mount-proc')
    expect([child.status, problems(child.notes)]).toEqual([3, ['namespaces']])
  })

  test("a watchdog: idle, opened by a program, and systemd's own", async () => {
    const { vm } = machine
    await vm.run(`${insertModules}; test -e /sys/class/watchdog/watchdog0/state`)
    expect(await check('watchdog')).toMatchObject({ status: 'ok', summary: 'No watchdog is running.' })
    // The magic V stops it as it is closed: Documentation/watchdog/watchdog-api.rst.
    const opened = await vm.run('exec 9>/dev/watchdog0; linux-kexec doctor --json; printf V >&9')
    const found = JSON.parse(opened.stdout).checks.find(({ id }: Told) => id === 'watchdog')
    expect(found).toMatchObject({ status: 'warning', summary: expect.stringContaining('Software Watchdog') })
    const settings = '/run/systemd/system.conf.d/watchdog.conf'
    await vm.run(`mkdir -p $(dirname ${settings}); printf '[Manager]\nRuntimeWatchdogSec=60\n' > ${settings}
      systemctl daemon-reexec`)
    await vm.run('until grep -q ^active /sys/class/watchdog/watchdog0/state; do sleep 0.2; done')
    expect(await check('watchdog')).toMatchObject({
      status: 'ok',
      summary: 'watchdog0 is running; systemd stops it before the kexec.',
    })
    await vm.run(`printf 'KExecWatchdogSec=60\n' >> ${settings}`)
    expect(await check('watchdog')).toMatchObject({ status: 'warning' })
    await vm.run(`rm ${settings}; systemctl daemon-reexec`)
  })

  test('an encrypted disk will ask again', async () => {
    expect(await check('disk-encryption')).toMatchObject({ status: 'ok' })
    const opened = await machine.vm.run(`${findDisk}
      ${insertModules}
      printf secret | cryptsetup open --type plain --cipher aes-xts-plain64 --key-size 256 --key-file - $d vault`)
    expect(opened, opened.stderr).toMatchObject({ status: 0 })
    expect(await check('disk-encryption')).toMatchObject({
      status: 'warning',
      summary: 'vault will ask for its passphrase again: kexec passes no key on.',
      remedy: expect.stringMatching(/ \/dev\/vd[a-z]$/),
    })
    await machine.vm.run('printf "vault /dev/vdb /etc/vault.key plain\n" > /etc/crypttab')
    expect(await check('disk-encryption')).toMatchObject({ status: 'ok' })
    await machine.vm.run('cryptsetup close vault; rm /etc/crypttab')
  })

  test('and a kexec does work', async () => {
    await machine.vm.run('linux-kexec load newest')
    expect((await check('loaded-kernel'))?.summary).toContain(`${machine.newer} is loaded`)
    await machine.vm.spawn('linux-kexec reboot')
    expect((await machine.vm.booted()).release).toBe(machine.newer)
  })

  test('doctor, plan and policy leave nothing behind and use nothing up', async () => {
    const { vm } = machine
    // Unlimited at boot: with a number, what is used up would show.
    await vm.run('for each in reboot panic; do echo 3 > /proc/sys/kernel/kexec_load_limit_$each; done')
    const before = await vm.run(traces)
    expect(before.stdout).toContain('kexec_loaded 0')
    for (const command of ['doctor', 'doctor --json', 'plan newest', 'plan default --panic', 'policy', 'policy --json'])
      await vm.run(`linux-kexec ${command}`)
    expect((await vm.run(traces)).stdout).toBe(before.stdout)
  })

  test('loading switched off: status 3, with that reason alone, and load agrees', async () => {
    await machine.vm.run('echo 1 > /proc/sys/kernel/kexec_load_disabled')
    const { status, notes } = await doctor(machine.vm)
    expect([status, problems(notes)]).toEqual([3, ['load-switch']])
    const load = await json(machine.vm, 'linux-kexec load')
    expect([load.status, load.document.error.reason]).toEqual([3, 'kexec-disabled'])
  })
})
