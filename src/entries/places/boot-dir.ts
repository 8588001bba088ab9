import { posix } from 'node:path'
import { type FoundEntry, menuWithoutPreset } from '../model/found-entry.ts'
import { initrdNames, microcodeIn, noInitrd } from '../names/initrd-names.ts'
import { isReplaced, isRescue, type KernelName, kernelName } from '../names/kernel-names.ts'
import type { KernelFile } from '../paths/system-files.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'

interface Directory {
  readonly path: string
  readonly names: ReadonlySet<string>
}

/** A file with a kernel's name. */
interface Candidate {
  readonly directory: Directory
  readonly name: KernelName
  readonly path: string
  /** The target of links; undefined when there is none. */
  readonly target: string | undefined
}

/** A kernel with the files found beside it. */
interface Kernel extends Candidate {
  readonly file: KernelFile
  readonly version: string | null
  /** The names that were tried, the likeliest first, and the one that exists. */
  readonly initrdNames: readonly string[]
  readonly initrd: string | undefined
}

/**
 * Kernels in /boot, or at the top of a boot partition, without a configuration: found by name, described by their
 * contents.
 */
export const bootDir: EntrySource = {
  name: 'boot-dir',
  find: (survey) => {
    const directories = survey.bootDirectories.map((path) => ({ path, names: new Set(survey.system.list(path)) }))
    const candidates = directories.flatMap((directory) => candidatesIn(directory, survey))
    const kernels = withoutSecondNames(candidates).map((candidate) => examine(candidate, survey))
    const directoriesWithInitrd = new Set(
      kernels.filter(({ initrd }) => initrd !== undefined).map(({ directory }) => directory),
    )
    const entries = survey.budget.entriesOf(kernels, (kernel) =>
      entryOf(kernel, directoriesWithInitrd.has(kernel.directory), survey),
    )
    return entries.length === 0 ? [] : [menuWithoutPreset('boot-dir', directories[0]?.path ?? '/boot', entries)]
  },
}

function candidatesIn(directory: Directory, survey: Survey): Candidate[] {
  const candidates: Candidate[] = []
  for (const file of directory.names) {
    const name = kernelName(file)
    if (name === undefined || isDebugCopy(file, directory.names)) continue
    const path = posix.join(directory.path, file)
    if (!name.unmistakable && survey.system.stat(path)?.isFile() === false) continue
    candidates.push({ directory, name, path, target: survey.resolve(path) })
  }
  return candidates
}

/** SUSE puts the unstripped ELF file, vmlinux-V.gz, beside the kernel that boots, vmlinuz-V. */
function isDebugCopy(file: string, names: ReadonlySet<string>): boolean {
  const version = /^vmlinux-(.+?)(?:\.(?:gz|bz2|xz|zst))?$/.exec(file)?.[1]
  return version !== undefined && names.has(`vmlinuz-${version}`)
}

/**
 * Drops links to a kernel that has another name: /vmlinuz -> boot/vmlinuz-6.1.0-50-amd64 is not a second kernel. Where
 * all names are links (SUSE's lead to /usr/lib/modules), the one with the version stays.
 */
function withoutSecondNames(candidates: readonly Candidate[]): Candidate[] {
  const files = candidates.filter(({ path, target }) => target === path)
  const seen = new Set(files.map(({ path }) => path))
  const links = candidates
    .filter(({ path, target }) => target !== path)
    .sort((one, other) => Number(one.name.version === null) - Number(other.name.version === null))
    .filter(({ target }) => {
      if (target === undefined) return true
      const isNew = !seen.has(target)
      seen.add(target)
      return isNew
    })
  return [...files, ...links]
}

function examine(candidate: Candidate, survey: Survey): Kernel {
  const { directory, name, path } = candidate
  const file = survey.kernelFile(path)
  const names = initrdNames(name.suffix, file.version, file.architecture)
  const initrd = names.find((initrdName) => directory.names.has(initrdName))
  return { ...candidate, file, version: file.version ?? name.version, initrdNames: names, initrd }
}

function entryOf(kernel: Kernel, othersHaveInitrd: boolean, survey: Survey): FoundEntry {
  const { directory, name, path, file, version, initrd } = kernel
  const initrds = [...microcodeIn(directory.names, file.architecture), ...(initrd === undefined ? [] : [initrd])].map(
    (initrdName) => posix.join(directory.path, initrdName),
  )
  const problems = [...file.problems, ...initrds.flatMap((initrdPath) => survey.initrdProblems(initrdPath))]
  if (initrd === undefined && (name.expectsInitrd || othersHaveInitrd))
    problems.push(noInitrd(path, kernel.initrdNames, directory.path))
  // A rescue kernel's initrd contains every module it needs, even after its package and directory are gone.
  return {
    id: name.file,
    title: `${survey.title(version, path)}${isRescue(path) ? ' (rescue)' : isReplaced(path) ? ' (replaced)' : ''}`,
    version,
    config: directory.path,
    kernel: path,
    initrds,
    commandLine: null,
    deviceTree: null,
    architecture: file.architecture,
    problems,
    described: true,
  }
}
