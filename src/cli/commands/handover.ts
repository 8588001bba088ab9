import { assessHandover, type HandoverAssessment } from '../../handover/assess.ts'
import { installHandover, removeHandover } from '../../handover/install.ts'
import type { HookChange } from '../../hooks/hook-plan.ts'
import type { System } from '../../system/system.ts'
import { type Arguments, type Command, type ExitStatus, exit, jsonOption, UsageError } from '../arguments/command.ts'
import { rootOption, systemOf } from '../arguments/root-option.ts'
import { noteLine, print, printJson } from '../output/output.ts'
import { changeLines, handoverReport } from '../reports/handover-report.ts'

export const command: Command = {
  name: 'handover',
  summary: 'Shows which init system runs, how reboot will use it, and whether that ends in the loaded kernel.',
  operands: '',
  arity: [0, 0],
  options: {
    install: { type: 'boolean', help: 'install the hook that the init system needs' },
    remove: { type: 'boolean', help: 'remove what --install has installed' },
    'dry-run': { type: 'boolean', help: 'with --install or --remove: show the changes, and make none' },
    root: rootOption,
    json: jsonOption,
  },
  examples: [
    ['linux-kexec handover', 'would a reboot end in the loaded kernel?'],
    ['linux-kexec handover --install --dry-run', 'show the changes'],
    ['linux-kexec handover --install', 'install the hook'],
  ],
  notes: `Exit status 0 when it is verified that reboot ends in the loaded kernel, 3 when not. A file that
does not belong to linux-kexec is never overwritten; if one must be edited, the rest of it stays unchanged. docs/init-systems.md explains each way.`,
  async run(args) {
    const system = systemOf(args)
    const change = changeOf(args)
    if (change === undefined) return tell(args, assessHandover(system))
    const dryRun = args.flag('dry-run')
    return tellChanges(args, change({ system, dryRun }), system, dryRun)
  },
}

function changeOf(args: Arguments): typeof installHandover | undefined {
  const [install, remove] = [args.flag('install'), args.flag('remove')]
  if (install && remove) throw new UsageError('--install and --remove exclude each other')
  if (install) return installHandover
  if (remove) return removeHandover
  if (args.flag('dry-run')) throw new UsageError('--dry-run goes with --install or --remove')
  return undefined
}

function tell(args: Arguments, assessment: HandoverAssessment): ExitStatus {
  if (args.flag('json')) printJson(assessment)
  else print(handoverReport(assessment))
  return assessment.proven ? exit.done : exit.refused
}

/**
 * After --install the way must be verified, or the hook alone was not enough; --remove succeeds when the removal does.
 */
function tellChanges(args: Arguments, changes: readonly HookChange[], system: System, dryRun: boolean): ExitStatus {
  const assessment = assessHandover(system)
  if (args.flag('json')) printJson({ dryRun, changes, proven: assessment.proven, obstacles: assessment.obstacles })
  else print(changeLines(changes, dryRun).join('\n'))
  if (args.flag('install')) for (const { text } of assessment.notes) noteLine(text)
  if (args.flag('remove') || dryRun || assessment.proven) return exit.done
  if (!args.flag('json')) print(`\n${handoverReport(assessment)}`)
  return exit.refused
}
