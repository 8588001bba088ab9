import { posix } from 'node:path'
import type { BootEntry } from './model/entry.ts'
import { type FoundEntry, MAX_INITRDS, type Menu } from './model/found-entry.ts'
import { type BootProblem, problemsOf } from './model/problem.ts'
import { isRescue, kernelName } from './names/kernel-names.ts'
import type { Survey } from './survey/survey.ts'
import type { Belonging } from './survey/this-system.ts'

/** An entry with all facts from its menu and its files. Facts from other entries are added later. */
export interface DescribedEntry
  extends Belonging,
    Omit<BootEntry, 'isDefault' | 'isRunning' | 'isNewest' | 'passedOver'> {
  /** How many of `problems`, at the end, are only unknown facts. */
  readonly uncertain: number
}

/** More than anyone reads about one entry. */
const MAX_PROBLEMS = 100

/** Reads an entry's files, once each, and reports their kind and their faults. */
export function describe(found: FoundEntry, menu: Menu, survey: Survey): DescribedEntry {
  const { id, title, kernel, commandLine } = found
  const initrds = found.initrds.slice(0, MAX_INITRDS)
  const uncertainties = (found.uncertainties ?? []).slice(0, MAX_PROBLEMS)
  const source = found.source ?? menu.source
  const file = kernel === null || found.described ? undefined : survey.kernelFile(kernel)
  const version = file?.version ?? found.version ?? nameVersion(kernel)
  const problems: BootProblem[] = [...(found.problems ?? []).slice(0, MAX_PROBLEMS), ...(file?.problems ?? [])]
  if (found.initrds.length > MAX_INITRDS)
    problems.push({
      code: 'too-many-initrds',
      text: `It has more than ${MAX_INITRDS} initrds: only the first are listed, and it cannot be loaded like this.`,
    })
  if (!found.described) for (const path of initrds) problems.push(...survey.initrdProblems(path))
  const starting = { ...found, config: found.config ?? menu.config }
  const belonging = survey.thisSystem.belongs(starting)
  if (
    kernel !== null &&
    menu.source !== 'build-tree' &&
    belonging.otherSystem === null &&
    (file?.problems ?? []).length === 0
  )
    problems.push(...modulesProblems(kernel, version, survey))
  return {
    id,
    title,
    submenus: found.submenus ?? [],
    version,
    source,
    sources: [source],
    config: found.config ?? menu.config,
    kernel,
    initrds,
    commandLine,
    deviceTree: found.deviceTree ?? null,
    profile: found.profile ?? null,
    architecture: file?.architecture ?? found.architecture ?? null,
    problems: [...problems, ...problemsOf('uncertain', uncertainties)],
    uncertain: uncertainties.length,
    ...belonging,
  }
}

/** A rescue kernel's initrd contains every module it needs, even after its package and directory are gone. */
function modulesProblems(kernel: string, version: string | null, survey: Survey): BootProblem[] {
  return isRescue(kernel) ? [] : survey.modulesProblems(version)
}

function nameVersion(kernel: string | null): string | null {
  return kernel === null ? null : (kernelName(posix.basename(kernel))?.version ?? null)
}
