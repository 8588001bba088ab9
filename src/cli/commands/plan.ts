import { explanations } from '../../plan/explain.ts'
import { plan } from '../../plan/plan.ts'
import { type Command, exit, jsonOption } from '../arguments/command.ts'
import { loadNotes, loadOptions, planOptions } from '../arguments/load-options.ts'
import { rootOption, systemOf } from '../arguments/root-option.ts'
import { statusOf } from '../output/failure.ts'
import { planDocument } from '../output/former-names.ts'
import { print, printJson } from '../output/output.ts'
import { planReport } from '../reports/plan-report.ts'

export const command: Command = {
  name: 'plan',
  summary: 'Shows what `load` would do, and why. Touches nothing.',
  operands: '[ENTRY|FILE]',
  arity: [0, 1],
  options: {
    ...loadOptions,
    root: rootOption,
    json: jsonOption,
  },
  examples: [
    ['linux-kexec plan', 'what `load` without an operand would do'],
    ["linux-kexec plan newest --append 'panic=10' --remove quiet", 'the newest kernel with an edited command line'],
    ['linux-kexec plan arch/x86/boot/bzImage --reuse-cmdline --json', 'a kernel just built, for a program'],
  ],
  notes: `${loadNotes}\n\nExit status 3 when load would refuse. No privilege is needed.`,
  async run(args) {
    using made = await plan(planOptions(args), systemOf(args))
    if (args.flag('json')) printJson(planDocument(made))
    else print(planReport(explanations(made)))
    const [refusal] = made.refusals
    return refusal === undefined ? exit.done : statusOf(refusal)
  },
}
