import { splitBootCount } from '../efi/boot-counting.ts'
import { parseOsRelease, systemName } from '../efi/os-release.ts'
import type { ImageProfile, UnifiedImage } from '../efi/uki.ts'
import { problemsOf } from '../model/problem.ts'
import type { LoaderEntry } from './loader-entry.ts'
import type { MenuReading } from './reading.ts'

/** The entries of a unified kernel image in EFI/Linux: one for each of its profiles. @param path of the file. */
export function type2Entries(path: string, file: string, reading: MenuReading): LoaderEntry[] {
  const image = reading.survey.efiPrograms.image(path)
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
  const name = systemName(parseOsRelease(profile.osRelease ?? ''))
  const own = parseOsRelease(profile.profile ?? '')
  const { options: _, problems, ...start } = reading.survey.efiPrograms.profile(path, profile, image)
  if (name === undefined)
    problems.push({
      code: 'configuration-mistake',
      text: `${path} has no .osrel section that names a system, so systemd-boot does not show it.`,
    })
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
      ...start,
      id: profileId,
      title: title ?? profileId,
      source: 'uki',
      config: path,
      profile: image.hasProfiles ? number : null,
      problems,
    },
  }
}

/** Further profiles describe themselves; for the first this is optional. */
function profileTitle(system: string, own: ReadonlyMap<string, string>, number: number): string {
  const title = own.get('TITLE') ?? (number === 0 ? undefined : (own.get('ID') ?? `Profile #${number + 1}`))
  return title === undefined ? system : `${system} (${title})`
}

/** An unreadable image cannot be shown, but should not be missed. */
function brokenEntry(path: string, file: string, problem: string): LoaderEntry {
  const { id, count } = splitBootCount(file)
  const found = {
    id,
    title: id,
    source: 'uki' as const,
    config: path,
    kernel: path,
    initrds: [],
    commandLine: null,
    problems: problemsOf('damaged-image', [problem]),
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
