import { expect } from 'vitest'
import type { Boot } from '../../../src/vm/index.ts'
import { json } from '../guests.ts'
import type { Random } from './random.ts'
import type { MenuName } from './slot-disk.ts'
import type { SlotMachine, Standing } from './slot-machine.ts'

/** How a trial is set up, besides its kind. */
export interface Circumstances {
  readonly menu: MenuName
  readonly isWatched: boolean
  readonly engine: 'auto' | 'file' | 'segments'
  readonly fast: boolean
  readonly start: string
}

export function drawCircumstances(random: Random): Circumstances {
  return {
    menu: random.pick(['saved-old', 'saved-new', 'newest']),
    isWatched: random.chance(0.3),
    engine: random.pick(['auto', 'file', 'segments']),
    fast: random.chance(0.3),
    start: random.pick(['linux-kexec reboot --via direct', 'linux-kexec exec', 'linux-kexec exec --no-sync']),
  }
}

/** What a load has planned. */
export interface Planned {
  readonly commandLine: string
  readonly trial: {
    readonly id: string
    readonly guards: { readonly watchdog: { readonly latest: number } | null }
  }
}

/** Milliseconds beyond a deadline: the deadman's line, its five seconds for the disks, and a busy host. */
const GRACE = 15_000

/** One trial on the machine, and what must be true of it whatever happens. */
export class Trial {
  readonly machine: SlotMachine
  readonly random: Random
  readonly circumstances: Circumstances
  #before: Standing | undefined
  #started = 0

  constructor(machine: SlotMachine, random: Random, circumstances: Circumstances) {
    this.machine = machine
    this.random = random
    this.circumstances = circumstances
  }

  get vm() {
    return this.machine.vm
  }

  /** How the trial before stands. */
  get before(): Standing {
    if (this.#before === undefined) throw new Error('the trial was not prepared')
    return this.#before
  }

  async prepare(): Promise<void> {
    const { menu, isWatched } = this.circumstances
    this.#before = await this.machine.prepare(menu, isWatched)
  }

  /** Seconds in which the new kernel comes up, several times over. */
  get enough(): number {
    return Math.ceil((3 * this.machine.bootTime) / 1000) + 15
  }

  loadCommand(options: string, what = 'newest'): string {
    const { menu, isWatched, engine, fast } = this.circumstances
    return [
      `linux-kexec load ${what} ${isWatched ? '--trial' : '--trial=best-effort'} ${options}`,
      ...(menu === 'saved-old' ? [] : ['--fallback a']),
      `--engine ${engine}`,
      ...(fast ? ['--fast'] : []),
    ].join(' ')
  }

  /** Loads the newer kernel on trial. */
  async load(options: string, what?: string): Promise<Planned> {
    const load = await json(this.vm, this.loadCommand(options, what), { deadline: 300_000 })
    expect(load, load.stderr).toMatchObject({ status: 0 })
    return load.document.plan
  }

  /** Starts the kernel that is loaded. */
  async start(): Promise<void> {
    this.#started = performance.now()
    await this.vm.spawn(this.circumstances.start)
  }

  /** Waits until slot B is up, which must be the planned one. */
  async up(plan: Planned): Promise<Boot> {
    const boot = await this.machine.booted()
    expect(boot).toMatchObject({ release: this.machine.newer, commandLine: plan.commandLine })
    return boot
  }

  async confirm(options = '') {
    return await json(this.vm, `linux-kexec trial confirm ${options}`)
  }

  /** The trial runs, and nobody may say that it is confirmed. */
  async runs(plan: Planned): Promise<void> {
    const { status } = await this.machine.standing()
    expect(status).toMatchObject({
      outcome: 'running',
      isRunning: true,
      differences: [],
      record: { id: plan.trial.id },
    })
  }

  /**
   * Waits until the machine has come back to slot A by itself, and looks at what it says.
   * @param within milliseconds from the start of the new kernel to the reset, at most
   * @param least milliseconds that it must have had
   */
  async takenBack(plan: Planned, { within, least = 0, outcome = 'taken-back' }: Return): Promise<Standing> {
    let boot = await this.machine.booted()
    // The kernel on trial may have come up before.
    if (boot.commandLine === plan.commandLine) boot = await this.machine.booted()
    const kernel = this.#sectionOf(plan)
    const begin = kernel?.startedAt ?? this.#started
    const reset = this.vm.console.at(-1)?.startedAt ?? 0
    expect(boot.at - begin, 'milliseconds until slot A was up again').toBeLessThan(
      within + GRACE + Math.max(3 * this.machine.bootTime, 45_000),
    )
    expect(reset - begin, 'milliseconds from one kernel to the next').toBeGreaterThan(least - 2000)
    return await this.cameBack(boot, plan.trial.id, [outcome])
  }

  /** The section of the console that the kernel on trial wrote; a kernel that hung at once wrote none. */
  #sectionOf({ trial }: Planned) {
    return this.vm.console.findLast(({ text }) => text.includes(`linux_kexec.trial=${trial.id}`))
  }

  /** Slot A runs as before, and the record of the trial says one of these. */
  async cameBack(boot: Boot, id: string, outcomes: readonly string[]): Promise<Standing> {
    expect(boot.release, 'slot A runs').toBe(this.machine.older)
    const standing = await this.truthful(boot)
    expect(standing.status.record?.id, 'the record is of this trial').toBe(id)
    expect(outcomes).toContain(standing.status.outcome)
    return standing
  }

  /** What must be true after each reset, in either slot: no trial runs, none can be confirmed, and no file is damaged. */
  async truthful(boot: Boot): Promise<Standing> {
    expect(boot.commandLine).not.toContain('linux_kexec')
    const standing = await this.machine.standing()
    expect(standing.release).toBe(boot.release)
    const { status, history } = standing
    expect(['unreadable', 'unrecorded', 'running']).not.toContain(status.outcome)
    expect(status).toMatchObject({ isRunning: false, runningTrial: null, problem: null, differences: [] })
    const refused = await this.confirm()
    expect(refused.status, 'a kernel that is not on trial cannot be confirmed').not.toBe(0)
    expect(new Set(history).size, 'each trial is in the history once').toBe(history.length)
    const earlier = this.before.status.record?.id
    if (earlier !== undefined && earlier !== status.record?.id)
      expect(history, 'the trial before is in the history').toContain(earlier)
    return standing
  }
}

interface Return {
  readonly within: number
  readonly least?: number
  readonly outcome?: string
}
