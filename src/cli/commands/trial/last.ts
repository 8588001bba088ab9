import { lastKexec } from '../../../trial/last/last.ts'
import { type Command, exit, jsonOption } from '../../arguments/command.ts'
import { rootOption, systemOf } from '../../arguments/root-option.ts'
import { print, printJson } from '../../output/output.ts'
import { lastReport } from '../../reports/last-report.ts'

export const command: Command = {
  name: 'last',
  summary:
    'Shows the kexec that started the running kernel: from where, by whom, how long it took; and those before it.',
  operands: '',
  arity: [0, 0],
  options: {
    root: { ...rootOption, help: 'show the record of the system in this directory instead' },
    json: jsonOption,
  },
  examples: [
    ['linux-kexec last', 'how this kernel was started, and how long the machine was down'],
    ['linux-kexec last --json', 'everything, with the last 50, for a program'],
  ],
  notes: `Call it soon after the boot: the first call notes when the new kernel started its init, and
that gets less exact with time. trial confirm, and the next load, note it as well.

Exit status 4 when no kexec started the running kernel, 1 when that is unknown. Anyone can see whether a kexec
did; only root can read the record.`,
  async run(args) {
    const last = lastKexec(systemOf(args))
    if (args.flag('json')) printJson(last)
    else print(lastReport(last))
    if (last.kexec !== null) return exit.done
    return last.startedBy === 'firmware' ? exit.nothingLoaded : exit.failed
  },
}
