import { stubCommandLine } from '../../image/uki.ts'
import { isSecureBoot } from '../../system/efi-variables.ts'
import { splitBootCount } from './boot-counting.ts'
import type { LoaderEntry } from './loader-entry.ts'
import { parseAssignments, systemName } from './os-release.ts'
import type { MenuReading } from './reading.ts'
import { type ImageProfile, readUnifiedImage, type UnifiedImage } from './uki.ts'

/** The entries of a unified kernel image in EFI/Linux: one for each of its profiles. @param path of the file. */
export function type2Entries(path: string, file: string, reading: MenuReading): LoaderEntry[] {
  const image = readUnifiedImage(reading.survey.system, path)
  if (typeof image === 'string') return [brokenEntry(path, file, `${path} ${image}.`)]
  return image.profiles.map((profile, number) => profileEntry(path, file, image, profile, number, reading))
}

function profileEntry(
  path: string,
  file: string,
  image: UnifiedImage,
  profile: ImageProfile,
  number: number,
  reading: MenuReading,
): LoaderEntry {
  const { id, count } = splitBootCount(file)
  const name = systemName(parseAssignments(profile.osRelease ?? ''))
  const own = parseAssignments(profile.profile ?? '')
  const start = imageStart(path, profile, image, reading)
  const problems = [...start.problems]
  if (name === undefined)
    problems.push(`${path} has no .osrel section that names a system, so systemd-boot does not show it.`)
  const profileId = number === 0 ? id : `${id}@${own.get('ID') ?? number}`
  const title = name === undefined ? null : profileTitle(name.name, own, number)
  return {
    id: profileId,
    count,
    title,
    sortKey: name?.sortKey ?? null,
    machineId: null,
    machine: null,
    version: name?.version ?? null,
    profile: number,
    isHidden: name === undefined,
    isAutomatic: false,
    found: {
      ...start.found,
      id: profileId,
      title: title ?? profileId,
      source: 'uki',
      config: path,
      profile: image.hasProfiles ? number : null,
      problems,
    },
  }
}

/** Further profiles say what they are, the first only if it wants to. */
function profileTitle(system: string, own: ReadonlyMap<string, string>, number: number): string {
  const title = own.get('TITLE') ?? (number === 0 ? undefined : (own.get('ID') ?? `Profile #${number + 1}`))
  return title === undefined ? system : `${system} (${title})`
}

/** What starting an image starts, whichever kind of entry names it. */
export function imageStart(path: string, profile: ImageProfile, image: UnifiedImage, reading: MenuReading) {
  const addons = reading.addons.optionsFor(path, reading.addonsBeside(path), {
    architecture: image.architecture,
    release: profile.uname,
    isSecureBoot: isSecureBoot(reading.survey.system) === true,
  })
  const parts = [stubCommandLine(profile.commandLine ?? ''), ...addons.options]
  const problems = profile.faults.map((fault) => `${path} ${fault}.`)
  if (!profile.hasKernel) problems.push(`${path} holds no kernel: it has no section .linux.`)
  else problems.push(...reading.survey.modulesProblems(profile.release))
  return {
    addonOptions: addons.options,
    problems: [...problems, ...addons.problems],
    found: {
      kernel: profile.hasKernel ? path : null,
      initrds: [],
      cmdline: parts.filter((part) => part !== '').join(' '),
      version: profile.release,
      architecture: image.architecture,
      described: true,
    },
  }
}

/** What cannot be read cannot be shown, but should not be missed. */
function brokenEntry(path: string, file: string, problem: string): LoaderEntry {
  const { id, count } = splitBootCount(file)
  const found = {
    id,
    title: id,
    source: 'uki' as const,
    config: path,
    kernel: path,
    initrds: [],
    cmdline: null,
    problems: [problem],
    described: true,
  }
  return {
    id,
    count,
    title: null,
    sortKey: null,
    machineId: null,
    machine: null,
    version: null,
    profile: 0,
    isHidden: true,
    isAutomatic: false,
    found,
  }
}
