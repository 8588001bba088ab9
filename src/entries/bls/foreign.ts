import { thisMachine } from '../efi/architectures.ts'
import { problemsOf } from '../model/problem.ts'
import type { Survey } from '../survey/survey.ts'
import type { LoaderEntry } from './loader-entry.ts'

/**
 * Hides the entries that are for a machine other than the boot loader's, as systemd-boot does, and says so.
 * @param machine the boot loader's machine, or null when nothing on its partition shows it.
 */
export function hideForeign(entries: readonly LoaderEntry[], machine: string | null, survey: Survey): LoaderEntry[] {
  if (entries.every((entry) => entry.machine === null)) return [...entries]
  const own = machine ?? machineOfKernels(entries, survey)
  if (own === null) return [...entries]
  return entries.map((entry) => {
    if (entry.machine === null || entry.machine === own) return entry
    const text = `${entry.found.config} is for ${entry.machine}, so systemd-boot does not show it on ${own}.`
    const problems = [...problemsOf('configuration-mistake', [text]), ...(entry.found.problems ?? [])]
    return { ...entry, isHidden: true, found: { ...entry.found, problems } }
  })
}

/** Entries that name no architecture are for the machine they lie on, and so are their kernels. */
function machineOfKernels(entries: readonly LoaderEntry[], survey: Survey): string | null {
  for (const { machine, found, isHidden } of entries) {
    if (machine !== null || found.kernel === null || isHidden) continue
    const { architecture } = survey.kernelFile(found.kernel)
    if (architecture !== null) return architecture
  }
  return entries.some(({ machine }) => machine === thisMachine) ? thisMachine : null
}
