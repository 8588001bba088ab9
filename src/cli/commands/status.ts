import { detectPolicy } from '../../policy/detect.ts'
import { afterLoad } from '../../policy/verdict/after-load.ts'
import { isHeld } from '../../state/held.ts'
import { loadedImages } from '../../state/loaded-image.ts'
import { status } from '../../system/kexec-state.ts'
import { System } from '../../system/system.ts'
import { trialStatus } from '../../trial/status.ts'
import { type Command, exit, jsonOption } from '../arguments/command.ts'
import { print, printJson } from '../output/output.ts'
import { statusReport } from '../reports/status-report.ts'

const live = new System()

export const command: Command = {
  name: 'status',
  summary: 'Shows what is loaded, who loaded it, and whether its files have changed since.',
  operands: '',
  arity: [0, 0],
  options: {
    verify: { type: 'boolean', help: 'hash the whole files, and keep the hashes' },
    json: jsonOption,
  },
  examples: [
    ['linux-kexec status && linux-kexec reboot', 'reboot only when a kernel is loaded'],
    ['linux-kexec status --verify --json', 'everything, with the SHA-256 of each file, for a program'],
  ],
  notes: `Exit status 0 when a kernel is loaded, 4 when none is, 1 when that is unknown (/sys is not
mounted). Anyone can see whether a kernel is loaded; only root sees which one, and who loaded it.`,
  async run(args) {
    const reported = status()
    const held = { ...reported, loaded: isHeld(live, 'kernel', reported), crashLoaded: isHeld(live, 'crash', reported) }
    const images = loadedImages({ verify: args.flag('verify') })
    const trial = trialStatus(live)
    if (args.flag('json'))
      printJson({ ...held, ...images, trial: { outcome: trial.outcome, id: trial.record?.id ?? trial.runningTrial } })
    else {
      print(statusReport(held, { ...images, trial }))
      const shut = held.loaded ? afterLoad(detectPolicy()) : null
      if (shut !== null) print(shut)
    }
    if (held.loaded === null) return exit.failed
    return held.loaded ? exit.done : exit.nothingLoaded
  },
}
