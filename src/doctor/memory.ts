import { formatBytes } from '../plan/text.ts'
import type { Finding, Subject } from './check.ts'
import { type Examination, planOf } from './examination.ts'

const MEMORY = '/proc/meminfo'

/** Whether there is room for the kernel that a bare `load` takes. */
export const memory: Subject<'memory'> = {
  name: 'memory',
  ids: ['memory'],
  needsMachine: true,
  examine: (examination) => [room(examination)],
}

function room(examination: Examination): Finding<'memory'> {
  const id = 'memory'
  const text = examination.system.readText(MEMORY) ?? ''
  const total = kibibytes(text, 'MemTotal')
  const available = kibibytes(text, 'MemAvailable')
  if (total === undefined || available === undefined)
    return { id, status: 'unknown', summary: 'It cannot be read (/proc/meminfo).' }
  const evidence = [
    { source: `${MEMORY} MemTotal`, value: formatBytes(total) },
    { source: `${MEMORY} MemAvailable`, value: formatBytes(available) },
  ]
  const plan = planOf(examination)
  if (plan === undefined)
    return { id, status: 'unknown', summary: `${formatBytes(available)} are free; nothing to load.`, evidence }
  const initrds = plan.initrds.reduce((sum, { size }) => sum + size, 0)
  const segments = initrds + (plan.image.memoryNeeded ?? plan.kernel.size)
  const detail = [`Kernel and initrd take ${formatBytes(segments)} of ${formatBytes(total)}.`]
  // sanity_check_segment_list of kernel/kexec_core.c: together at most half of the pages, else EINVAL.
  if (segments > total / 2) {
    const summary = `Kernel and initrd need ${formatBytes(segments)}, and the kernel gives at most half of ${formatBytes(total)}.`
    return { id, status: 'problem', summary, evidence, remedy: SMALLER }
  }
  // Until the load is done there is the copy that was read besides the one that stays: kernel_read_file, kimage_load_segment.
  const peak = segments + initrds + plan.kernel.size
  if (peak > available) {
    const summary = `Loading takes up to ${formatBytes(peak)} for a moment, and ${formatBytes(available)} are free.`
    return {
      id,
      status: 'warning',
      summary,
      detail,
      evidence,
      remedy: 'Load early after boot, or stop a large service.',
    }
  }
  const summary = `${formatBytes(peak)} are needed, ${formatBytes(available)} are free.`
  return { id, status: 'ok', summary, detail, evidence }
}

const SMALLER =
  'Make a smaller initrd: MODULES=dep in /etc/initramfs-tools/initramfs.conf and update-initramfs -u, or dracut --hostonly'

function kibibytes(text: string, name: string): number | undefined {
  const digits = new RegExp(`^${name}:\\s*(\\d{1,12}) kB$`, 'm').exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits) * 1024
}
