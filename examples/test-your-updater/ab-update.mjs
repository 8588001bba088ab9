#!/usr/bin/env node
// The updater of a made-up machine with two slots, a and b, below /data/slots: each has a kernel and an initrd. What downloads and
// writes them is left out; docs/updater.md is about that.
//
//   ab-update try          start the slot that is not the current one by kexec, on trial
//   ab-update after-boot   at every boot: keep the new slot, or note that it failed
//
// /data/state.json says which slot counts, which one failed last, and which one is tried.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { confirmTrial, plan, reboot, trialStatus } from 'linux-kexec'

const SLOTS = '/data/slots'
const STATE = '/data/state.json'

/** @typedef {'a' | 'b'} Slot */
/** @typedef {{ current: Slot, failed: Slot | null, trying: { slot: Slot, trial: string } | null }} State */

/** @returns {State} */
function readState() {
  try {
    return JSON.parse(readFileSync(STATE, 'utf8'))
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error
    return { current: 'a', failed: null, trying: null }
  }
}

/** In one step: a power cut leaves the state before or after it. @param {State} state */
function writeState(state) {
  writeFileSync(`${STATE}.new`, `${JSON.stringify(state)}\n`, { flush: true })
  renameSync(`${STATE}.new`, STATE)
}

async function tryOther() {
  const state = readState()
  const slot = state.current === 'a' ? 'b' : 'a'
  const made = await plan({
    kernel: `${SLOTS}/${slot}/kernel`,
    initrds: [`${SLOTS}/${slot}/initrd`],
    reuseCommandLine: true,
    remove: ['slot'],
    append: `slot=${slot}`,
    // Not every machine has a watchdog that runs on over a kexec.
    trial: { deadline: 600_000, allowGaps: true },
  })
  if (made.refusals[0] !== undefined) throw made.refusals[0]
  if (made.trial === null) throw new Error('the plan has no trial')
  writeState({ ...state, trying: { slot, trial: made.trial.id } })
  await made.load()
  await reboot({ via: 'direct' })
}

async function afterBoot() {
  const state = readState()
  const { outcome, record } = trialStatus()
  if (state.trying === null || record?.id !== state.trying.trial) return
  const { slot } = state.trying
  if (outcome === 'running' && isHealthy()) {
    await confirmTrial()
    writeState({ current: slot, failed: null, trying: null })
  } else if (outcome === 'taken-back') {
    writeState({ ...state, failed: slot, trying: null })
    console.log(`slot ${slot} was taken back: ${record.reason}`)
  }
}

/** Your own checks belong here: until they pass, the trial is not confirmed, and its deadline resets the machine. */
function isHealthy() {
  return runningSlot() === readState().trying?.slot
}

function runningSlot() {
  return / slot=(\w+)/.exec(readFileSync('/proc/cmdline', 'utf8'))?.[1] ?? 'a'
}

const [command = ''] = process.argv.slice(2)
const known = new Map([
  ['try', tryOther],
  ['after-boot', afterBoot],
])
const run = known.get(command)
if (run === undefined) {
  console.error('usage: ab-update try|after-boot')
  process.exitCode = 2
} else {
  await run()
}
