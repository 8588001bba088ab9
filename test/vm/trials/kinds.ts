import { expect } from 'vitest'
import { json } from '../guests.ts'
import type { Planned, Trial } from './trial.ts'

/** A course that a trial takes, and where it must end. */
export interface TrialKind {
  readonly name: string
  /** How often it is drawn. */
  readonly weight: number
  /** Whether it needs the hardware watchdog; by default chance decides. */
  readonly isWatched?: boolean
  /** Begins with slot A, as `Trial.prepare` leaves it. The machine may be left in either slot. */
  readonly run: (trial: Trial) => Promise<void>
}

/** Puts a check into the running slot, whose files are in memory. */
async function check(trial: Trial, name: string, script: string): Promise<void> {
  await trial.vm.run(`mkdir -p /etc/linux-kexec/check.d
    printf '#!/bin/sh\\n%s\\n' '${script}' > /etc/linux-kexec/check.d/${name}
    chmod +x /etc/linux-kexec/check.d/${name}`)
}

/** The confirmed kernel stays, past the deadline that it had; a reset then starts what the menu says, and nobody forgets. */
async function staysConfirmed(trial: Trial, plan: Planned, deadline: number): Promise<void> {
  const past = await trial.vm.run(
    `until [ $(cut -d. -f1 /proc/uptime) -gt ${deadline + 5} ]; do sleep 1; done; uname -r`,
    { deadline: (deadline + 120) * 1000 },
  )
  expect(past.stdout.trim()).toBe(trial.machine.newer)
  await isConfirmed(trial, plan)
}

async function isConfirmed(trial: Trial, plan: Planned): Promise<void> {
  const { status } = await trial.machine.standing()
  expect(status).toMatchObject({
    outcome: 'confirmed',
    isRunning: true,
    record: { id: plan.trial.id, state: 'confirmed' },
  })
}

/** Loads a kernel whose initrd's init is another program. */
async function withInit(trial: Trial, program: string, deadline: number): Promise<Planned> {
  const plan = await trial.load(`--deadline ${deadline} --overlay /opt/${program}:/init`)
  await trial.start()
  return plan
}

/** Loads the newer kernel on trial, and waits until it is up. */
export async function running(trial: Trial, deadline: number): Promise<Planned> {
  const plan = await trial.load(`--deadline ${deadline}`)
  await trial.start()
  await trial.up(plan)
  return plan
}

const good: TrialKind = {
  name: 'a good kernel is confirmed, and stays',
  weight: 3,
  async run(trial) {
    const deadline = trial.enough
    const plan = await running(trial, deadline)
    await trial.runs(plan)
    if (trial.random.chance(0.5)) await check(trial, '10-good', 'exit 0')
    const makesDefault = trial.random.chance(0.5)
    const confirmed = await trial.confirm(makesDefault ? '--make-default' : '')
    expect(confirmed, confirmed.stderr).toMatchObject({ status: 0 })
    if (trial.random.chance(0.5)) await staysConfirmed(trial, plan, deadline)
    else await isConfirmed(trial, plan)
    const boot = await trial.machine.powerCut()
    // A fallback for one boot is gone with the confirmation; one by saved_entry stays until another is the default.
    const isDefault = makesDefault || trial.circumstances.menu === 'newest'
    expect(boot.release).toBe(isDefault ? trial.machine.newer : trial.machine.older)
    expect((await trial.truthful(boot)).status).toMatchObject({ outcome: 'confirmed', record: { id: plan.trial.id } })
  },
}

const never: TrialKind = {
  name: 'nobody confirms it: reset at the deadline',
  weight: 2,
  async run(trial) {
    // It may come before userland, which makes no difference.
    const deadline = trial.random.between(2, 30)
    const plan = await trial.load(`--deadline ${deadline}`)
    await trial.start()
    await trial.takenBack(plan, { within: deadline * 1000, least: deadline * 1000 })
  },
}

const panics: TrialKind = {
  name: 'it panics in init',
  weight: 2,
  async run(trial) {
    const plan = await withInit(trial, 'panics', 120)
    await trial.takenBack(plan, { within: 30_000 + trial.machine.bootTime })
    expect(trial.vm.console.at(-2)?.text).toContain('Attempted to kill init')
  },
}

const damagedInitrd: TrialKind = {
  name: 'its initrd is damaged: it panics before any program runs',
  weight: 2,
  async run(trial) {
    // With --fast it would be unpacked before the load, which finds the damage.
    const compressed = trial.circumstances.fast ? [] : ['damaged.gz']
    const initrd = trial.random.pick(['cut', 'damaged', ...compressed])
    const deadline = 20
    const plan = await trial.load(`--deadline ${deadline} --initrd /boot/initrd-${initrd} --try-anyway`)
    await trial.start()
    await trial.takenBack(plan, { within: deadline * 1000 })
  },
}

const noInitrd: TrialKind = {
  name: 'it has no initrd and finds no root',
  weight: 1,
  isWatched: false,
  async run(trial) {
    const plan = await trial.load('--deadline 60 --no-initrd')
    await trial.start()
    await trial.takenBack(plan, { within: 30_000 + trial.machine.bootTime })
    expect(trial.vm.console.at(-2)?.text).toContain('Unable to mount root fs')
  },
}

const noRoot: TrialKind = {
  name: 'its initrd finds no root, and waits for a person',
  weight: 2,
  async run(trial) {
    const deadline = trial.random.between(10, 25)
    const plan = await withInit(trial, 'has-no-root', deadline)
    await trial.takenBack(plan, { within: deadline * 1000, least: deadline * 1000 })
    expect(trial.vm.console.at(-2)?.text).toContain('Dropping to a shell')
  },
}

const sleeps: TrialKind = {
  name: 'its userspace never comes up',
  weight: 2,
  async run(trial) {
    const deadline = trial.random.between(10, 25)
    const plan = await withInit(trial, 'sleeps', deadline)
    await trial.takenBack(plan, { within: deadline * 1000, least: deadline * 1000 })
    expect(trial.vm.console.at(-2)?.text).toContain(plan.trial.id)
  },
}

const hangs: TrialKind = {
  name: 'it hangs with interrupts off: the watchdog resets the machine',
  weight: 1,
  isWatched: true,
  async run(trial) {
    const initrd = `/boot/initrd.img-${trial.machine.newer}`
    const plan = await trial.load(`--deadline 5 --initrd ${initrd} --reuse-cmdline --try-anyway`, '/boot/vmlinuz-hangs')
    await trial.start()
    const seconds = plan.trial.guards.watchdog?.latest ?? Number.NaN
    await trial.takenBack(plan, { within: seconds * 1000 })
  },
}

const checkFails: TrialKind = {
  name: 'a check fails: reset at once',
  weight: 2,
  async run(trial) {
    const plan = await running(trial, 900)
    await check(trial, '10-good', 'exit 0')
    await check(trial, '20-network', 'echo no network; exit 3')
    await trial.vm.spawn('linux-kexec trial confirm')
    const { status } = await trial.takenBack(plan, { within: 120_000, outcome: 'failed' })
    expect(status.record).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/20-network failed with status 3/),
    })
  },
}

const checkHangs: TrialKind = {
  name: 'a check hangs: reset after its time',
  weight: 1,
  async run(trial) {
    const plan = await running(trial, 900)
    await check(trial, '10-hangs', 'trap "" TERM INT HUP; while :; do sleep 100; done')
    await trial.vm.spawn(`linux-kexec trial confirm --check-timeout ${trial.random.between(1, 10)}`)
    const { status } = await trial.takenBack(plan, { within: 150_000, outcome: 'failed' })
    expect(status.record.reason).toMatch(/10-hangs took longer than/)
  },
}

const late: TrialKind = {
  name: 'the confirmation comes too late, and is refused',
  weight: 1,
  async run(trial) {
    const deadline = trial.enough
    const plan = await running(trial, deadline)
    // Without the deadman the machine is still there when the time is over.
    const { stdout } = await trial.vm.run(`for each in /proc/[0-9]*; do
        grep -q '^@linux-kexec-trial' $each/cmdline 2>/dev/null && kill -9 \${each#/proc/} && echo killed
      done
      until [ $(cut -d. -f1 /proc/uptime) -gt ${deadline} ]; do sleep 1; done`)
    expect(stdout).toBe('killed\n')
    const refused = await trial.confirm()
    expect(refused.status).not.toBe(0)
    expect((await trial.machine.standing()).status).toMatchObject({ outcome: 'expired', isRunning: true })
    await trial.cameBack(await trial.machine.powerCut(), plan.trial.id, ['expired'])
  },
}

const races: TrialKind = {
  name: 'the confirmation races the deadline: one of them wins',
  weight: 2,
  async run(trial) {
    const deadline = trial.enough
    const plan = await running(trial, deadline)
    const before = trial.random.between(0, 4000)
    await trial.vm.spawn(`at=$((${deadline * 1000} - ${before}))
      while [ $(sed 's/ .*//; s/\\.\\(.*\\)/\\10/' /proc/uptime) -lt $at ]; do usleep 20000; done
      linux-kexec trial confirm; echo "confirm ended with $?"`)
    const next = trial.machine.booted().catch(() => undefined)
    // A reset at the deadline shows only when slot A is up.
    const wait = (deadline + 20) * 1000 + Math.max(3 * trial.machine.bootTime, 45_000)
    const boot = await Promise.race([
      next,
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), wait)),
    ])
    if (boot !== undefined) {
      await trial.cameBack(boot, plan.trial.id, ['taken-back', 'expired'])
      return
    }
    await isConfirmed(trial, plan)
    trial.vm.reset()
    const last = await next
    expect(last).toBeDefined()
    if (last !== undefined)
      expect((await trial.truthful(last)).status).toMatchObject({ outcome: 'confirmed', record: { id: plan.trial.id } })
  },
}

const killed: TrialKind = {
  name: 'the process that confirms is killed: it is confirmed again, or the deadline comes',
  weight: 4,
  async run(trial) {
    const deadline = trial.enough + 30
    const plan = await running(trial, deadline)
    const pause = trial.random.between(0, 2500) * 1000
    const { stdout } = await trial.vm.run(`linux-kexec trial confirm >/dev/null 2>&1 & its=$!
      usleep ${pause}; kill -9 $its 2>/dev/null; wait $its; echo $?
      grep -l '^@linux-kexec-trial' /proc/[0-9]*/cmdline 2>/dev/null`)
    const [code, ...deadmen] = stdout.trim().split('\n')
    const { status } = await trial.machine.standing()
    expect(['running', 'confirmed']).toContain(status.outcome)
    if (code === '0') expect(status.outcome, 'it had said so').toBe('confirmed')
    if (status.outcome === 'confirmed') expect(deadmen, 'a confirmed machine is never reset').toEqual([])
    const isGuarded = deadmen.length > 0
    if (isGuarded && trial.random.chance(0.5)) {
      await trial.takenBack(plan, { within: deadline * 1000, least: deadline * 1000 })
      return
    }
    const again = await trial.confirm()
    expect(again, again.stderr).toMatchObject({ status: 0 })
    if (trial.random.chance(0.3)) await staysConfirmed(trial, plan, deadline)
    else await isConfirmed(trial, plan)
  },
}

const twice: TrialKind = {
  name: 'two processes confirm it at once',
  weight: 1,
  async run(trial) {
    const plan = await running(trial, trial.enough)
    const { stdout } = await trial.vm.run(`for each in 1 2; do
        { linux-kexec trial confirm >/dev/null 2>&1; echo $?; } &
      done; wait`)
    expect(stdout.split('\n')).toContain('0')
    await isConfirmed(trial, plan)
  },
}

const ends = ['linux-kexec trial cancel', 'linux-kexec unload', 'linux-kexec load newest']

const cancelled: TrialKind = {
  name: 'it is cancelled before it starts, or another load takes its place',
  weight: 2,
  async run(trial) {
    const plan = await trial.load('--deadline 60')
    const command = trial.random.pick(ends)
    expect(await trial.vm.run(command)).toMatchObject({ status: 0 })
    const { status } = await trial.machine.standing()
    expect(status).toMatchObject({ outcome: 'cancelled', record: { id: plan.trial.id } })
    const { loaded } = (await json(trial.vm, 'linux-kexec status')).document
    expect(loaded).toBe(command.includes('load newest'))
    if (!loaded) return
    // The plain load starts a kernel that nothing takes back, and that no trial speaks of.
    await trial.start()
    const boot = await trial.machine.booted()
    expect(boot.release).toBe(trial.machine.newer)
    expect((await trial.truthful(boot)).status.outcome).toBe('cancelled')
  },
}

const again: TrialKind = {
  name: 'a trial in place of a trial',
  weight: 1,
  async run(trial) {
    const first = await trial.load('--deadline 60')
    const deadline = trial.random.between(2, 20)
    const second = await trial.load(`--deadline ${deadline}`)
    await trial.start()
    const { history } = await trial.takenBack(second, { within: deadline * 1000, least: deadline * 1000 })
    expect(history).toContain(first.trial.id)
  },
}

export const kinds = {
  good,
  never,
  panics,
  damagedInitrd,
  noInitrd,
  noRoot,
  sleeps,
  hangs,
  checkFails,
  checkHangs,
  late,
  races,
  killed,
  twice,
  cancelled,
  again,
} as const satisfies Readonly<Record<string, TrialKind>>
