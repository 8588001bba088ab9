import { diagnose } from '../../doctor/diagnosis.ts'
import { type Command, exit, jsonOption } from '../arguments/command.ts'
import { rootOption, systemOf } from '../arguments/root-option.ts'
import { print, printJson } from '../output/output.ts'
import { diagnosisReport } from '../reports/diagnosis-report.ts'

export const command: Command = {
  name: 'doctor',
  summary: 'Checks everything that loading and starting a kernel depends on, and says what to do.',
  operands: '',
  arity: [0, 0],
  options: { root: rootOption, json: jsonOption },
  examples: [
    ['linux-kexec doctor', 'would a kexec work here?'],
    ['linux-kexec doctor && linux-kexec load && linux-kexec reboot', 'only if it would'],
    ['linux-kexec doctor --root /mnt --json', 'check the files of the system mounted on /mnt, for a program'],
  ],
  notes: `Exit status 0 when a kexec would work, even with warnings; 3 when not. The checks are for the kernel
that \`load\` without an operand would take. Changes nothing, and does not count against a load limit. No privilege is needed;
root sees more. docs/doctor.md explains each check.`,
  async run(args) {
    const diagnosis = await diagnose(systemOf(args))
    if (args.flag('json')) printJson(diagnosis)
    else print(diagnosisReport(diagnosis))
    return diagnosis.verdict === 'problem' ? exit.refused : exit.done
  },
}
