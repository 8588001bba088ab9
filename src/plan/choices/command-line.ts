import { appendParameters, checkCommandLineText, removeParameter } from '../../cmdline/edit.ts'
import { type CommandLine, commandLineBytes, parseCommandLine, printCommandLine } from '../../cmdline/parse.ts'
import { reuseCommandLine, withoutBoot, withoutIdleMarks } from '../../cmdline/reuse.ts'
import { crashCommandLine } from '../../crash-kernel/parameters.ts'
import { KexecError } from '../../errors.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { System } from '../../system/system.ts'
import { checkRoot } from '../checks/root-device.ts'
import type { InitrdChoice } from '../context/initrds.ts'
import { ownCommandLine, type PlannedKernel } from '../context/kernel.ts'
import type { Target } from '../context/target.ts'
import type { Findings } from '../model/decision.ts'
import { listOf, type PlanOptions } from '../model/options.ts'
import { fastParameters } from './fast-parameters.ts'

interface Base {
  readonly line: CommandLine
  readonly reason: string
  /** Given word for word: nothing is taken from it or added, also for a crash kernel. */
  readonly isVerbatim?: boolean
}

/** Chooses the command line, adds what `fast` does, and applies `remove`, then `append`. What cannot be chosen becomes a refusal and an empty line. */
export function chooseCommandLine(
  system: System,
  options: PlanOptions,
  target: Target,
  kernel: PlannedKernel,
  initrds: InitrdChoice,
  findings: Findings,
): string {
  if (options.exactCommandLine !== undefined) {
    const exact = options.exactCommandLine
    findings.decide('command line', exact, 'given, and taken to the letter')
    checkRoot(parseCommandLine(exact), initrds, { target, options }, findings)
    return exact
  }
  const base = chooseBase(system, options, target, kernel, findings)
  if (base === undefined) return ''
  const forCrash = options.panic && !base.isVerbatim ? forCrashKernel(system, base.line, options, kernel) : null
  const isFast = options.fast && !options.panic
  const sooner = isFast ? fastParameters(system, base.line, options, kernel.image) : null
  const reasons = [
    base.reason,
    ...(forCrash?.reasons ?? []),
    ...(sooner?.added.map(({ raw }) => `with ${raw} for --fast`) ?? []),
  ]
  let line = forCrash?.line ?? sooner?.line ?? base.line
  for (const key of listOf(options.remove)) {
    const shorter = removeParameter(line, key)
    if (shorter.parameters.length === line.parameters.length && !wasThere(sooner?.line ?? base.line, key))
      findings.warn(`--remove ${key}: the command line has no such parameter`)
    else reasons.push(`without ${key}`)
    line = withoutIdleMarks(shorter)
  }
  for (const text of listOf(options.append)) {
    line = appendParameters(line, text)
    reasons.push(`with ${text} appended`)
  }
  const commandLine = printCommandLine(line)
  findings.decide('command line', commandLine, reasons.join(', '))
  const isStillThere = (raw: string) => line.parameters.some((parameter) => parameter.raw === raw)
  for (const { raw, reason } of forCrash?.added ?? []) if (isStillThere(raw)) findings.decide('parameter', raw, reason)
  for (const { raw, choice, reason } of sooner?.added ?? [])
    if (isStillThere(raw)) findings.decide('fast', choice, reason)
  checkRoot(line, initrds, { target, options }, findings)
  return commandLine
}

/** What a crash kernel needs of its command line, and what it must not have. */
function forCrashKernel(system: System, own: CommandLine, options: PlanOptions, { image }: PlannedKernel) {
  const { architecture, version } = image
  const append = listOf(options.append)
  const { line, removed, added } = crashCommandLine(own, { architecture, version, append, bootApic: bootApic(system) })
  const reasons = [
    ...removed.map((raw) => `without ${raw}`),
    ...(added.length > 0 ? [`with ${added.map(({ raw }) => raw).join(' ')} for a crash kernel`] : []),
  ]
  return { line, reasons, added }
}

/** Of the CPU that is listed first, which is the one that booted the machine; null on machines that have none. */
function bootApic(system: System): number | null {
  const id = /^initial apicid\s*:\s*(\d{1,9})$/m.exec(system.readText('/proc/cpuinfo') ?? '')?.[1]
  return id === undefined ? null : Number(id)
}

/** Whether the command line had a parameter before it was made fit for a crash kernel. */
function wasThere(line: CommandLine, selector: string): boolean {
  return removeParameter(line, selector).parameters.length < line.parameters.length
}

function chooseBase(
  system: System,
  options: PlanOptions,
  { entry }: Target,
  kernel: PlannedKernel,
  findings: Findings,
): Base | undefined {
  if (options.commandLine !== undefined && options.reuseCommandLine) {
    throw new KexecError('--command-line and --reuse-cmdline exclude each other', {
      reason: 'invalid-argument',
      refused: true,
    })
  }
  if (options.commandLine !== undefined) {
    checkCommandLineText(options.commandLine)
    return { line: parseCommandLine(options.commandLine), reason: 'given with --command-line', isVerbatim: true }
  }
  if (options.reuseCommandLine) return runningCommandLine(system, 'asked for with --reuse-cmdline', findings)
  const own = ownCommandLine(kernel)
  // Of an image that is an entry by itself, the menu does not know what a hypervisor adds.
  const isWholeEntry = entry?.source === 'uki' && own !== null
  if (entry !== null && entry.cmdline !== null && !isWholeEntry) return baseOf(entry.cmdline, "the entry's own")
  if (own !== null) return baseOf(own, 'the one that the image brings')
  if (entry === null) {
    findings.refuse(
      new KexecError('a kernel file comes without a command line, and none was given', {
        reason: 'no-command-line',
        path: kernel.file.path,
        hint: "Add --reuse-cmdline for the running kernel's, or --command-line 'root=… ro'.",
        refused: true,
      }),
    )
    return undefined
  }
  return runningCommandLine(system, 'the entry has none of its own', findings)
}

/** Of what a boot loader or a stub would load, the names leave the line: the initrds themselves are chosen already. */
function baseOf(text: string, reason: string): Base {
  const line = parseCommandLine(text)
  const fit = withoutBoot(line)
  const gone = line.parameters.filter((parameter) => !fit.parameters.includes(parameter)).map(({ key }) => key)
  return { line: fit, reason: [reason, ...new Set(gone)].join(', without ') }
}

function runningCommandLine(system: System, why: string, findings: Findings): Base | undefined {
  const running = system.runningCommandLine()
  if (running === undefined) {
    findings.refuse(
      new KexecError('there is no running command line to reuse', {
        reason: 'no-command-line',
        path: '/proc/cmdline',
        hint: "Give the command line with --command-line 'root=… ro'.",
        refused: true,
      }),
    )
    return undefined
  }
  const reason = `the running kernel's without BOOT_IMAGE and initrd: ${why}`
  return { line: reuseCommandLine(running), reason }
}

/** Formats whose loaders compare the command line with the limit: bzImage64_load, and kexec_file_add_components of s390. */
const refusesLongLines = new Set(['bzImage', 's390 Image'])

/** Refuses a command line longer than the image takes: the kernel would answer EINVAL, or cut it off. */
export function checkLength(commandLine: string, image: KernelImage, path: string, findings: Findings): void {
  const length = commandLineBytes(commandLine)
  if (image.maxCommandLine === null || length <= image.maxCommandLine) return
  const excess = length - image.maxCommandLine
  findings.refuse(
    new KexecError(`the command line has ${length} bytes, and this kernel takes at most ${image.maxCommandLine}`, {
      reason: 'cmdline-too-long',
      path,
      // Other loaders do not look: the new kernel cuts it off.
      ...(refusesLongLines.has(image.format) ? { code: 'EINVAL' } : {}),
      hint: `Take away at least ${excess} ${excess === 1 ? 'byte' : 'bytes'} with --remove KEY.`,
      evidence: [
        {
          source: image.format === 'bzImage' ? `${path} cmdline_size` : `COMMAND_LINE_SIZE of ${image.format}`,
          value: `${image.maxCommandLine} usable`,
        },
      ],
      refused: true,
    }),
  )
}
