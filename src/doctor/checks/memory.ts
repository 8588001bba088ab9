import { memoryEvidence, readMemoryInfo } from '../../system/memory-info.ts'
import { formatBytes } from '../../text.ts'
import type { Finding, Subject } from '../examination/check.ts'
import { type Examination, planOf } from '../examination/examination.ts'
import { sentence } from '../examination/sentence.ts'

/** Whether there is room for the kernel that a bare `load` takes: the plan knows how much that needs. */
export const memory: Subject<'memory'> = {
  name: 'memory',
  ids: ['memory'],
  needsMachine: true,
  examine: (examination) => [room(examination)],
}

function room(examination: Examination): Finding<'memory'> {
  const id = 'memory'
  const plan = planOf(examination)
  const refusal = plan?.refusals.find(({ reason }) => reason === 'no-memory')
  if (refusal !== undefined) {
    const { summary, evidence, hint = 'Stop programs, or make a smaller initrd.' } = refusal
    return { id, status: 'problem', summary: sentence(summary), evidence, remedy: hint }
  }
  const bytes = readMemoryInfo(examination.system)('MemAvailable')
  if (bytes === undefined)
    return { id, status: 'unknown', summary: 'The amount of free memory cannot be read (/proc/meminfo).' }
  const available = formatBytes(bytes)
  const evidence = [memoryEvidence('MemAvailable', bytes)]
  if (plan === undefined)
    return { id, status: 'unknown', summary: `${available} of memory is free; there is no kernel to load.`, evidence }
  const warning = plan.warnings.find(({ code }) => code === 'memory-short')
  if (warning !== undefined) {
    const remedy = 'Load soon after boot, or stop a large service first.'
    return { id, status: 'warning', summary: sentence(warning.text), evidence, remedy }
  }
  return { id, status: 'ok', summary: `${available} of memory is free, which is enough.`, evidence }
}
