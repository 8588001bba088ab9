import { status } from '../../engine/status.ts'
import { unload } from '../../engine/unload.ts'
import { readPrivileges, requireCapability } from '../../policy/privileges.ts'
import { System } from '../../system/system.ts'
import { type Command, exit, jsonOption } from '../command.ts'
import { print, printJson } from '../output.ts'

export const command: Command = {
  name: 'unload',
  summary: 'Unloads the kernel that is loaded, or with --panic the crash kernel.',
  operands: '',
  arity: [0, 0],
  options: { panic: { type: 'boolean', help: 'unload the crash kernel' }, json: jsonOption },
  examples: [
    ['linux-kexec unload', 'a reboot goes through the firmware again'],
    ['linux-kexec unload --panic', 'a panic no longer starts a crash kernel'],
  ],
  async run(args) {
    const panic = args.flag('panic')
    requireCapability(readPrivileges(new System()), 'unloading a kernel')
    const before = status()
    const wasLoaded = panic ? before.crashLoaded : before.loaded
    if (wasLoaded) unload({ panic })
    if (args.flag('json')) printJson({ unloaded: wasLoaded })
    else print(wasLoaded ? 'unloaded' : `no ${panic ? 'crash ' : ''}kernel was loaded`)
    return exit.done
  },
}
