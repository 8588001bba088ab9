import { posix } from 'node:path'
import type { System } from '../../system/system.ts'
import { EfiPrograms } from '../efi/efi-program.ts'
import type { Budget } from '../model/budget.ts'
import { type BootProblem, problemsOf } from '../model/problem.ts'
import type { IdentifyKernel } from '../names/identify.ts'
import { SystemFiles } from '../paths/system-files.ts'
import { ThisSystem } from './this-system.ts'

/** Directories with a subdirectory of modules per kernel release; on a merged /usr both are the same. */
export const MODULES_DIRECTORIES = ['/usr/lib/modules', '/lib/modules'] as const

/** One reading of a system, shared by all sources so that nothing is read twice. */
export class Survey extends SystemFiles {
  readonly efiPrograms: EfiPrograms
  private own: ThisSystem | undefined
  private releases: ReadonlyMap<string, string> | undefined
  private operatingSystem: string | null | undefined

  constructor(system: System, identify: IdentifyKernel, budget?: Budget) {
    super(system, identify, budget)
    this.efiPrograms = new EfiPrograms(this)
  }

  /** Tells the running system from others. */
  get thisSystem(): ThisSystem {
    this.own ??= new ThisSystem(this.system, this.volumes)
    return this.own
  }

  /** The modules directories by their kernel release. */
  get modules(): ReadonlyMap<string, string> {
    this.releases ??= new Map(
      [...MODULES_DIRECTORIES]
        .reverse()
        .flatMap((directory) =>
          this.system.list(directory).map((release): [string, string] => [release, posix.join(directory, release)]),
        ),
    )
    return this.releases
  }

  /** A problem when this system has modules directories, but none for this release. */
  modulesProblems(version: string | null): BootProblem[] {
    if (version === null || this.modules.size === 0 || this.modules.has(version)) return []
    return problemsOf('no-modules', [
      `There is no modules directory for ${version}: /lib/modules/${version} does not exist.`,
    ])
  }

  /**
   * 'Debian GNU/Linux 12 (bookworm), Linux 6.1.0-50-amd64': the system's name if it has one, and the kernel's version.
   */
  title(version: string | null, kernel: string): string {
    if (this.operatingSystem === undefined) this.operatingSystem = prettyName(this.system)
    const name = version === null ? posix.basename(kernel) : `Linux ${version}`
    return this.operatingSystem === null ? name : `${this.operatingSystem}, ${name}`
  }
}

/** PRETTY_NAME of os-release(5), which quotes as a shell does. */
function prettyName(system: System): string | null {
  const text = system.readText('/etc/os-release') ?? system.readText('/usr/lib/os-release') ?? ''
  const line = /^PRETTY_NAME=(.*)$/m.exec(text)?.[1]?.trim()
  const name = line?.replace(/^(["'])(.*)\1$/, '$2').replace(/\\(.)/g, '$1')
  return name === undefined || name === '' ? null : name
}
