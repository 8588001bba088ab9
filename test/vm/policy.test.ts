import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startVm, type Vm } from '../../src/vm/index.ts'
import { debianGuest, json } from './guests.ts'

/** A machine with the newer kernel, whose policy is looked at, and with this on its command line. */
function machineWith(append: string): { vm: Vm } {
  const machine = {} as { vm: Vm }
  beforeAll(async () => {
    const guest = await debianGuest()
    machine.vm = await startVm({ guest, kernel: guest.kernels[1] as (typeof guest.kernels)[number], append })
    await machine.vm.booted()
  })
  afterAll(() => machine.vm?.stop())
  return machine
}

describe('a locked-down kernel that trusts no signature on the image', () => {
  const locked = machineWith('lockdown=integrity')

  test('what it refuses is told by its cause, not as "not root"', async () => {
    const machine = locked.vm
    const predicted = await json(machine, 'linux-kexec load newest')
    expect({ status: predicted.status, ...predicted.document.error }).toMatchObject({
      status: 3,
      reason: 'lockdown',
      code: 'EPERM',
      refused: true,
    })
    const { status, document } = await json(machine, 'linux-kexec load newest --try-anyway')
    expect({ status, ...document.error }).toMatchObject({
      status: 1,
      reason: 'lockdown',
      code: 'EPERM',
      refused: false,
    })
    expect(document.error.evidence).toContainEqual({
      source: '/sys/kernel/security/lockdown',
      value: 'none [integrity] confidentiality',
    })
    const log = document.error.evidence.filter(({ source }: { source: string }) => source === 'kernel log')
    expect(log.length, 'the kernel log lines of the call are among the evidence').toBeGreaterThan(0)
    expect((await json(machine, 'linux-kexec status')).document.loaded).toBe(false)
  })

  test('doctor says what load meets', async () => {
    const { status, document, stderr } = await json(locked.vm, 'linux-kexec doctor')
    expect(stderr).toBe('')
    const problems = document.checks.filter((check: { status: string }) => check.status === 'problem')
    expect([status, problems.map(({ id }: { id: string }) => id)]).toEqual([3, ['signature']])
    // Its shell script of a PID 1 is no init system that is known.
    const initSystem = document.checks.find(({ id }: { id: string }) => id === 'init-system')
    expect(initSystem?.status).toBe('warning')
    const load = await json(locked.vm, 'linux-kexec load --try-anyway')
    expect([load.status, load.document.error.reason]).toEqual([1, 'lockdown'])
  })

  // Last: it hides files.
  test('policy and plan change nothing: no load used up, no taint, nothing loaded, no word about it in the log', async () => {
    const machine = locked.vm
    await machine.run(
      'for kind in reboot panic; do echo 5 > /proc/sys/kernel/kexec_load_limit_$kind; done 2>/dev/null; true',
    )
    const state = async () =>
      (
        await machine.run(
          'cd /proc/sys/kernel && head kexec_load_* tainted /sys/kernel/kexec_loaded /sys/kernel/kexec_crash_loaded; dmesg | grep -ciE "kexec|lockdown|ima:"',
        )
      ).stdout
    const before = await state()
    expect(before).toContain('kexec_load_disabled')
    const { document } = await json(machine, 'linux-kexec policy')
    expect(document).toMatchObject({ mode: 'enforced', lockdown: 'integrity', secureBoot: false, unread: [] })
    expect((await json(machine, 'linux-kexec plan newest')).document.verdict.outcome).toBe('will-be-refused')
    expect(await state()).toBe(before)
    // Without its configuration the kernel's own symbols tell as much.
    await machine.run('mount -t tmpfs none /boot && mount -t tmpfs none /lib/modules')
    const hidden = (await json(machine, 'linux-kexec policy')).document
    expect(hidden.signature).toEqual(document.signature)
    expect([hidden.mode, hidden.kexecLoad.mode]).toEqual(['enforced', 'disabled'])
  })
})

describe('a kernel whose loads are limited', () => {
  const limited = machineWith('')

  test('a limit that is used up is told by its cause', async () => {
    const machine = limited.vm
    const limit = '/proc/sys/kernel/kexec_load_limit_reboot'
    // The switch came with 6.3; a suite whose newest kernel is older has none to test.
    if ((await machine.run(`echo 1 > ${limit}`)).status !== 0) return
    expect(await machine.run('linux-kexec load newest')).toMatchObject({ status: 0 })
    const { status, document } = await json(machine, 'linux-kexec load newest')
    expect({ status, ...document.error }).toMatchObject({ status: 3, reason: 'load-limit' })
    expect((await json(machine, 'linux-kexec status')).document.loaded, 'what was loaded still is').toBe(true)
    const asked = await json(machine, 'linux-kexec load newest --try-anyway')
    expect({ status: asked.status, ...asked.document.error }).toMatchObject({ status: 1, reason: 'load-limit' })
  })
})
