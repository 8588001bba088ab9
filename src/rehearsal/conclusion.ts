import { parseCommandLine } from '../cmdline/parse.ts'
import type { KexecError } from '../errors.ts'
import type { Architecture } from '../vm/machine/architectures.ts'
import { causeOf } from './cause.ts'
import type { PlanFile } from './guest/plan-files.ts'
import type { MachineRecord } from './machine/rehearsal-machine.ts'
import type { GuestReport, RehearsalOutcome, RehearsalRecord } from './model/rehearsal.ts'

/** What was to happen in the machine. */
export interface Intended {
  /** Of the last kernel, with everything that was added. */
  readonly commandLine: string
  /** Null without an initrd. */
  readonly initrd: PlanFile | null
  readonly architecture: Architecture
  readonly hasDisk: boolean
  readonly count: number
}

/** The outcome of a machine, with its likely cause. */
export function concluded(record: MachineRecord, intended: Intended): RehearsalRecord {
  const { commandLine, initrd, architecture, hasDisk, count } = intended
  const differences = record.report === null ? [] : differencesOf(record.report, commandLine, initrd)
  const outcome: RehearsalOutcome =
    record.outcome.kind === 'passed' && differences.length > 0
      ? { kind: 'not-as-planned', differences }
      : record.outcome
  const cause = causeOf({ ...record, outcome, commandLine, initrd, port: architecture.console, hasDisk })
  return { ...record, outcome, cause, count }
}

/** The new kernel must have got what was planned. */
export function differencesOf(report: GuestReport, commandLine: string, initrd: PlanFile | null): string[] {
  const seen = parseCommandLine(report.commandLine).parameters.map(({ raw }) => raw)
  const planned = parseCommandLine(commandLine).parameters.map(({ raw }) => raw)
  const isSame = seen.length === planned.length && planned.every((raw, index) => raw === seen[index])
  return [
    ...(isSame ? [] : [`its command line was '${report.commandLine}', and '${commandLine}' was planned`]),
    ...(report.initrd === null || initrd === null || isSameInitrd(report.initrd, initrd)
      ? []
      : [`its initrd had ${report.initrd.size} bytes with another checksum than the ${initrd.size} that were loaded`]),
  ]
}

function isSameInitrd(seen: { size: number; crc32: number }, { size, crc32 }: PlanFile): boolean {
  return seen.size === size && seen.crc32 === crc32
}

/** A plan that is refused before there is a machine. */
export function refused(error: KexecError, count: number): RehearsalRecord {
  const { reason, summary: message, hint, evidence } = error
  const outcome: RehearsalOutcome = {
    kind: 'refused',
    error: { reason, message, evidence, ...(hint === undefined ? {} : { hint }) },
  }
  return { outcome, cause: hint ?? null, count, kexec: 0, report: null, phases: {}, console: '' }
}
