import { status } from '../../engine/status.ts'
import { formatBytes } from '../../plan/text.ts'
import { type Command, exit, jsonOption } from '../command.ts'
import { print, printJson, table } from '../output.ts'

export const command: Command = {
  name: 'status',
  summary: 'Tells whether a kernel and a crash kernel are loaded.',
  operands: '',
  arity: [0, 0],
  options: { json: jsonOption },
  examples: [['linux-kexec status && linux-kexec reboot', 'reboot only when a kernel is loaded']],
  notes: 'Exit status 0 when a kernel is loaded, 4 when none is. No privilege is needed.',
  async run(args) {
    const held = status()
    if (args.flag('json')) printJson(held)
    else if (!held.supported) print('The running kernel has no kexec.')
    else {
      const rows = [
        ['kernel', held.loaded ? 'loaded' : 'not loaded'],
        ['crash kernel', held.crashLoaded ? 'loaded' : 'not loaded'],
      ]
      if (held.crashSize) rows.push(['memory reserved for it', formatBytes(held.crashSize)])
      print(table(rows).join('\n'))
    }
    return held.loaded ? exit.done : exit.nothingLoaded
  },
}
