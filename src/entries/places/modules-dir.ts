import { posix } from 'node:path'
import { type FoundEntry, menuWithoutPreset } from '../model/found-entry.ts'
import { initrdNames, microcodeIn, noInitrd } from '../names/initrd-names.ts'
import { isRescue } from '../names/kernel-names.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import { MODULES_DIRECTORIES, type Survey } from '../survey/survey.ts'

/** Names of an initrd that a distribution ships or builds in the modules directory itself. */
const ownInitrds = ['initrd', 'initrd.img', 'initramfs.img', 'initramfs']

/** Kernels in /usr/lib/modules/VERSION/vmlinuz: Fedora, Arch, newer Debian. A version in /boot is not repeated. */
export const modulesDir: EntrySource = {
  name: 'modules-dir',
  find: (survey, earlier) => {
    const known = new Set(
      earlier.filter(({ kernel }) => kernel !== null && !isRescue(kernel)).map(({ version }) => version),
    )
    const bootDirectory = survey.bootDirectories[0] as string
    const inBoot = new Set(survey.system.list(bootDirectory))
    const unknown = [...survey.modules].filter(
      ([release, directory]) => !known.has(release) && survey.system.exists(posix.join(directory, 'vmlinuz')),
    )
    const entries = survey.budget.entriesOf(unknown, ([release, directory]) =>
      entryOf(release, directory, bootDirectory, inBoot, survey),
    )
    return entries.length === 0 ? [] : [menuWithoutPreset('modules-dir', MODULES_DIRECTORIES[0], entries)]
  },
}

function entryOf(
  release: string,
  directory: string,
  bootDirectory: string,
  inBoot: ReadonlySet<string>,
  survey: Survey,
): FoundEntry {
  const kernel = posix.join(directory, 'vmlinuz')
  const { version, architecture, problems } = survey.kernelFile(kernel)
  const looked = [release, packageOf(directory, survey)]
    .filter((stem) => stem !== undefined)
    .flatMap((stem) => initrdNames(stem, version, architecture))
  const own = ownInitrds.find((name) => survey.system.exists(posix.join(directory, name)))
  const matched = looked.find((name) => inBoot.has(name))
  const initrds = microcodeIn(inBoot, architecture).map((name) => posix.join(bootDirectory, name))
  if (own !== undefined) initrds.push(posix.join(directory, own))
  else if (matched !== undefined) initrds.push(posix.join(bootDirectory, matched))
  const missing = own === undefined && matched === undefined ? [noInitrd(kernel, looked, bootDirectory)] : []
  return {
    id: `modules/${release}`,
    title: survey.title(version ?? release, kernel),
    version: version ?? release,
    config: directory,
    kernel,
    initrds,
    commandLine: null,
    deviceTree: null,
    architecture,
    described: true,
    problems: [...problems, ...initrds.flatMap((path) => survey.initrdProblems(path)), ...missing],
  }
}

/** Arch's name for the kernel, 'linux-lts', which its initrd carries instead of a version. */
function packageOf(directory: string, survey: Survey): string | undefined {
  const name = survey.readText(posix.join(directory, 'pkgbase'))?.trim()
  return name === '' ? undefined : name
}
