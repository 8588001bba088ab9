import { expect } from 'vitest'
import type { Vm } from '../../../src/vm/index.ts'
import { running, type TrialKind } from './kinds.ts'
import type { Planned, Trial } from './trial.ts'

/** When the power goes: after some time, or as a record or GRUB's environment block changes. */
type Moment = { readonly after: number } | { readonly change: number }

const ENDED = 'the command ended with'

/** A watcher in the guest that counts the changes of the records and of GRUB's environment block on the console. */
const watch = `node -e '
  let count = 0
  const { writeSync, openSync, watch } = require("fs")
  const console = openSync("/dev/console", "w")
  for (const directory of ["/var/lib/linux-kexec", "/boot/grub"])
    watch(directory, () => writeSync(console, "change " + ++count + " of the records\\n"))
  writeSync(console, "watching the records\\n")
'`

/** Runs a command in the guest, and cuts the power at a moment of it. @returns what the console said, and the next boot */
async function cutDuring(trial: Trial, command: string, moment: Moment) {
  const { vm } = trial
  let said = ''
  const end = vm.onConsole((text) => {
    said += text
  })
  try {
    if ('change' in moment) {
      const watching = consoleSays(vm, 'watching the records', 60_000)
      await vm.spawn(watch)
      await watching
    }
    const due =
      'after' in moment
        ? new Promise<void>((resolve) => setTimeout(resolve, moment.after))
        : // It may be the command's last.
          consoleSays(vm, `change ${moment.change} of the records`, 20_000)
    await vm.spawn(`${command} >/dev/null; echo "${ENDED} $?"`)
    await due
    const before = said
    return { said: before, boot: await trial.machine.powerCut() }
  } finally {
    end()
  }
}

/** Resolves when the console says something, or after some time. */
function consoleSays(vm: Vm, words: string, patience: number): Promise<void> {
  return new Promise((resolve) => {
    let said = ''
    const finish = () => {
      clearTimeout(timer)
      end()
      resolve()
    }
    const timer = setTimeout(finish, patience)
    const end = vm.onConsole((text) => {
      said += text
      if (said.includes(words)) finish()
    })
  })
}

function drawMoment(trial: Trial, longest: number, changes: number): Moment {
  const { random } = trial
  return random.chance(0.6) ? { change: random.between(1, changes) } : { after: random.between(0, longest) }
}

/** Milliseconds that a command of ours takes at most, on a machine that boots in this time. */
const commandTime = (trial: Trial) => Math.round(trial.machine.bootTime * 0.8)

const whileLoading: TrialKind = {
  name: 'power cut while it is loaded',
  weight: 4,
  async run(trial) {
    const earlier = trial.before.status
    const command = trial.loadCommand('--deadline 60')
    const { said, boot } = await cutDuring(trial, command, drawMoment(trial, commandTime(trial), 14))
    const { status } = await trial.truthful(boot)
    if (said.includes(`${ENDED} 0`)) expect(status.outcome, 'the load had ended').toBe('taken-back')
    if (status.record?.id === earlier.record?.id) {
      expect(status.outcome).toBe(earlier.outcome)
      return
    }
    expect(['planned', 'taken-back']).toContain(status.outcome)
    expect(status.record.times.started).toBeUndefined()
    if (status.outcome === 'taken-back') expect(boot.release, 'the fallback was set').toBe(trial.machine.older)
  },
}

const whileStarting: TrialKind = {
  name: 'power cut while it is started',
  weight: 4,
  async run(trial) {
    const plan = await trial.load('--deadline 120')
    const longest = commandTime(trial) + trial.machine.bootTime
    const { boot } = await cutDuring(trial, trial.circumstances.start, drawMoment(trial, longest, 4))
    const { status } = await trial.cameBack(boot, plan.trial.id, ['taken-back'])
    // Its kernel wrote to the console, so the start had been recorded.
    if (didRun(trial, plan)) expect(status.record.state).toBe('started')
  },
}

function didRun(trial: Trial, plan: Planned): boolean {
  return trial.vm.console.some(({ text }) => text.includes(`linux_kexec.trial=${plan.trial.id}`))
}

const whileRunning: TrialKind = {
  name: 'power cut while it runs',
  weight: 1,
  async run(trial) {
    const plan = await running(trial, 120)
    const { status } = await trial.cameBack(await trial.machine.powerCut(), plan.trial.id, ['taken-back'])
    expect(status.record.state).toBe('started')
  },
}

const whileConfirming: TrialKind = {
  name: 'power cut while it is confirmed',
  weight: 5,
  async run(trial) {
    const plan = await running(trial, 300)
    const moment = drawMoment(trial, commandTime(trial), 4)
    const option = trial.random.chance(0.5) ? ' --make-default' : ''
    const { said, boot } = await cutDuring(trial, `linux-kexec trial confirm${option}`, moment)
    const { status } = await trial.truthful(boot)
    expect(status.record.id).toBe(plan.trial.id)
    expect(['taken-back', 'confirmed']).toContain(status.outcome)
    if (said.includes(`${ENDED} 0`)) {
      expect(status.outcome, 'the confirmation had ended').toBe('confirmed')
      if (option !== '') expect(boot.release, 'it had been made the default').toBe(trial.machine.newer)
    }
    if (status.outcome === 'taken-back') expect(boot.release).toBe(trial.machine.older)
  },
}

const whileCancelling: TrialKind = {
  name: 'power cut while it is cancelled',
  weight: 2,
  async run(trial) {
    const plan = await trial.load('--deadline 60')
    const { said, boot } = await cutDuring(trial, 'linux-kexec trial cancel', drawMoment(trial, commandTime(trial), 4))
    const { status } = await trial.truthful(boot)
    expect(status.record.id).toBe(plan.trial.id)
    expect(['taken-back', 'cancelled']).toContain(status.outcome)
    if (said.includes(`${ENDED} 0`)) expect(status.outcome, 'the command had ended').toBe('cancelled')
  },
}

const whileComingBack: TrialKind = {
  name: 'power cut while slot A comes back',
  weight: 1,
  async run(trial) {
    const plan = await running(trial, 120)
    trial.vm.reset()
    await new Promise((resolve) => setTimeout(resolve, trial.random.between(0, trial.machine.bootTime)))
    const boot = await trial.machine.powerCut()
    const { status } = await trial.truthful(boot)
    expect(status).toMatchObject({ outcome: 'taken-back', record: { id: plan.trial.id, state: 'started' } })
    // GRUB forgets next_entry at the first boot; docs/trials.md says so.
    if (trial.circumstances.menu !== 'newest') expect(boot.release).toBe(trial.machine.older)
  },
}

export const powerCuts = {
  whileLoading,
  whileStarting,
  whileRunning,
  whileConfirming,
  whileCancelling,
  whileComingBack,
} as const satisfies Readonly<Record<string, TrialKind>>
