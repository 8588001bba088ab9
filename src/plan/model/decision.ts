import type { KexecError } from '../../errors.ts'

/** One choice a plan made, and why. */
export interface Decision {
  readonly subject:
    | 'kernel'
    | 'initrd'
    | 'overlay'
    | 'bootconfig'
    | 'command line'
    | 'parameter'
    | 'engine'
    | 'device tree'
    | 'fast'
    | 'purgatory'
    | 'kind'
    | 'verdict'
  readonly choice: string
  readonly reason: string
}

/** What a plan collects while it is made: everything is told together, not one thing at a time. */
export class Findings {
  readonly decisions: Decision[] = []
  readonly warnings: string[] = []
  readonly refusals: KexecError[] = []
  readonly unchecked: string[] = []

  decide(subject: Decision['subject'], choice: string, reason: string): void {
    this.decisions.push({ subject, choice, reason })
  }

  warn(warning: string): void {
    this.warnings.push(warning)
  }

  refuse(refusal: KexecError): void {
    this.refusals.push(refusal)
  }

  /** What could not be known, and why: nothing is guessed. */
  leaveUnchecked(what: string): void {
    this.unchecked.push(what)
  }

  /** Takes over what was found elsewhere. */
  add({ decisions, warnings, refusals, unchecked }: Findings): void {
    this.decisions.push(...decisions)
    this.warnings.push(...warnings)
    this.refusals.push(...refusals)
    this.unchecked.push(...unchecked)
  }
}
