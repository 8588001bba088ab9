import { hasParameter } from '../../cmdline/look-up.ts'
import { stubCommandLine } from '../../image/formats/uki.ts'
import { isSecureBoot } from '../../system/efi-variables.ts'
import type { FoundEntry } from '../model/found-entry.ts'
import { type BootProblem, problemsOf } from '../model/problem.ts'
import { compareVersions } from '../names/version.ts'
import type { SystemFiles } from '../paths/system-files.ts'
import { Addons } from './addons.ts'
import { parseOsRelease } from './os-release.ts'
import { type BootPartition, bootPartitions, holderOf } from './partitions.ts'
import { type ImageProfile, readUnifiedImage, type UnifiedImage } from './uki.ts'

/** An EFI program, and how a boot loader starts it. */
export interface EfiStart {
  /** Path in the system's tree. */
  readonly program: string
  /** The load options that it is started with; null for none. */
  readonly options: string | null
  /** The file that names the program. */
  readonly config: string
  /** Initrds that the boot loader itself passes to the program (LINUX_EFI_INITRD_MEDIA_GUID). Absent: none. */
  readonly initrds?: readonly string[]
}

/** The Linux kernel that an EFI program boots, as part of an entry. */
export type StartedKernel = Pick<
  FoundEntry,
  'kernel' | 'initrds' | 'commandLine' | 'version' | 'architecture' | 'profile' | 'described' | 'systemId'
> & { readonly problems: readonly BootProblem[]; readonly uncertainties: readonly string[] }

/** More files than any command line names. */
const MAX_INITRDS = 256

/** Steps to read an image's sections. */
const IMAGE = 300

/** From this release on, the kernel's EFI stub takes the boot loader's initrds in place of those of its command line. */
const TAKES_HANDED_INITRDS = '5.7'

/**
 * The kernels that EFI programs boot: the one answer for every boot loader. A unified kernel image is read by
 * systemd-stub(7); a kernel is started by its own stub (drivers/firmware/efi/libstub of Linux).
 */
export class EfiPrograms {
  private readonly files: SystemFiles
  private readonly images = new Map<string, UnifiedImage | string>()
  private readonly addons: Addons
  private found: readonly BootPartition[] | undefined

  constructor(files: SystemFiles) {
    this.files = files
    this.addons = new Addons(files)
  }

  /** The partitions that systemd-boot reads, the ESP first. */
  get partitions(): readonly BootPartition[] {
    this.found ??= bootPartitions(this.files)
    return this.found
  }

  /** A unified kernel image, or the file's fault, to complete a sentence that begins with its path. */
  image(path: string): UnifiedImage | string {
    const known = this.images.get(path) ?? this.read(path)
    this.images.set(path, known)
    return known
  }

  private read(path: string): UnifiedImage | string {
    const { budget, system } = this.files
    if (!this.files.pay(IMAGE)) return 'is not looked at: there is more to read here than any machine needs'
    const image = readUnifiedImage(system, path)
    if (typeof image !== 'string') budget.take('characters', textOf(image))
    return image
  }

  /** Null for a program that boots no Linux kernel, and for a missing file. */
  started(start: EfiStart): StartedKernel | null {
    const { program } = start
    if (!this.files.system.stat(program)?.isFile()) return null
    const image = this.image(program)
    if (typeof image !== 'string' && image.profiles.some(({ hasKernel }) => hasKernel))
      return this.unified(start, image)
    return this.files.kernelFile(program).problems.length > 0 ? null : this.asKernel(start)
  }

  /** As `started`, for a file that should be a kernel, even if it is missing or broken. */
  asKernel(start: EfiStart): StartedKernel {
    return { kernel: start.program, problems: [], ...this.withInitrds(start, start.options ?? '', false) }
  }

  private unified(start: EfiStart, image: UnifiedImage): StartedKernel {
    const { program, config } = start
    const given = loadOptions(start.options)
    const profile = image.profiles[given.profile]
    if (profile === undefined) {
      const text = `${config} asks for profile ${given.profile} of ${program}, which it does not have: it does not start.`
      return {
        kernel: program,
        initrds: [],
        commandLine: null,
        profile: given.profile,
        described: true,
        problems: problemsOf('configuration-mistake', [text]),
        uncertainties: [],
      }
    }
    const { options, problems, ...found } = this.profile(program, profile, image)
    const isIgnored = profile.commandLine !== null && isSecureBoot(this.files.system) === true
    if (given.commandLine !== '' && isIgnored && given.commandLine !== stubCommandLine(profile.commandLine ?? ''))
      problems.push({
        code: 'options-ignored',
        text: `${config} has options, which systemd-stub ignores under Secure Boot: the image has a command line.`,
      })
    const isReplaced = given.commandLine !== '' && !isIgnored
    const commandLine = isReplaced ? joined([given.commandLine, ...options]) : (found.commandLine ?? '')
    return {
      ...found,
      profile: image.hasProfiles ? given.profile : null,
      problems,
      ...this.withInitrds(start, commandLine, profile.hasInitrd),
    }
  }

  /**
   * The kernel and command line of an image's profile, and the options that its addons would add to any other command
   * line.
   */
  profile(path: string, profile: ImageProfile, image: UnifiedImage) {
    const { files } = this
    const addons = this.addons.optionsFor(path, holderOf(path, this.partitions)?.addons ?? null, {
      architecture: image.architecture,
      release: profile.uname,
      isSecureBoot: isSecureBoot(files.system) === true,
    })
    const problems = problemsOf(
      'damaged-image',
      profile.faults.map((fault) => `${path} ${fault}.`),
    )
    if (!profile.hasKernel)
      problems.push({ code: 'no-kernel', text: `${path} holds no kernel: it has no section .linux.` })
    return {
      options: addons.options,
      problems: [...problems, ...addons.problems],
      kernel: profile.hasKernel ? path : null,
      initrds: [] as readonly string[],
      commandLine: joined([stubCommandLine(profile.commandLine ?? ''), ...addons.options]),
      version: profile.release,
      architecture: image.architecture,
      systemId: parseOsRelease(profile.osRelease ?? '').get('ID') ?? null,
      described: true,
    }
  }

  /**
   * The initrds that the kernel's stub loads. The command line stays as it is passed: a plan takes their names off. The
   * stub asks the boot loader for them (LoadFile2), which systemd-boot answers for its `initrd` lines and systemd-stub
   * for the image's own. Only where there is no answer does it load the files of `initrd=` (efi_load_initrd in
   * efi-stub-helper.c); before 5.7 this was the only way, and systemd-boot puts an `initrd=` for each of its own files
   * first.
   */
  private withInitrds({ program, config, initrds = [] }: EfiStart, text: string, hasOwn: boolean) {
    const commandLine = text
    const named = stubInitrds(text).map((path) => this.beside(program, path, config))
    if (hasParameter(text, 'noinitrd')) return { initrds: [], commandLine, uncertainties: [] }
    const isHanded = hasOwn || (initrds.length > 0 && this.takesHandedInitrds(program))
    const uncertainties =
      isHanded && named.length > 0
        ? [
            `${config} names ${named.join(' and ')} with initrd=, which the kernel does not load: it gets other initrds.`,
          ]
        : []
    return { initrds: isHanded ? initrds : [...initrds, ...named], commandLine, uncertainties }
  }

  private takesHandedInitrds(program: string): boolean {
    const { version } = this.files.kernelFile(program)
    return version === null || compareVersions(version, TAKES_HANDED_INITRDS) >= 0
  }

  /** A file on the file system that the program was started from. */
  private beside(program: string, path: string, config: string): string {
    const { volumes } = this.files
    // Where the mounts are unknown, the configuration's directory shows where its file system begins.
    return volumes.locate(path, volumes.mountOf(program).device === null ? config : program).path
  }
}

/** Characters in an image's profiles. */
function textOf({ profiles }: UnifiedImage): number {
  return profiles
    .flatMap(({ osRelease, commandLine, profile, uname }) => [osRelease, commandLine, profile, uname])
    .reduce((sum, text) => sum + (text?.length ?? 0), 0)
}

/** How systemd-stub reads its load options: `@N` at their start names a profile, and the rest is the command line. */
function loadOptions(options: string | null): { readonly profile: number; readonly commandLine: string } {
  // Options that begin with a control character are taken for leftovers of some firmware.
  if (options === null || options.charCodeAt(0) < 0x20) return { profile: 0, commandLine: '' }
  const [prefix = '', number = '0'] = /^@(\d{1,9})(?: |$)/.exec(options) ?? []
  return { profile: Number(number), commandLine: stubCommandLine(options.slice(prefix.length)) }
}

/**
 * The paths of `initrd=` as the kernel's stub finds them (find_file_option in libstub/file.c): at any place, up to the
 * next space or line feed; quotes have no meaning there.
 */
function stubInitrds(options: string): string[] {
  const paths: string[] = []
  const mark = 'initrd='
  for (let at = options.indexOf(mark); at >= 0 && paths.length < MAX_INITRDS; at = options.indexOf(mark, at)) {
    at += mark.length
    const end = options.slice(at).search(/[ \n\0]/)
    const path = end < 0 ? options.slice(at) : options.slice(at, at + end)
    paths.push(`/${path.replace(/^[/\\]+/, '')}`)
    at += path.length
  }
  return paths
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ')
}
