import { execute, loadedUnknown, requireReadyToExecute } from '../../handover/jump/execute.ts'
import { requireDirect } from '../../handover/jump/may-reboot.ts'
import { endProcesses, outlive } from '../../handover/jump/processes.ts'
import { System } from '../../system/system.ts'
import type { Command } from '../arguments/command.ts'
import { noteLine } from '../output/output.ts'

/** The remaining processes at the end of a shutdown have had their time, in milliseconds. */
const DEADLINE = 5000

export const command: Command = {
  name: 'exec',
  summary: 'Starts the loaded kernel at once, without stopping services or unmounting. You usually want `reboot`.',
  operands: '',
  arity: [0, 0],
  options: {
    'no-sync': { type: 'boolean', help: 'do not write cached data to disk first' },
    'end-processes': {
      type: 'boolean',
      help: 'first end every process except the ancestors of this one: SIGTERM, 5 s later SIGKILL',
    },
    unmount: { type: 'boolean', help: 'first unmount all file systems, and remount those in use read-only' },
  },
  examples: [['linux-kexec exec', 'as the last step of a shutdown script']],
  async run(args) {
    if (args.flag('end-processes')) {
      if (!requireReadyToExecute()) throw loadedUnknown()
      requireDirect(new System())
      outlive()
      await endProcesses({ deadline: DEADLINE, report: noteLine, spareCallers: true })
    }
    return execute({ sync: !args.flag('no-sync'), unmount: args.flag('unmount'), report: noteLine })
  },
}
