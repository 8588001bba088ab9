import { posix } from 'node:path'
import { type FoundEntry, menuWithoutPreset } from '../model/found-entry.ts'
import { initrdNames, microcodeIn, noInitrd } from '../names/initrd-names.ts'
import { isRescue } from '../names/kernel-names.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import { MODULES_FOLDERS, type Survey } from '../survey/survey.ts'

/** Names of an initrd that a distribution ships or builds in the modules directory itself. */
const ownInitrds = ['initrd', 'initrd.img', 'initramfs.img', 'initramfs']

/** Kernels in /usr/lib/modules/VERSION/vmlinuz: Fedora, Arch, newer Debian. A version in /boot is not repeated. */
export const modulesDir: EntrySource = {
  name: 'modules-dir',
  find: (survey, earlier) => {
    const known = new Set(
      earlier.filter(({ kernel }) => kernel !== null && !isRescue(kernel)).map(({ version }) => version),
    )
    const bootFolder = survey.bootFolders[0] as string
    const inBoot = new Set(survey.system.list(bootFolder))
    const unknown = [...survey.modules].filter(
      ([release, folder]) => !known.has(release) && survey.system.exists(posix.join(folder, 'vmlinuz')),
    )
    const entries = survey.budget.entriesOf(unknown, ([release, folder]) =>
      entryOf(release, folder, bootFolder, inBoot, survey),
    )
    return entries.length === 0 ? [] : [menuWithoutPreset('modules-dir', MODULES_FOLDERS[0], entries)]
  },
}

function entryOf(
  release: string,
  folder: string,
  bootFolder: string,
  inBoot: ReadonlySet<string>,
  survey: Survey,
): FoundEntry {
  const kernel = posix.join(folder, 'vmlinuz')
  const { version, architecture, problems } = survey.kernelFile(kernel)
  const looked = [release, packageOf(folder, survey)]
    .filter((stem) => stem !== undefined)
    .flatMap((stem) => initrdNames(stem, version, architecture))
  const own = ownInitrds.find((name) => survey.system.exists(posix.join(folder, name)))
  const matched = looked.find((name) => inBoot.has(name))
  const initrds = microcodeIn(inBoot, architecture).map((name) => posix.join(bootFolder, name))
  if (own !== undefined) initrds.push(posix.join(folder, own))
  else if (matched !== undefined) initrds.push(posix.join(bootFolder, matched))
  const missing = own === undefined && matched === undefined ? [noInitrd(kernel, looked, bootFolder)] : []
  return {
    id: `modules/${release}`,
    title: survey.title(version ?? release, kernel),
    version: version ?? release,
    config: folder,
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
function packageOf(folder: string, survey: Survey): string | undefined {
  const name = survey.readText(posix.join(folder, 'pkgbase'))?.trim()
  return name === '' ? undefined : name
}
