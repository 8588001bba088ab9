import type { Subject } from '../examination/check.ts'
import { sentence } from '../examination/sentence.ts'

/** Loads that firmware, processor or hypervisor are known to make impossible, where reading proves it. */
export const platform: Subject<'platform'> = {
  name: 'platform',
  ids: ['platform'],
  needsMachine: true,
  examine: ({ policy: { obstacles } }) => {
    const [first, ...others] = obstacles
    const id = 'platform'
    if (first === undefined) return [{ id, status: 'ok', summary: 'No known obstacle on this hardware.' }]
    return [
      {
        id,
        status: first.certain ? 'problem' : 'warning',
        summary: sentence(first.summary),
        detail: others.map(({ summary }) => sentence(summary)),
        evidence: obstacles.flatMap(({ evidence }) => evidence),
        remedy: first.remedy,
      },
    ]
  },
}
