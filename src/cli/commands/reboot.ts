import { ways } from '../../handover/init-systems/index.ts'
import { reboot } from '../../handover/reboot.ts'
import { type Command, exit, UsageError } from '../command.ts'
import { note, print } from '../output.ts'

export const command: Command = {
  name: 'reboot',
  summary: 'Stops the services, unmounts the file systems and starts the loaded kernel. Never a firmware reboot.',
  operands: '',
  arity: [0, 0],
  options: {
    via: { type: 'string', value: 'WAY', help: `${ways.join(', ')}; auto takes the init system that runs` },
    deadline: {
      type: 'string',
      value: 'SECONDS',
      help: 'how long processes may take to end, or systemd to begin (default 90)',
    },
    'dry-run': { type: 'boolean', help: 'say what would happen, and do nothing' },
  },
  examples: [
    ['linux-kexec load newest && linux-kexec reboot', 'boot the newest kernel'],
    ['linux-kexec reboot --via direct', 'without the init system: end all processes, unmount, kexec'],
    ['linux-kexec reboot --dry-run', 'show the way it would take'],
  ],
  notes: 'Exit status 4 when no kernel is loaded, 3 when it would not end in the new kernel.',
  async run(args) {
    const via = args.text('via') ?? 'auto'
    if (!ways.includes(via)) throw new UsageError(`--via takes ${ways.join(', ')}, not '${via}'`)
    const deadline = milliseconds(args.text('deadline') ?? '90')
    const dryRun = args.flag('dry-run')
    const handover = await reboot({ via, dryRun, deadline, report: note })
    if (dryRun) {
      print(`by ${handover.via} (PID 1 is ${handover.init}):`)
      for (const [index, step] of handover.steps.entries()) print(`  ${index + 1}. ${step}`)
    }
    return exit.done
  },
}

function milliseconds(seconds: string): number {
  if (!/^\d{1,6}$/.test(seconds)) throw new UsageError(`--deadline takes a number of seconds, not '${seconds}'`)
  return Number(seconds) * 1000
}
