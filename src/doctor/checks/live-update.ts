import { parametersNamed } from '../../cmdline/look-up.ts'
import { type CommandLine, parseCommandLine } from '../../cmdline/parse.ts'
import type { Evidence } from '../../errors.ts'
import type { Finding, Subject } from '../examination/check.ts'
import type { Examination } from '../examination/examination.ts'

const DEBUG = '/sys/kernel/debug/kho'
const DEVICE = '/dev/liveupdate'

/** Kexec handover, by which memory outlives a kexec (Documentation/admin-guide/mm/kho.rst), and live update, which builds on it. */
export const liveUpdate: Subject<'live-update'> = {
  name: 'handover',
  ids: ['live-update'],
  needsMachine: true,
  examine: (examination) => [handedOn(examination)],
}

function handedOn(examination: Examination): Finding<'live-update'> {
  const id = 'live-update'
  const { system } = examination
  const commandLine = parseCommandLine(system.runningCommandLine() ?? '')
  const asked = ['kho', 'liveupdate'].flatMap((name) => parametersNamed(commandLine, name))
  const evidence: Evidence[] = [
    ...asked.map(({ raw }) => ({ source: '/proc/cmdline', value: raw })),
    ...[DEBUG, DEVICE].filter((path) => system.exists(path)).map((source) => ({ source, value: 'present' })),
  ]
  if (system.exists(DEVICE)) {
    const detail = ['A live update in preparation can refuse the reboot, which then fails with an error.']
    return { id, status: 'ok', summary: `Live update is on (${DEVICE}).`, detail, evidence }
  }
  const isOn = system.exists(DEBUG) || isEnabled(commandLine, examination)
  if (isOn === null)
    return { id, status: 'unknown', summary: 'Whether memory is passed on to the new kernel is unknown.', evidence }
  const summary = isOn ? 'Kexec handover is on: memory is passed on.' : 'Kexec handover is off: no memory is passed on.'
  return { id, status: 'ok', summary, evidence }
}

/**
 * kho_enable of kernel/liveupdate/kexec_handover.c: the build's default, then the last kho= that kstrtobool
 * understands.
 */
function isEnabled(commandLine: CommandLine, { configuration }: Examination): boolean | null {
  const isBuilt = configuration.has('KEXEC_HANDOVER')
  if (isBuilt === false) return false
  const asked = parametersNamed(commandLine, 'kho')
    .flatMap(({ value }) => truth(value ?? '') ?? [])
    .at(-1)
  if (asked === false) return false
  if (isBuilt === null) return null
  return asked ?? configuration.has('KEXEC_HANDOVER_ENABLE_DEFAULT')
}

/** kstrtobool of lib/kstrtox.c. */
function truth(text: string): boolean | undefined {
  if (/^(?:[yYtT1]|[oO][nN])/.test(text)) return true
  return /^(?:[nNfF0]|[oO][fF])/.test(text) ? false : undefined
}
