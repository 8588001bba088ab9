import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds between two attempts. */
const PAUSE = 2000

/** Milliseconds of the deadline that are left for confirming. */
const MARGIN = 10_000

/**
 * Whether the new system does its work. This is the least that an updater must know: that the next update can be fetched.
 * Add what your appliance is for.
 * @param canUpdate throws while the server cannot be reached @param timeLeft milliseconds until the deadline
 */
export async function isHealthy({ canUpdate, timeLeft }) {
  const end = Date.now() + timeLeft - MARGIN
  for (;;) {
    try {
      await canUpdate()
      return true
    } catch (error) {
      console.error(`not healthy yet: ${error.message}`)
      if (Date.now() + PAUSE > end) return false
      await sleep(PAUSE)
    }
  }
}
