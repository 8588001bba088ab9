import { assessHandover } from '../handover/reboot.ts'
import type { Finding, Subject } from './check.ts'
import type { Examination } from './examination.ts'
import { sentence } from './sentence.ts'

/** Whether the init system can stop the services and end in the loaded kernel. */
export const initSystem: Subject<'init-system'> = {
  name: 'handover',
  ids: ['init-system'],
  needsMachine: true,
  examine: (examination) => [way(examination)],
}

function way({ system }: Examination): Finding<'init-system'> {
  const id = 'init-system'
  const { init, via, obstacles, evidence } = assessHandover(system)
  if (via === null) {
    const what = init === 'unknown' ? 'not one that is known' : `${init}, which is not served yet`
    const summary = `It is ${what}: no service would be stopped in its order.`
    return { id, status: 'warning', summary, evidence, remedy: 'linux-kexec reboot --via direct' }
  }
  if (obstacles.length === 0)
    return { id, status: 'ok', summary: `${via} stops the services, then starts the kernel.`, evidence }
  const detail = obstacles.map((obstacle) => sentence(obstacle))
  // Only root reads what the signal's number depends on.
  if (system.denied.has('/proc/1/maps') && obstacles.length === 1) {
    const summary = `${via} is there; whether it can be asked only root can read.`
    return { id, status: 'unknown', summary, detail, evidence, remedy: 'sudo linux-kexec doctor' }
  }
  const summary = `${via} would not end in the new kernel: ${obstacles.join('; ')}.`
  return { id, status: 'warning', summary, evidence, remedy: 'linux-kexec reboot --via direct' }
}
