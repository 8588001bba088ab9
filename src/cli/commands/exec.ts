import { execute } from '../../handover/execute.ts'
import type { Command } from '../command.ts'

export const command: Command = {
  name: 'exec',
  summary:
    'Starts the loaded kernel this instant: no service is stopped, nothing is unmounted. You usually want `reboot`.',
  operands: '',
  arity: [0, 0],
  options: { 'no-sync': { type: 'boolean', help: 'do not write cached data to disk first' } },
  examples: [['linux-kexec exec', 'as the last step of a shutdown script']],
  async run(args) {
    return execute({ sync: !args.flag('no-sync') })
  },
}
