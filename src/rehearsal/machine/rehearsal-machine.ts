import { throwIfAborted } from '../../abort.ts'
import type { Architecture } from '../../vm/machine/architectures.ts'
import { ConsoleLog } from '../../vm/machine/console.ts'
import { listenToMonitor } from '../../vm/machine/monitor.ts'
import { type QemuExit, type QemuOptions, type QemuProcess, startQemu } from '../../vm/machine/qemu.ts'
import type { GuestError, GuestReport, RehearsalOutcome, RehearsalPhase } from '../model/rehearsal.ts'
import { type ReportEvent, ReportReader } from './report-port.ts'

/** Milliseconds from a panic's first words to the end: the trace follows them. */
const PANIC_TRACE = 1500

/** Milliseconds that the loading kernel may take to boot, and to load, at least: it is known to work, and hosts are busy. */
const LOADING = 300_000

/** Milliseconds without a line at the deadline, from which on the kernel counts as hung. */
const QUIET = 10_000

/** Characters of the console that are kept: a guest may print for ever. */
const MOST_TEXT = 4 * 1024 * 1024

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
  /** The words of the reports of the loading kernel and of the new one. */
  readonly words: { readonly loading: string; readonly loaded: string }
  /** Milliseconds that each phase of the new kernel may take. */
  readonly timeout: number
  /** Success is this text on the console, after the jump; null: the end of the first process' work. */
  readonly expect: string | null
  readonly signal?: AbortSignal | undefined
  readonly onPhase?: ((phase: RehearsalPhase) => void) | undefined
  readonly onConsole?: ((text: string) => void) | undefined
}

export interface MachineRecord {
  readonly outcome: RehearsalOutcome
  readonly report: GuestReport | null
  readonly phases: Partial<Record<RehearsalPhase, number>>
  readonly console: string
}

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
  #lastOutput = performance.now()
  /** The text since the jump. */
  #after = ''
  #hasJumped = false
  #commands = 0
  #report: GuestReport | null = null
  #shutdown: string | undefined
  #timer: NodeJS.Timeout | undefined
  #panicTimer: NodeJS.Timeout | undefined
  #outcome: RehearsalOutcome | undefined
  /** Of a function of the caller. */
  #failure: { readonly error: unknown } | undefined

  constructor(request: RehearsalRequest) {
    this.#request = request
    throwIfAborted(request.signal)
    this.#qemu = startQemu({ ...request.qemu, architecture: request.architecture, disks: [], survivesReset: false })
    const { loading, loaded } = request.words
    const reader = () =>
      new ReportReader([loading, loaded], (word, event) =>
        word === loading ? this.#loading(event) : this.#loaded(event),
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
    listenToMonitor(this.#qemu, (event, reason) => {
      if (event === 'SHUTDOWN') this.#shutdown = reason
      if (event === 'GUEST_PANICKED') this.#panicked('reported by the guest')
    })
    const abort = () => this.#qemu.kill('SIGKILL')
    request.signal?.addEventListener('abort', abort, { once: true })
    this.#restartTimer()
    this.#call(() => request.onPhase?.('first boot'))
    this.record = this.#qemu.exit.then((exit) => {
      clearTimeout(this.#timer)
      clearTimeout(this.#panicTimer)
      request.signal?.removeEventListener('abort', abort)
      throwIfAborted(request.signal)
      if (this.#failure !== undefined) throw this.#failure.error
      return this.#conclude(exit)
    })
  }

  /** Calls a function of the caller: an exception of it ends the rehearsal, and must not leave QEMU behind. */
  #call(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#failure ??= { error }
      this.#qemu.kill('SIGKILL')
    }
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
    const time = this.#hasJumped ? timeout : Math.max(timeout, LOADING)
    this.#timer = setTimeout(() => this.#timedOut(), Math.min(time, LONGEST))
  }

  #end(outcome: RehearsalOutcome): void {
    this.#outcome ??= outcome
    this.#qemu.kill('SIGKILL')
  }

  #loading(event: ReportEvent): void {
    if (event.kind === 'up') this.#enter('load')
    if (event.kind === 'begin') {
      this.#commands += 1
      // The second command makes the jump.
      if (this.#commands === 2) this.#jump()
    }
    if (event.kind === 'end' && event.status !== 0)
      this.#end({ kind: event.status === 3 ? 'refused' : 'not-loaded', error: errorOf(event) })
  }

  #jump(): void {
    this.#hasJumped = true
    this.#after = ''
    this.#enter('jump')
  }

  #loaded(event: ReportEvent): void {
    if (event.kind === 'up') {
      this.#report = event.report
      this.#enter('run')
    }
    if (event.kind === 'end' && event.status !== 0) this.#end({ kind: 'failed', status: event.status })
    if (event.kind === 'done') this.#succeed()
  }

  #succeed(): void {
    const { crash } = this.#console
    this.#end(crash === undefined ? { kind: 'passed' } : { kind: 'oopsed', message: crash })
  }

  #printed(text: string): void {
    this.#lastOutput = performance.now()
    if (this.#hasJumped) {
      this.#after = (this.#after + text).slice(-MOST_TEXT)
      if (this.#phase === 'jump' && this.#hasNewKernelPrinted()) this.#enter('boot')
    }
    this.#call(() => this.#request.onConsole?.(text))
  }

  /** What the old kernel says of the jump does not count. */
  #hasNewKernelPrinted(): boolean {
    const last = [...this.#after.matchAll(oldKernelEnds)].at(-1)
    return last !== undefined && this.#after.slice(last.index + last[0].length).trim() !== ''
  }

  #watch(): void {
    const { expect } = this.#request
    if (expect !== null && this.#hasJumped && this.#after.includes(expect)) this.#succeed()
    if (this.#console.panic !== undefined) this.#panicked(this.#console.panic)
  }

  #panicked(message: string): void {
    this.#panicTimer ??= setTimeout(
      () => this.#end(panicOutcome(this.#console.panic ?? message, this.#phase)),
      PANIC_TRACE,
    )
  }

  #timedOut(): void {
    const phase = this.#phase
    if (phase === 'jump') this.#end({ kind: 'silent' })
    else if (performance.now() - this.#lastOutput < QUIET) this.#end({ kind: 'timed-out', phase })
    else this.#end({ kind: 'hung', phase, after: lastLine(this.#console.tail(1)) })
  }

  #conclude(exit: QemuExit): MachineRecord {
    this.#times[this.#phase] = (this.#times[this.#phase] ?? 0) + performance.now() - this.#since
    const text = this.#console.sections().map((section) => section.text)
    return {
      outcome: this.#outcome ?? this.#classify(exit),
      report: this.#report,
      phases: this.#times,
      console: this.#hasJumped ? this.#after : text.join('\n'),
    }
  }

  /** QEMU ended by itself. */
  #classify({ status, words }: QemuExit): RehearsalOutcome {
    const { panic } = this.#console
    if (panic !== undefined) return panicOutcome(panic, this.#phase)
    if (this.#shutdown === 'guest-reset') return { kind: 'rebooted', phase: this.#phase }
    if (this.#shutdown === 'guest-shutdown') return { kind: 'powered-off', phase: this.#phase }
    return { kind: 'qemu-died', status, message: words }
  }
}

function lastLine(lines: readonly string[]): string {
  return lines.at(-1)?.trim() ?? ''
}

/** The kernel's own words for these two: init/do_mounts.c, and init/main.c and kernel/exit.c. */
function panicOutcome(message: string, phase: RehearsalPhase): RehearsalOutcome {
  if (/VFS: Unable to mount root fs/.test(message)) return { kind: 'root-not-found', message }
  if (/No working init found|Requested init .* failed|Attempted to kill init/.test(message))
    return { kind: 'init-failed', message }
  return { kind: 'panicked', phase, message }
}

/** Of `--json`, the error that the command printed. */
function errorOf({ status, output }: Extract<ReportEvent, { kind: 'end' }>): GuestError {
  try {
    const { error } = JSON.parse(output) as { error?: GuestError }
    if (error !== undefined) return error
  } catch {
    // It came to no document.
  }
  return { reason: 'io', message: `the command in the guest ended with status ${status}` }
}
