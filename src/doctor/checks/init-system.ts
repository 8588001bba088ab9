import { assessHandover } from '../../handover/assess.ts'
import type { Finding, Subject } from '../examination/check.ts'
import type { Examination } from '../examination/examination.ts'
import { sentence } from '../examination/sentence.ts'

/** Whether the init system can stop the services and end in the loaded kernel. */
export const initSystem: Subject<'init-system'> = {
  name: 'handover',
  ids: ['init-system'],
  needsMachine: true,
  examine: (examination) => [way(examination)],
}

function way({ system }: Examination): Finding<'init-system'> {
  const id = 'init-system'
  const { init, title, via, proven, obstacles, install, notes, evidence, ...assessment } = assessHandover(system)
  const remedy = assessment.remedy ?? 'linux-kexec reboot --via direct'
  if (via === null) {
    const what = init === 'unknown' ? 'unknown' : `${title}, which is not supported`
    return {
      id,
      status: 'warning',
      summary: `The init system is ${what}: the services would not be stopped in order.`,
      evidence,
      remedy,
    }
  }
  if (proven)
    return {
      id,
      status: 'ok',
      summary: `${title} stops the services, then starts the kernel.`,
      detail: notes.map(({ text }) => text),
      evidence,
    }
  // Only root can read the file that the signal's number depends on.
  const onlyUnreadable = obstacles.every(({ code }) => code === 'init-unreadable')
  if (system.denied.has('/proc/1/maps') && onlyUnreadable) {
    const summary = `${title} is running; only root can read whether it would accept a request.`
    const detail = obstacles.map(({ text }) => sentence(text))
    return { id, status: 'unknown', summary, detail, evidence, remedy: 'sudo linux-kexec doctor' }
  }
  const summary = `${title} would not reboot into the new kernel: ${obstacles.map(({ text }) => text).join('; ')}.`
  return {
    id,
    status: 'warning',
    summary,
    detail: [...install.map(sentence), ...notes.map(({ text }) => text)],
    evidence,
    remedy,
  }
}
