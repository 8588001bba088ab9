import { posix } from 'node:path'
import { type FoundEntry, type Menu, menuWithoutPreset } from '../model/found-entry.ts'
import type { Survey } from '../survey/survey.ts'

/** Kernels as `make` leaves them below arch/, the one to boot first (Documentation/kbuild, `make help`). */
const images: readonly (readonly [architecture: string, names: readonly string[]])[] = [
  ['x86', ['bzImage']],
  ['arm64', ['Image.gz', 'vmlinuz.efi', 'Image']],
  ['riscv', ['Image.gz', 'vmlinuz.efi', 'Image']],
  ['arm', ['zImage']],
  ['powerpc', ['zImage']],
  ['s390', ['bzImage']],
  ['loongarch', ['vmlinuz.efi', 'vmlinux.efi']],
]

/**
 * The kernels that were built in a source tree, or in the directory of `make O=`: one entry for each architecture.
 * Without any, the ELF file `vmlinux`, which powerpc boots and x86 does not.
 * @param directory in the system's tree; ids are paths below it.
 */
export function buildTreeMenu(survey: Survey, directory: string): Menu {
  const built = images.flatMap(([architecture, names]) => {
    const boot = `arch/${architecture}/boot`
    // arch/x86_64/boot and arch/i386/boot are links to the same file.
    const name = names.find((candidate) => isFile(posix.join(directory, boot, candidate), survey))
    return name === undefined ? [] : [`${boot}/${name}`]
  })
  const paths = built.length > 0 ? built : isFile(posix.join(directory, 'vmlinux'), survey) ? ['vmlinux'] : []
  const release = survey.readText(posix.join(directory, 'include/config/kernel.release'))?.trim().split('\n')[0]
  return menuWithoutPreset(
    'build-tree',
    directory,
    paths.map((path) => entryOf(path, directory, release || null, survey)),
  )
}

function isFile(path: string, survey: Survey): boolean {
  return survey.system.stat(path)?.isFile() ?? false
}

function entryOf(path: string, directory: string, release: string | null, survey: Survey): FoundEntry {
  const kernel = posix.join(directory, path)
  const file = survey.kernelFile(kernel)
  const version = file.version ?? release
  const problems = [...file.problems]
  if (file.version !== null && release !== null && file.version !== release)
    problems.push({
      code: 'stale-build',
      text: `${kernel} is ${file.version}, but the tree is set up for ${release}: it is to be built again.`,
    })
  return {
    id: path,
    title: `Linux ${version ?? 'of unknown version'} (build tree)`,
    version,
    kernel,
    initrds: [],
    commandLine: null,
    architecture: file.architecture,
    problems,
    // A kernel with all drivers built in needs none, so missing modules are not a fault yet.
    uncertainties: survey.modulesProblems(version).map(({ text }) => text),
    described: true,
  }
}
