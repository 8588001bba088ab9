import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { trialStatus } from 'linux-kexec'
import { writeInOneStep } from '../updater/state.mjs'
import { verdictOf } from '../updater/verdict.mjs'

/**
 * What is remembered of the slots, by their bootnames:
 *
 * - `primary`: the slot that the boot loader starts
 * - `next`: the slot that is to be tried; null without one
 * - `good`: whether a slot may be started
 * - `attempt`: the slot on trial, the id of its trial, and whether its kernel was loaded; null without one
 */
export class Slots {
  constructor(config, state) {
    this.config = config
    this.state = state
  }

  static async read() {
    const config = JSON.parse(await readFile('/etc/rauc/kexec.json', 'utf8'))
    const booted = await bootedSlot()
    const text = await readFile(pathOf(config), 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    const initial = { primary: booted, next: null, good: { [booted]: true }, attempt: null }
    return new Slots(config, text === undefined ? initial : JSON.parse(text))
  }

  async write(change) {
    this.state = { ...this.state, ...change }
    await writeInOneStep(pathOf(this.config), `${JSON.stringify(this.state, null, 2)}\n`)
  }

  /** Notes what became of the slot on trial. @returns how its attempt stands; undefined without one */
  async settle() {
    const { attempt, good } = this.state
    if (attempt === null) return undefined
    const { verdict, reason } = verdictOf(attempt, trialStatus())
    if (verdict === 'unknown') throw new Error(`what became of slot ${attempt.slot} is unknown: ${reason}`)
    if (verdict === 'not-tried') await this.write({ attempt: null })
    if (verdict === 'taken-back')
      await this.write({ attempt: null, next: null, good: { ...good, [attempt.slot]: false } })
    if (verdict === 'confirmed') await this.makePrimary(attempt.slot)
    return verdict
  }

  /** Only for a slot that was confirmed: the program of the configuration makes the boot loader start it. */
  async makePrimary(slot) {
    await promisify(execFile)(this.config.makeDefault, [slot])
    await this.write({ primary: slot, next: null, attempt: null, good: { ...this.state.good, [slot]: true } })
  }
}

/** RAUC's own mark of the running system, which boot loader and kexec both put on the command line. */
export async function bootedSlot() {
  const slot = / rauc\.slot=(\S+)/.exec(` ${await readFile('/proc/cmdline', 'utf8')}`)?.[1]
  if (slot === undefined) throw new Error('rauc.slot= is not on the command line of the running kernel')
  return slot
}

function pathOf({ directory }) {
  return join(directory, 'slots.json')
}
