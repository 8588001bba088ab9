import { AgentChannel, type Boot, type BootReport, type RunResult } from './agent.ts'
import { ConsoleLog, type ConsoleSection } from './console.ts'
import { listenToMonitor } from './monitor.ts'
import { type Outcome, VmError } from './outcome.ts'
import type { QemuExit, QemuProcess } from './qemu.ts'

/**
 * Default deadline of any wait, in milliseconds: only an event that never comes should reach it. With sixteen programs
 * on two processors an emulated systemd of 11 s took more than 120.
 */
const DEADLINE = 300_000

/** Console lines that go with an outcome; more where a kernel crashed. */
const TAIL = 40

/**
 * Milliseconds between a panic and the end of the run, when the machine does not reset: a crash kernel may still start.
 * It names itself 1 to 6 s after the panic under emulation, and later where others use the CPUs too.
 */
const PANIC_GRACE = 5000

/** Milliseconds QEMU gets to end in an orderly way, flushing its disks, before it is killed. */
const QUIT_GRACE = 5000

export interface Deadline {
  /** Milliseconds, default 300 000. Passing it ends the run as 'timed-out'. */
  readonly deadline?: number
}

interface Waiter {
  readonly waitingFor: string
  reject(error: Error): void
}

/** A running machine. Every wait ends: fulfilled, at its deadline, or with the machine. */
export class Vm {
  /** Resolves when the machine is gone, in any way. Never rejects. */
  readonly outcome: Promise<Outcome>
  readonly #qemu: QemuProcess
  readonly #agent: AgentChannel
  readonly #console = new ConsoleLog()
  readonly #waiters = new Set<Waiter>()
  /** Boots that nobody has requested yet, and requests for boots that have not come yet. At most one has elements. */
  readonly #boots: Boot[] = []
  readonly #bootWaiters: ((boot: Boot) => void)[] = []
  readonly #firstBoot: Promise<void>
  #ending: (() => Outcome) | undefined
  #ended: Outcome | undefined
  /** Whether the machine was switched on or reset since the latest boot, or before the first: then no kexec is next. */
  #startsInFirmware = true
  readonly #eventsSoFar: () => Promise<void>
  /** Why the guest ended QEMU (QMP event SHUTDOWN): 'guest-reset', 'guest-shutdown', … */
  #shutdown: string | undefined
  readonly #panicGrace: number
  readonly #resetAfterPanic: boolean
  #panicTimer: NodeJS.Timeout | undefined

  /** @internal startVm makes machines. */
  constructor(
    qemu: QemuProcess,
    {
      panicGrace = PANIC_GRACE,
      resetAfterPanic = false,
    }: { readonly panicGrace?: number | undefined; readonly resetAfterPanic?: boolean } = {},
  ) {
    this.#qemu = qemu
    this.#panicGrace = panicGrace
    this.#resetAfterPanic = resetAfterPanic
    let up = () => {}
    this.#firstBoot = new Promise((resolve) => {
      up = resolve
    })
    this.#agent = new AgentChannel(qemu.control, (boot) => {
      up()
      void this.#bootedAgain(boot)
    })
    qemu.console.on('data', (chunk: Buffer) => {
      this.#console.push(chunk, performance.now())
      this.#watchForPanic()
    })
    this.#eventsSoFar = listenToMonitor(qemu, (event, reason) => this.#monitorEvent(event, reason))
    this.outcome = qemu.exit.then((exit) => this.#conclude(exit))
  }

  /** Process id of QEMU; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#qemu.pid
  }

  /** The console so far, divided by the kernels that wrote it. */
  get console(): readonly ConsoleSection[] {
    return this.#console.sections()
  }

  /** The console's last lines. */
  consoleTail(lines = TAIL): string[] {
    return this.#console.tail(lines)
  }

  /** Calls `listener` with console text as it comes. @returns a function that ends it */
  onConsole(listener: (text: string) => void): () => void {
    return this.#console.listen(listener)
  }

  /**
   * The next kernel that comes up in the guest. Each boot is handed out once, in order, so a boot that came before the
   * request is not lost. @throws VmError
   */
  booted(options: Deadline = {}): Promise<Boot> {
    const boot = this.#boots.shift()
    if (boot !== undefined) return Promise.resolve(boot)
    const next = new Promise<Boot>((resolve) => this.#bootWaiters.push(resolve))
    return this.#wait('a kernel to come up', options, next)
  }

  /**
   * Runs a script in the guest (/bin/sh, which is dash as on Debian; as root, in /root) and waits for its end. One runs at a time; before the
   * first boot it waits for that. For a script that ends in another kernel, use `spawn`. @throws VmError
   */
  run(script: string, options: Deadline = {}): Promise<RunResult> {
    return this.#wait(
      `\`${shorten(script)}\``,
      options,
      this.#firstBoot.then(() => this.#agent.run(script)),
    )
  }

  /**
   * Starts a shell script in the guest and returns once it has started; its output goes to the console.
   * @returns the time of the request, in milliseconds on the clock of `performance.now()`. @throws VmError
   */
  async spawn(script: string, options: Deadline = {}): Promise<{ at: number }> {
    let at = 0
    const started = this.#firstBoot.then(() => {
      at = performance.now()
      return this.#agent.spawn(script)
    })
    await this.#wait(`the start of \`${shorten(script)}\``, options, started)
    return { at }
  }

  /**
   * Presses the machine's reset button: for its kernel that is a power cut. What it had not written to a disk is lost, and so
   * is the end of a script that `spawn` started. Needs `firmwareReboot`, or the run ends as 'rebooted'.
   */
  reset(): void {
    this.#qemu.monitor.write('{"execute":"system_reset"}\n')
  }

  /** Waits for the machine's end, and changes nothing before the deadline. @returns the outcome: at the deadline, 'timed-out' */
  async ended({ deadline = DEADLINE }: Deadline = {}): Promise<Outcome> {
    const timer = setTimeout(() => this.#endAsTimedOut('the end of the machine', deadline), deadline)
    try {
      return await this.outcome
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends the machine. @returns 'passed', or how it had ended before. */
  stop(): Promise<Outcome> {
    return this.#end(() => ({ kind: 'passed' }))
  }

  /** Ends the machine as failed. @param status an exit status, or null when there is none. */
  fail(status: number | null, reason: string): Promise<Outcome> {
    return this.#end(() => ({ kind: 'failed', status, reason, consoleTail: this.#console.ending(TAIL) }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #wait<T>(waitingFor: string, { deadline = DEADLINE }: Deadline, promise: Promise<T>): Promise<T> {
    if (this.#ended !== undefined) throw new VmError(this.#ended, `asked for ${waitingFor}`)
    let timer: NodeJS.Timeout | undefined
    let waiter: Waiter | undefined
    const ended = new Promise<never>((_, reject) => {
      waiter = { waitingFor, reject }
      this.#waiters.add(waiter)
      timer = setTimeout(() => this.#endAsTimedOut(waitingFor, deadline), deadline)
    })
    try {
      return await Promise.race([promise, ended])
    } finally {
      clearTimeout(timer)
      if (waiter) this.#waiters.delete(waiter)
    }
  }

  #end(ending: () => Outcome, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<Outcome> {
    if (this.#ended === undefined) {
      this.#ending ??= ending
      this.#qemu.kill(signal)
      const timer = setTimeout(() => this.#qemu.kill('SIGKILL'), QUIT_GRACE)
      void this.outcome.then(() => clearTimeout(timer))
    }
    return this.outcome
  }

  #conclude(exit: QemuExit): Outcome {
    clearTimeout(this.#panicTimer)
    const outcome = this.#ending?.() ?? this.#classify(exit)
    this.#ended = outcome
    for (const { waitingFor, reject } of this.#waiters) reject(new VmError(outcome, `waiting for ${waitingFor}`))
    return outcome
  }

  /** The cause of death of a QEMU that ended unexpectedly. */
  #classify(exit: QemuExit): Outcome {
    const consoleTail = this.#console.ending(TAIL)
    const panic = this.#console.panic
    if (panic !== undefined) return { kind: 'panicked', message: panic, consoleTail }
    if (this.#shutdown === 'guest-reset') return { kind: 'rebooted', consoleTail }
    if (this.#shutdown === 'guest-shutdown') {
      const [waiter] = this.#waiters
      if (waiter === undefined) return { kind: 'passed' }
      const reason = `the guest powered itself off, waiting for ${waiter.waitingFor}`
      return { kind: 'failed', status: null, reason, consoleTail }
    }
    return { kind: 'qemu-died', status: exit.status, signal: exit.signal, stderr: exit.words, consoleTail }
  }

  async #bootedAgain(report: BootReport): Promise<void> {
    if (this.#agent.isBusy) {
      void this.fail(
        null,
        `${report.release} came up while a script was running; scripts that end in another kernel need spawn()`,
      )
      return
    }
    // A reset is reported on another socket than a boot. It came long before, but this process may read both at once.
    await this.#eventsSoFar()
    const boot: Boot = { ...report, startedBy: this.#startsInFirmware ? 'firmware' : 'kexec' }
    this.#startsInFirmware = false
    const waiter = this.#bootWaiters.shift()
    if (waiter) waiter(boot)
    else this.#boots.push(boot)
  }

  #monitorEvent(event: string, reason: string | undefined): void {
    if (event === 'SHUTDOWN') this.#shutdown = reason
    if (event === 'RESET') this.#startsInFirmware = true
    // A reset that is allowed: but not when it is the way a panic ends. The console's last bytes may come after the event.
    if (event === 'RESET' && !this.#resetAfterPanic)
      setTimeout(() => this.#console.panic !== undefined && this.#endAsPanicked(), 50)
    if (event === 'GUEST_PANICKED') this.#watchForPanic('reported by the guest')
  }

  #watchForPanic(message = this.#console.panic): void {
    if (message === undefined) {
      clearTimeout(this.#panicTimer)
      this.#panicTimer = undefined
    } else {
      this.#panicTimer ??= setTimeout(() => this.#endAsPanicked(), this.#panicGrace)
    }
  }

  #endAsTimedOut(waitingFor: string, deadline: number): void {
    const ending = (): Outcome => ({ kind: 'timed-out', waitingFor, deadline, consoleTail: this.#console.ending(TAIL) })
    void this.#end(ending, 'SIGKILL')
  }

  #endAsPanicked(): void {
    const message = this.#console.panic ?? 'reported by the guest'
    void this.#end(() => ({ kind: 'panicked', message, consoleTail: this.#console.ending(TAIL) }))
  }
}

function shorten(script: string): string {
  const [first = ''] = script.trim().split('\n', 1)
  return first.length < script.trim().length || first.length > 80 ? `${first.slice(0, 77)}…` : first
}
