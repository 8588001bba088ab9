import { unload } from '../../plan/unload.ts'
import { readPrivileges, requireCapability } from '../../policy/process/privileges.ts'
import { isHeld } from '../../state/held.ts'
import { System } from '../../system/system.ts'
import { type Command, exit, jsonOption } from '../arguments/command.ts'
import { print, printJson } from '../output/output.ts'

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
    const system = new System()
    requireCapability(readPrivileges(system), 'unloading a kernel')
    const wasLoaded = isHeld(system, panic ? 'crash' : 'kernel')
    // Where that is unknown the kernel is asked anyway: with nothing loaded it does nothing.
    if (wasLoaded !== false) unload({ panic })
    if (args.flag('json')) printJson({ unloaded: wasLoaded })
    else print(outcome(wasLoaded, panic))
    return exit.done
  },
}

function outcome(wasLoaded: boolean | null, panic: boolean): string {
  if (wasLoaded) return 'unloaded'
  const name = panic ? 'crash kernel' : 'kernel'
  if (wasLoaded === false) return `no ${name} was loaded`
  return `no ${name} is loaded now; whether one was loaded is unknown (/sys/kernel cannot be read)`
}
