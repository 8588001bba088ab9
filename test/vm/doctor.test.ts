import { afterEach, describe, expect, test } from 'vitest'
import { startVm, type Vm } from '../../src/vm/index.ts'
import { debianGuest, json } from './guests.ts'

let vm: Vm | undefined
afterEach(() => vm?.stop())

/** A machine with systemd that runs the newer of two kernels, with this on its command line. */
async function booted(append = ''): Promise<Vm> {
  const guest = await debianGuest({ userland: 'systemd' })
  const kernel = guest.kernels[1] as (typeof guest.kernels)[number]
  vm = await startVm({ guest, kernel, append, memory: 1536 })
  await vm.booted()
  return vm
}

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

describe('a real machine', () => {
  test('nothing stands in the way, and then a kexec works', async () => {
    const machine = await booted()
    const well = await doctor(machine)
    expect(problems(well.notes), JSON.stringify(well.notes)).toEqual([])
    expect(well.status).toBe(0)
    const screen = await machine.run('linux-kexec doctor')
    expect(screen.stdout).toMatch(/A kexec would work/)
    expect(await machine.run('linux-kexec load && linux-kexec reboot --dry-run')).toMatchObject({ status: 0 })
    const loaded = (await doctor(machine)).checks.find(({ id }) => id === 'loaded-kernel')
    expect(loaded?.summary).toContain('One is loaded')
  })

  test('doctor, plan and policy leave nothing behind and use nothing up', async () => {
    const machine = await booted()
    // Unlimited at boot: with a number, what is used up would show.
    await machine.run('for each in reboot panic; do echo 3 > /proc/sys/kernel/kexec_load_limit_$each; done')
    const before = await machine.run(traces)
    expect(before.stdout).toContain('kexec_loaded 0')
    for (const command of ['doctor', 'doctor --json', 'plan newest', 'plan default --panic', 'policy', 'policy --json'])
      await machine.run(`linux-kexec ${command}`)
    expect((await machine.run(traces)).stdout).toBe(before.stdout)
  })

  test('loading switched off: status 3, with that reason alone, and load agrees', async () => {
    const machine = await booted()
    await machine.run('echo 1 > /proc/sys/kernel/kexec_load_disabled')
    const { status, notes } = await doctor(machine)
    expect([status, problems(notes)]).toEqual([3, ['load-switch']])
    const load = await json(machine, 'linux-kexec load')
    expect([load.status, load.document.error.reason]).toEqual([3, 'kexec-disabled'])
  })

  test('the privilege: a user who may become root, and processes that cannot gain it', async () => {
    const machine = await booted()
    // Without the bounding set, root's programs would have it again.
    const bounded = await doctor(machine, 'setpriv --bounding-set=-sys_boot --inh-caps=-sys_boot')
    expect([bounded.status, problems(bounded.notes)]).toEqual([3, ['capability']])
    const user = await doctor(machine, 'setpriv --reuid=65534 --regid=65534 --clear-groups')
    const told = user.notes.find(({ id }) => id === 'capability')
    expect([user.status, told?.status], JSON.stringify(user.notes)).toEqual([0, 'warning'])
    const once = user.notes.filter(({ summary }) => summary.includes('CAP_SYS_BOOT'))
    expect(once, 'told once, not also as a warning of the plan').toHaveLength(1)
    const never = await doctor(machine, 'setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs')
    expect([never.status, problems(never.notes)]).toEqual([3, ['capability']])
    const child = await doctor(machine, 'unshare --pid --fork --mount-proc')
    expect([child.status, problems(child.notes)]).toEqual([3, ['namespaces']])
  })

  test('a locked-down kernel that trusts no signature: doctor says what load meets', async () => {
    const machine = await booted('lockdown=integrity')
    const { status, notes } = await doctor(machine)
    expect([status, problems(notes)]).toEqual([3, ['signature']])
    const load = await json(machine, 'linux-kexec load --try-anyway')
    expect([load.status, load.document.error.reason]).toEqual([1, 'lockdown'])
  })
})
