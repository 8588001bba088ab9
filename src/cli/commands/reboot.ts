import { KexecError } from '../../errors.ts'
import { ways } from '../../handover/init-systems/served.ts'
import { cancelReboot, type RebootOptions, reboot } from '../../handover/reboot.ts'
import { localTime } from '../../text.ts'
import { type Arguments, type Command, type ExitStatus, exit, jsonOption, UsageError } from '../arguments/command.ts'
import { parseDuration, parseTime } from '../arguments/moment.ts'
import { describe } from '../output/failure.ts'
import { noteLine, print, printJson } from '../output/output.ts'

export const command: Command = {
  name: 'reboot',
  summary:
    'Stops the services, unmounts the file systems and starts the loaded kernel. Never reboots through the firmware unless you allow it.',
  operands: '',
  arity: [0, 0],
  options: {
    via: { type: 'string', value: 'WAY', help: `${ways.join(', ')}; auto takes the running init system` },
    deadline: {
      type: 'string',
      value: 'SECONDS',
      help: 'how long processes may take to end, or the init system to begin (default 90)',
    },
    at: { type: 'string', value: 'TIME', help: 'wait until 03:30, or 2026-11-21T03:30' },
    delay: { type: 'string', value: 'DURATION', help: 'wait 90s, 10m, 1h30m' },
    cancel: { type: 'boolean', help: 'call off the scheduled reboot' },
    message: { type: 'string', value: 'TEXT', help: 'write this to the terminals of logged-in users' },
    'stale-ok': {
      type: 'boolean',
      help: 'start the loaded kernel even if its files have changed since, or another program loaded it',
    },
    'ignore-inhibitors': { type: 'boolean', help: 'reboot even if a program inhibits shutdown' },
    'allow-firmware-reboot': {
      type: 'boolean',
      help: 'reboot through the firmware when no kernel is loaded or it cannot be started',
    },
    'dry-run': { type: 'boolean', help: 'show the steps, and do nothing' },
    json: { ...jsonOption, help: 'with --dry-run: print one JSON document' },
  },
  examples: [
    ['linux-kexec load newest && linux-kexec reboot', 'boot the newest kernel'],
    ['linux-kexec reboot --via direct', 'without the init system: end all processes, unmount, kexec'],
    ['linux-kexec reboot --at 03:30 --message "Back in a minute"', 'at night, with a message to logged-in users'],
    ['linux-kexec reboot --dry-run', 'show the steps'],
  ],
  notes: `Exit status 4 when no kernel is loaded, 3 when the reboot would not end in the loaded kernel.
With --at or --delay the command waits, then checks everything again. Ctrl-C or --cancel calls the
reboot off.`,
  async run(args) {
    const via = args.text('via') ?? 'auto'
    if (!ways.includes(via)) throw new UsageError(`--via takes ${ways.join(', ')}, not '${via}'`)
    const deadline = milliseconds(args.text('deadline') ?? '90')
    if (args.flag('cancel')) return cancel()
    const dryRun = args.flag('dry-run')
    if (args.flag('json') && !dryRun) throw new UsageError('--json goes with --dry-run')
    const options = { ...precautions(args), via, dryRun, deadline, report: noteLine, signal: interruption() }
    const handover = await reboot(options).catch(remainAsFirst)
    if (dryRun && args.flag('json')) printJson(handover)
    else if (dryRun) {
      for (const { text } of handover.warnings) noteLine(text)
      print(`by ${handover.via} (PID 1 is ${handover.init}):`)
      for (const [index, step] of handover.steps.entries()) print(`  ${index + 1}. ${step}`)
    }
    return exit.done
  },
}

function precautions(args: Arguments): RebootOptions {
  const [at, delay, message] = [args.text('at'), args.text('delay'), args.text('message')]
  if (at !== undefined && delay !== undefined) throw new UsageError('--at and --delay exclude each other')
  return {
    staleOk: args.flag('stale-ok'),
    ignoreInhibitors: args.flag('ignore-inhibitors'),
    allowFirmwareReboot: args.flag('allow-firmware-reboot'),
    ...(message === undefined ? {} : { message }),
    ...(at === undefined ? {} : { at: parseTime(at) }),
    ...(delay === undefined ? {} : { delay: parseDuration(delay) }),
  }
}

/**
 * The kernel panics when PID 1 ends, so the failure is reported and the machine stays as it is for an administrator.
 */
async function remainAsFirst(error: unknown): Promise<never> {
  if (process.pid !== 1 || !(error instanceof KexecError) || error.refused) throw error
  describe(error)
  return new Promise(() => setInterval(() => {}, 60_000))
}

/** Heeded while it waits; once it has the request, the init system ends this process. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => controller.abort(new Error(name)))
  }
  return controller.signal
}

function cancel(): ExitStatus {
  const scheduled = cancelReboot()
  print(
    scheduled === undefined
      ? 'no reboot was scheduled'
      : `called off: the reboot at ${localTime(new Date(scheduled.at))}`,
  )
  return exit.done
}

function milliseconds(seconds: string): number {
  if (!/^\d{1,6}$/.test(seconds)) throw new UsageError(`--deadline takes a number of seconds, not '${seconds}'`)
  return Number(seconds) * 1000
}
