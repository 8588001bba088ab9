/** How a machine's run ended: one of these, once. All but the first carry the console's last lines. */
export type Outcome =
  /** It was stopped on request, or powered itself off while nobody waited for anything. */
  | { readonly kind: 'passed' }
  /**
   * A program in it did not succeed. `status` is the exit status, or null when there is none: `reason` has the cause.
   */
  | {
      readonly kind: 'failed'
      readonly status: number | null
      readonly reason: string
      readonly consoleTail: readonly string[]
    }
  /** A kernel panicked. `message` is the text after "not syncing". */
  | { readonly kind: 'panicked'; readonly message: string; readonly consoleTail: readonly string[] }
  /** A deadline (milliseconds) passed. */
  | {
      readonly kind: 'timed-out'
      readonly waitingFor: string
      readonly deadline: number
      readonly consoleTail: readonly string[]
    }
  /** QEMU did not start, or ended without the guest or us asking for it. */
  | {
      readonly kind: 'qemu-died'
      readonly status: number | null
      readonly signal: string | null
      readonly stderr: string
      readonly consoleTail: readonly string[]
    }
  /** The machine was reset through its firmware although that was not allowed: a reboot, or a triple fault. */
  | { readonly kind: 'rebooted'; readonly consoleTail: readonly string[] }

/** A wait that can no longer be fulfilled: the run has ended, and `outcome` says how. */
export class VmError extends Error {
  override readonly name = 'VmError'
  readonly outcome: Outcome

  constructor(outcome: Outcome, doing: string) {
    super(withConsole(`${headlineOf(outcome)} (${doing})`, outcome.kind === 'passed' ? [] : outcome.consoleTail))
    this.outcome = outcome
  }
}

/** Stands between a message and the lines of a console; who finds it in a message adds no others. */
export const CONSOLE_FOLLOWS = 'The console ended with:'

export function withConsole(message: string, lines: readonly string[]): string {
  return lines.length === 0 ? message : [message, CONSOLE_FOLLOWS, ...lines.map((line) => `  ${line}`)].join('\n')
}

/** An outcome in a few words, without its console. */
export function headlineOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'passed':
      return 'the machine has been stopped'
    case 'failed':
      return outcome.status === null ? outcome.reason : `${outcome.reason} (status ${outcome.status})`
    case 'panicked':
      return `the kernel panicked: ${outcome.message}`
    case 'timed-out':
      return `timed out after ${outcome.deadline} ms, waiting for ${outcome.waitingFor}`
    case 'qemu-died':
      return `QEMU died (${outcome.signal ?? `status ${outcome.status}`})${outcome.stderr === '' ? '' : `: ${outcome.stderr}`}`
    case 'rebooted':
      return 'the machine was reset through its firmware'
  }
}
