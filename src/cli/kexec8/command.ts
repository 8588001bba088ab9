import type { Command } from '../arguments/command.ts'
import { kexecHelp } from './help.ts'
import { kexec8 } from './run.ts'

/** The interface of kexec(8), for scripts that were written for kexec-tools; options and exit statuses are theirs. */
export const command: Command = {
  name: 'kexec',
  summary:
    'Stands in for kexec(8) of kexec-tools, also when called by that name: /sbin/kexec as a link to linux-kexec.',
  operands: '[KERNEL]',
  arity: [0, Number.POSITIVE_INFINITY],
  options: {},
  examples: [
    ['linux-kexec kexec -l /boot/vmlinuz --initrd=/boot/initrd.img --reuse-cmdline', 'load, as kexec-tools would'],
    ['ln -s "$(command -v linux-kexec)" /sbin/kexec', 'have scripts call linux-kexec as kexec'],
  ],
  notes: kexecHelp,
  runWords: kexec8,
  run: async () => 0,
}
