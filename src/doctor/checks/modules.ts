import type { BootEntry } from '../../entries/model/entry.ts'
import { isRescue } from '../../entries/names/kernel-names.ts'
import { compareKernelVersions } from '../../entries/names/version.ts'
import { MODULES_DIRECTORIES } from '../../entries/survey/survey.ts'
import type { Finding, Subject } from '../examination/check.ts'
import type { Examination } from '../examination/examination.ts'

/** Whether the newest kernel has its modules: its package may be half installed, or half removed. */
export const modules: Subject<'modules'> = {
  name: 'entries',
  ids: ['modules'],
  needsMachine: false,
  examine: (examination) => [ofNewest(examination)],
}

/** By its version alone: an entry without modules is passed over for `newest`. */
function newestOf(entries: readonly BootEntry[]): string | undefined {
  const own = entries.filter(({ kernel, passedOver }) => kernel !== null && passedOver === null && !isRescue(kernel))
  return own
    .flatMap(({ version }) => version ?? [])
    .sort(compareKernelVersions)
    .at(-1)
}

function ofNewest({ system, menu }: Examination): Finding<'modules'> {
  const id = 'modules'
  const version = newestOf(menu.entries)
  if (version === undefined) return { id, status: 'unknown', summary: 'The version of the newest kernel is unknown.' }
  const directory = MODULES_DIRECTORIES.map((parent) => `${parent}/${version}`).find((path) =>
    system.stat(path)?.isDirectory(),
  )
  if (directory === undefined) {
    const absent = `/lib/modules/${version}`
    // A boot partition alone holds no modules of any kernel.
    if (MODULES_DIRECTORIES.every((parent) => system.list(parent).length === 0))
      return {
        id,
        status: 'unknown',
        summary: 'There are no modules for any kernel.',
        evidence: [{ source: '/lib/modules', value: 'absent or empty' }],
      }
    const summary = `The newest kernel, ${version}, has no modules: ${absent} is absent.`
    const remedy = `Install the package with the modules of ${version} again, or remove that kernel.`
    return { id, status: 'warning', summary, evidence: [{ source: absent, value: 'absent' }], remedy }
  }
  const index = `${directory}/modules.dep`
  const hasModules = system.stat(`${directory}/kernel`)?.isDirectory() ?? false
  const isIndexed = ['modules.dep', 'modules.dep.bin'].some((name) => system.exists(`${directory}/${name}`))
  if (hasModules && !isIndexed) {
    const summary = `The modules of ${version} have no index, so none of them can be loaded: ${index} is absent.`
    return {
      id,
      status: 'warning',
      summary,
      evidence: [{ source: index, value: 'absent' }],
      remedy: `depmod ${version}`,
    }
  }
  const evidence = [{ source: directory, value: 'present' }]
  return { id, status: 'ok', summary: `${version} has its modules.`, evidence }
}
