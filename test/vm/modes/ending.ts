import type { Run } from './conduct.ts'

/** The end of one scenario, which its tests wait for: its run, or why there is none. Only the first word counts. */
export class Ending {
  /** The run; undefined as long as it has not ended. */
  run: Run | undefined
  readonly reached: Promise<Run>
  fail!: (error: unknown) => void
  #resolve!: (run: Run) => void

  constructor() {
    this.reached = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.fail = reject
    })
    // Whoever waits for it hears of a failure; until then it is nobody's unhandled rejection.
    this.reached.catch(() => undefined)
  }

  reach(run: Run): void {
    this.run = run
    this.#resolve(run)
  }
}
