import { appendParameters, checkCommandLineText, removeParameter } from '../../cmdline/edit.ts'
import { type CommandLine, parseCommandLine, printCommandLine } from '../../cmdline/parse.ts'
import { reuseCommandLine, withoutBoot, withoutIdleMarks } from '../../cmdline/reuse.ts'
import { crashCommandLine } from '../../crash-kernel/parameters.ts'
import { KexecError } from '../../errors.ts'
import { flagName, optionName } from '../../option-name.ts'
import type { System } from '../../system/system.ts'
import type { Context } from '../context/context.ts'
import { ownCommandLine } from '../context/kernel.ts'
import type { Choice, PlanDecision } from '../model/decision.ts'
import { listOf } from '../model/options.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { withTrial } from '../trial/command-line.ts'
import type { PossibleTrial } from '../trial/guards.ts'
import { fastParameters } from './fast-parameters.ts'

/** The chosen command line. */
export interface ChosenCommandLine {
  readonly text: string
  /** Null where no line could be chosen; the text is empty then. */
  readonly parsed: CommandLine | null
}

interface Base {
  readonly line: CommandLine
  readonly reason: string
  /** Given word for word: nothing is removed or added, even for a crash kernel. */
  readonly isVerbatim?: boolean
}

const { warning, refusal } = remarksOn('command line')

/**
 * Chooses the command line, adds what `fast` does, and applies `remove`, then `append`. A choice that is not possible
 * becomes a refusal.
 */
export function chooseCommandLine(context: Context, trial: PossibleTrial | null): Choice<ChosenCommandLine> {
  const { exactCommandLine: exact } = context.options
  if (exact !== undefined) {
    const value = { text: exact, parsed: parseCommandLine(exact) }
    return { value, decisions: [decision(exact, 'given, and used verbatim')], remarks: [] }
  }
  const base = chooseBase(context)
  return base instanceof KexecError
    ? { value: { text: '', parsed: null }, decisions: [], remarks: [refusal(base)] }
    : edited(context, base, trial)
}

function decision(text: string, reason: string): PlanDecision {
  return { subject: 'command line', choice: text, reason }
}

/** The base as it is loaded, with the reasons for all changes. */
function edited(context: Context, base: Base, trial: PossibleTrial | null): Choice<ChosenCommandLine> {
  const { options, kernel, system } = context
  const forCrash = options.panic && !base.isVerbatim ? forCrashKernel(context, base.line) : null
  const isFast = options.fast && !options.panic
  const sooner = isFast ? fastParameters(system, base.line, options, kernel.image) : null
  const tried = trial === null ? null : withTrial(sooner?.line ?? base.line, trial, listOf(options.append))
  const reasons = [
    base.reason,
    ...(forCrash?.reasons ?? []),
    ...(sooner?.added.map(({ raw }) => `with ${raw} for ${flagName('fast')}`) ?? []),
    ...(tried === null ? [] : [`with ${tried.added.map(({ raw }) => raw).join(' ')} for the trial`]),
  ]
  const remarks: Remark[] = []
  let line = forCrash?.line ?? tried?.line ?? sooner?.line ?? base.line
  for (const key of listOf(options.remove)) {
    const shorter = removeParameter(line, key)
    if (shorter.parameters.length < line.parameters.length || wasThere(tried?.line ?? sooner?.line ?? base.line, key))
      reasons.push(`without ${key}`)
    else
      remarks.push(warning('no-such-parameter', `${optionName('remove', key)}: the command line has no such parameter`))
    line = withoutIdleMarks(shorter)
  }
  for (const text of listOf(options.append)) {
    line = appendParameters(line, text)
    reasons.push(`with ${text} appended`)
  }
  const text = printCommandLine(line)
  const isStillThere = ({ raw }: { readonly raw: string }) => line.parameters.some((parameter) => parameter.raw === raw)
  const decisions: PlanDecision[] = [
    decision(text, reasons.join(', ')),
    ...(forCrash?.added ?? [])
      .filter(isStillThere)
      .map(({ raw, reason }): PlanDecision => ({ subject: 'parameter', choice: raw, reason })),
    ...(sooner?.added ?? [])
      .filter(isStillThere)
      .map(({ choice, reason }): PlanDecision => ({ subject: 'fast', choice, reason })),
    ...(tried?.added ?? [])
      .filter(isStillThere)
      .map(({ raw, reason }): PlanDecision => ({ subject: 'parameter', choice: raw, reason })),
  ]
  return { value: { text, parsed: line }, decisions, remarks }
}

/** The parameters that a crash kernel needs on its command line, and those it must not have. */
function forCrashKernel({ system, options, kernel }: Context, own: CommandLine) {
  const { architecture, version } = kernel.image
  const append = listOf(options.append)
  const { line, removed, added } = crashCommandLine(own, { architecture, version, append, bootApic: bootApic(system) })
  const reasons = [
    ...removed.map((raw) => `without ${raw}`),
    ...(added.length > 0 ? [`with ${added.map(({ raw }) => raw).join(' ')} for a crash kernel`] : []),
  ]
  return { line, reasons, added }
}

/** Of the CPU that is listed first, which is the one that booted the machine; null on machines without one. */
function bootApic(system: System): number | null {
  const id = /^initial apicid\s*:\s*(\d{1,9})$/m.exec(system.readText('/proc/cpuinfo') ?? '')?.[1]
  return id === undefined ? null : Number(id)
}

/** Whether the command line had a parameter before it was made fit for a crash kernel. */
function wasThere(line: CommandLine, selector: string): boolean {
  return removeParameter(line, selector).parameters.length < line.parameters.length
}

/** @returns the refusal where there is none */
function chooseBase({ system, options, target: { entry }, kernel }: Context): Base | KexecError {
  if (options.commandLine !== undefined && options.reuseCommandLine) {
    throw new KexecError(`${optionName('command-line')} and ${flagName('reuse-cmdline')} exclude each other`, {
      reason: 'invalid-argument',
      hint: 'Give one of the two.',
      refused: true,
    })
  }
  if (options.commandLine !== undefined) {
    checkCommandLineText(options.commandLine)
    return {
      line: parseCommandLine(options.commandLine),
      reason: `given with ${optionName('command-line')}`,
      isVerbatim: true,
    }
  }
  if (options.reuseCommandLine) return runningCommandLine(system, `asked for with ${flagName('reuse-cmdline')}`)
  const own = ownCommandLine(kernel)
  // The menu does not know the additions of a hypervisor to an image that is an entry by itself.
  const isWholeEntry = entry?.source === 'uki' && own !== null
  if (entry !== null && entry.commandLine !== null && !isWholeEntry) return baseOf(entry.commandLine, "the entry's own")
  if (own !== null) return baseOf(own, "the image's own")
  if (entry !== null) return runningCommandLine(system, 'the entry has none of its own')
  return new KexecError('a kernel file comes without a command line, and none was given', {
    reason: 'no-command-line',
    path: kernel.file.path,
    hint: `Add ${flagName('reuse-cmdline')} for the running kernel's, or ${optionName('command-line', "'root=… ro'")}.`,
    refused: true,
  })
}

/** File names that a boot loader or a stub would load leave the line: the initrds themselves are chosen already. */
function baseOf(text: string, reason: string): Base {
  const line = parseCommandLine(text)
  const fit = withoutBoot(line)
  const gone = line.parameters.filter((parameter) => !fit.parameters.includes(parameter)).map(({ key }) => key)
  return { line: fit, reason: [reason, ...new Set(gone)].join(', without ') }
}

function runningCommandLine(system: System, why: string): Base | KexecError {
  const running = system.runningCommandLine()
  if (running === undefined) {
    return new KexecError('there is no running command line to reuse', {
      reason: 'no-command-line',
      path: '/proc/cmdline',
      hint: `Give the command line with ${optionName('command-line', "'root=… ro'")}.`,
      refused: true,
    })
  }
  const reason = `the running kernel's without BOOT_IMAGE and initrd: ${why}`
  return { line: reuseCommandLine(running), reason }
}
