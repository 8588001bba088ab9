import { parseCommandLine } from '../cmdline/index.ts'
import type { Evidence } from '../errors.ts'
import type { Finding, Subject } from './check.ts'
import type { Examination } from './examination.ts'

/** Kexec handover, by which memory outlives a kexec (Documentation/admin-guide/mm/kho.rst), and live update, which builds on it. */
export const liveUpdate: Subject<'live-update'> = {
  name: 'handover',
  ids: ['live-update'],
  needsMachine: true,
  examine: ({ system }: Examination) => {
    const id = 'live-update'
    const { parameters } = parseCommandLine(system.runningCommandLine() ?? '')
    const asked = parameters.filter(({ key }) => key === 'kho' || key === 'liveupdate')
    const evidence: Evidence[] = asked.map(({ raw }) => ({ source: '/proc/cmdline', value: raw }))
    for (const path of ['/sys/kernel/debug/kho', '/dev/liveupdate'])
      if (system.exists(path)) evidence.push({ source: path, value: 'present' })
    const [found] = evidence
    if (found === undefined) return [{ id, status: 'ok', summary: 'No memory is handed on (no kexec handover).' }]
    if (system.exists('/dev/liveupdate')) {
      const detail = ['The reboot can return when a live update in preparation is refused; nothing is lost then.']
      const finding: Finding<'live-update'> = {
        id,
        status: 'ok',
        summary: 'Live update is on (/dev/liveupdate).',
        detail,
        evidence,
      }
      return [finding]
    }
    const isOff = asked.length > 0 && asked.every(({ value }) => ['off', '0', 'n', 'N'].includes(value ?? ''))
    const summary = isOff ? 'Kexec handover is switched off.' : 'Kexec handover is on: kexec_file_load hands memory on.'
    return [{ id, status: 'ok', summary, evidence }]
  },
}
