import { afterEach, describe, expect, test } from 'vitest'
import { startVm, type Vm } from '../../src/vm/index.ts'
import { debianGuest, json } from './guests.ts'

let vm: Vm | undefined
afterEach(() => vm?.stop())

/** Boots the newer kernel, whose policy is looked at, with this on its command line. */
async function booted(append: string): Promise<Vm> {
  const guest = await debianGuest()
  vm = await startVm({ guest, kernel: guest.kernels[1] as (typeof guest.kernels)[number], append })
  await vm.booted()
  return vm
}

describe('what the kernel refuses is told by its cause, not as "not root"', () => {
  test('a locked-down kernel that trusts no signature on the image', async () => {
    const machine = await booted('lockdown=integrity')
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

  test('a limit on loads that is used up', async () => {
    const machine = await booted('')
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

test('policy and plan change nothing: no load used up, no taint, nothing loaded, no word about it in the log', async () => {
  const machine = await booted('lockdown=integrity')
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
