import { throwIfAborted } from '../../abort.ts'
import type { Architecture } from '../../vm/machine/architectures.ts'
import { ConsoleLog } from '../../vm/machine/console.ts'
import { listenToMonitor } from '../../vm/machine/monitor.ts'
import { type QemuExit, type QemuOptions, type QemuProcess, startQemu } from '../../vm/machine/qemu.ts'
import type { GuestReport, Lockdown, RehearsalOutcome, RehearsalPhase, RehearsalRecord } from '../model/rehearsal.ts'
import { errorOf, initrdOutcome, notLockedDown, panicOutcome, refusesItsAccelerator } from './outcomes.ts'
import { processorState } from './processor.ts'
import { RecentText } from './recent-text.ts'
import { type ReportEvent, ReportReader } from './report-port.ts'

/** Milliseconds from a panic's first words to the end: the trace follows them. */
const PANIC_TRACE = 1500

/** Milliseconds that the loading kernel may take to boot, and to load, at least: it is known to work, and hosts are busy. */
const LOADING = 300_000

/** Milliseconds without a line at the deadline, from which on the kernel counts as hung. */
const QUIET = 10_000

/** Milliseconds from the last words of an initrd's init to the end: its reasons follow them. */
const GIVING_UP = 3000

/** The longest time of setTimeout(), milliseconds: a longer one ends at once. */
const LONGEST = 2 ** 31 - 1

/**
 * The last lines of a kernel that starts another (kernel/kexec_core.c; arch/arm64/kernel/machine_kexec.c), or, where its log
 * level hides them, the place before the first line of the new one.
 */
const oldKernelEnds = /(?:Starting new kernel|Bye!)[^\n]*\n|(?=Linux version \S+ \()/g

export interface RehearsalRequest {
  readonly architecture: Architecture
  readonly qemu: Omit<QemuOptions, 'architecture' | 'survivesReset' | 'disks'>
  /** The words of the reports of the loading kernel, of those between, and of the last one. */
  readonly words: { readonly loading: string; readonly between: string; readonly loaded: string }
  /** How many kexecs there are in a row. */
  readonly count: number
  /** Milliseconds that each phase of the new kernel may take. */
  readonly timeout: number
  /** Success is this text on the console, after the jump; null: the end of the first process' work. */
  readonly expect: string | null
  /** The last kernel runs the init of its initrd, which says on the console when it gives up. */
  readonly runsInitrdInit: boolean
  /** The loading kernel must be locked down so far. */
  readonly lockdown: Lockdown | null
  /** What is not as planned in a kernel between the first and the last. */
  readonly differencesBetween: (report: GuestReport) => readonly string[]
  readonly signal?: AbortSignal | undefined
  /** Called when QEMU has read its files. */
  readonly onStarted?: (() => Promise<void>) | undefined
  readonly onPhase?: ((phase: RehearsalPhase) => void) | undefined
  readonly onConsole?: ((text: string) => void) | undefined
}

export type MachineRecord = Pick<RehearsalRecord, 'outcome' | 'report' | 'phases' | 'console' | 'kexec'>

/** Runs the machine to the end of the rehearsal. @throws ProvisionError without QEMU; KexecError 'aborted' */
export function runRehearsal(request: RehearsalRequest): Promise<MachineRecord> {
  return new RehearsalMachine(request).record
}

class RehearsalMachine {
  readonly record: Promise<MachineRecord>
  readonly #request: RehearsalRequest
  readonly #qemu: QemuProcess
  readonly #console = new ConsoleLog()
  readonly #times: Partial<Record<RehearsalPhase, number>> = {}
  #phase: RehearsalPhase = 'first boot'
  #since = performance.now()
  #lastOutput: number | undefined
  /** The console since the last jump. */
  readonly #after: RecentText
  /** Jumps that were made. */
  #kexec = 0
  /** Commands that the present kernel has begun. */
  #commands = 0
  #report: GuestReport | null = null
  #shutdown: string | undefined
  #timer: NodeJS.Timeout | undefined
  #endTimer: NodeJS.Timeout | undefined
  #outcome: RehearsalOutcome | undefined
  /** Of a function of the caller. */
  #failure: { readonly error: unknown } | undefined

  constructor(request: RehearsalRequest) {
    this.#request = request
    throwIfAborted(request.signal)
    this.#after = new RecentText(request.expect?.length)
    this.#qemu = startQemu({ ...request.qemu, architecture: request.architecture, disks: [], survivesReset: false })
    this.#listen()
    const abort = () => this.#qemu.kill('SIGKILL')
    request.signal?.addEventListener('abort', abort, { once: true })
    this.#restartTimer()
    this.#call(() => request.onPhase?.('first boot'))
    this.record = this.#qemu.exit.then((exit) => {
      clearTimeout(this.#timer)
      clearTimeout(this.#endTimer)
      request.signal?.removeEventListener('abort', abort)
      throwIfAborted(request.signal)
      if (this.#failure !== undefined) throw this.#failure.error
      return this.#conclude(exit)
    })
  }

  #listen(): void {
    const { loading, between, loaded } = this.#request.words
    const reader = () =>
      new ReportReader([loading, between, loaded], (word, event) =>
        word === loaded ? this.#loaded(event) : this.#loading(event),
      )
    const [fromPort, fromConsole] = [reader(), reader()]
    // A character may come in two chunks.
    this.#qemu.control.setEncoding('utf8').on('data', (text: string) => fromPort.push(text))
    this.#console.listen((text) => {
      this.#printed(text)
      fromConsole.push(text)
    })
    this.#qemu.console.on('data', (chunk: Buffer) => {
      this.#console.push(chunk, performance.now())
      this.#watch()
    })
    this.#awaitStart()
    listenToMonitor(this.#qemu, (event, reason) => {
      if (event === 'SHUTDOWN') this.#shutdown = reason
      if (event === 'GUEST_PANICKED') this.#panicked('reported by the guest')
    })
  }

  /** QEMU greets from a thread of its own, but answers a command only when the machine is complete, with all its files read. */
  #awaitStart(): void {
    const { monitor } = this.#qemu
    let words = ''
    const take = (chunk: Buffer) => {
      words += chunk.toString()
      if (!words.includes('"return"')) return
      monitor.off('data', take)
      void this.#request.onStarted?.().catch((error) => this.#fail(error))
    }
    monitor.on('data', take)
  }

  /** Calls a function of the caller: an exception of it ends the rehearsal, and must not leave QEMU behind. */
  #call(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#qemu.kill('SIGKILL')
  }

  #enter(phase: RehearsalPhase): void {
    const now = performance.now()
    this.#times[this.#phase] = (this.#times[this.#phase] ?? 0) + now - this.#since
    this.#since = now
    this.#phase = phase
    this.#restartTimer()
    this.#call(() => this.#request.onPhase?.(phase))
  }

  #restartTimer(): void {
    clearTimeout(this.#timer)
    const { timeout } = this.#request
    const isLoading = this.#kexec === 0 || this.#phase === 'load'
    const time = isLoading ? Math.max(timeout, LOADING) : timeout
    this.#timer = setTimeout(() => void this.#timedOut(), Math.min(time, LONGEST))
  }

  #end(outcome: RehearsalOutcome): void {
    this.#outcome ??= outcome
    this.#qemu.kill('SIGKILL')
  }

  /** Ends it when what follows the first words of a failure has come. */
  #endLater(milliseconds: number, outcome: () => RehearsalOutcome): void {
    this.#endTimer ??= setTimeout(() => this.#end(outcome()), milliseconds)
  }

  /** Of the first kernel, and of those between that and the last: they load the next one. */
  #loading(event: ReportEvent): void {
    if (this.#outcome !== undefined) return
    if (event.kind === 'up') this.#loaderIsUp(event.report)
    if (event.kind === 'begin') {
      this.#commands += 1
      // The second command makes the jump.
      if (this.#commands === 2) this.#jump()
    }
    if (event.kind === 'end' && event.status !== 0)
      this.#end({ kind: event.status === 3 ? 'refused' : 'not-loaded', error: errorOf(event) })
  }

  #loaderIsUp(report: GuestReport): void {
    this.#commands = 0
    this.#enter('load')
    if (this.#kexec > 0) {
      const differences = this.#request.differencesBetween(report)
      if (differences.length > 0) this.#end({ kind: 'not-as-planned', differences })
      return
    }
    const { lockdown } = this.#request
    if (lockdown !== null && report.lockdown !== lockdown) this.#end(notLockedDown(lockdown))
  }

  #jump(): void {
    const { crash } = this.#console
    // Of a kernel between, which came so far in spite of it.
    if (this.#kexec > 0 && crash !== undefined) {
      this.#end({ kind: 'oopsed', message: crash })
      return
    }
    this.#kexec += 1
    this.#after.clear()
    this.#enter('jump')
  }

  #loaded(event: ReportEvent): void {
    if (this.#outcome !== undefined) return
    if (event.kind === 'up') {
      this.#report = event.report
      this.#enter('run')
    }
    if (event.kind === 'root' && this.#report !== null) this.#report = { ...this.#report, root: event.program }
    if (event.kind === 'no-init')
      // In the kernel's words (init/main.c).
      this.#end({ kind: 'init-failed', message: `Failed to execute the init of the initrd (error -${event.errno})` })
    if (event.kind === 'end' && event.status !== 0) this.#end({ kind: 'failed', status: event.status })
    if (event.kind === 'done') this.#succeed()
  }

  #succeed(): void {
    const { crash } = this.#console
    this.#end(crash === undefined ? { kind: 'passed' } : { kind: 'oopsed', message: crash })
  }

  #printed(text: string): void {
    this.#lastOutput = performance.now()
    if (this.#kexec > 0) {
      this.#after.push(text)
      if (this.#phase === 'jump' && this.#hasNewKernelPrinted()) this.#enter('boot')
    }
    this.#call(() => this.#request.onConsole?.(text))
  }

  /** What the old kernel says of the jump does not count. */
  #hasNewKernelPrinted(): boolean {
    const { recent } = this.#after
    const last = [...recent.matchAll(oldKernelEnds)].at(-1)
    return last !== undefined && recent.slice(last.index + last[0].length).trim() !== ''
  }

  #watch(): void {
    const { expect, count, runsInitrdInit } = this.#request
    const { panic } = this.#console
    if (panic !== undefined) this.#panicked(panic)
    if (this.#kexec < count) return
    if (expect !== null && this.#after.recent.includes(expect)) this.#succeed()
    else if (runsInitrdInit && initrdOutcome(this.#after.recent) !== undefined)
      this.#endLater(GIVING_UP, () => initrdOutcome(this.#after.text()) as RehearsalOutcome)
  }

  #panicked(message: string): void {
    this.#endLater(PANIC_TRACE, () => panicOutcome(this.#console.panic ?? message, this.#phase))
  }

  async #timedOut(): Promise<void> {
    const phase = this.#phase
    const last = this.#lastOutput
    if (phase === 'first boot' && last === undefined && this.#request.qemu.accelerator === 'kvm')
      this.#end({ kind: 'accelerator-unusable', message: 'the kernel that loads the plan printed nothing under KVM' })
    else if (phase === 'jump') this.#end({ kind: 'silent', processor: await processorState(this.#qemu) })
    else if (last !== undefined && performance.now() - last < QUIET) this.#end({ kind: 'timed-out', phase })
    else this.#end({ kind: 'hung', phase, after: lastLine(this.#console.tail(1)) })
  }

  #conclude(exit: QemuExit): MachineRecord {
    this.#times[this.#phase] = (this.#times[this.#phase] ?? 0) + performance.now() - this.#since
    const text = this.#console.sections().map((section) => section.text)
    return {
      outcome: this.#outcome ?? this.#classify(exit),
      kexec: this.#kexec,
      report: this.#report,
      phases: this.#times,
      console: this.#kexec > 0 ? this.#after.text() : text.join('\n'),
    }
  }

  /** QEMU ended by itself. */
  #classify({ status, words }: QemuExit): RehearsalOutcome {
    const { panic } = this.#console
    if (panic !== undefined) return panicOutcome(panic, this.#phase)
    // An init that gives up with panic= on the command line restarts the machine.
    const failure = this.#request.runsInitrdInit ? initrdOutcome(this.#after.text()) : undefined
    if (failure !== undefined) return failure
    if (this.#shutdown === 'guest-reset') return { kind: 'rebooted', phase: this.#phase }
    if (this.#shutdown === 'guest-shutdown') return { kind: 'powered-off', phase: this.#phase }
    if (this.#lastOutput === undefined && refusesItsAccelerator(words))
      return { kind: 'accelerator-unusable', message: words }
    return { kind: 'qemu-died', status, message: words }
  }
}

function lastLine(lines: readonly string[]): string {
  return lines.at(-1)?.trim() ?? ''
}
