import { detectPolicy } from '../../policy/detect.ts'
import { type Command, exit, jsonOption } from '../arguments/command.ts'
import { rootOption, systemOf } from '../arguments/root-option.ts'
import { print, printJson } from '../output/output.ts'
import { policyReport } from '../reports/policy-report.ts'

export const command: Command = {
  name: 'policy',
  summary: 'Shows whether the running kernel checks signatures, and everything else that could refuse a load.',
  operands: '',
  arity: [0, 0],
  options: { root: rootOption, json: jsonOption },
  examples: [
    ['linux-kexec policy', 'the mode first, then each fact with the file it came from'],
    ['linux-kexec policy --json | jq -r .mode', 'for a script'],
  ],
  notes: `Mode is unsupported, disabled (every load is refused), unchecked, permissive (a wrong
signature is accepted), enforced or unknown. Changes nothing, and does not count against a
load limit. No privilege is needed; root sees more. The list ends with the files that could not be read.`,
  async run(args) {
    const policy = detectPolicy({ system: systemOf(args) })
    if (args.flag('json')) printJson(policy)
    else print(policyReport(policy))
    return exit.done
  },
}
