import { posix } from 'node:path'
import { addonFiles } from '../../entries/efi/addons.ts'
import { companionDirectories, companionFiles } from '../../entries/efi/companions.ts'
import { bootPartitions, holderOf } from '../../entries/efi/partitions.ts'
import { identifyKernel } from '../../entries/names/identify.ts'
import { FileIndex } from '../../entries/paths/file-index.ts'
import { SystemFiles } from '../../entries/paths/system-files.ts'
import { KexecError } from '../../errors.ts'
import { type Addon, type AddonUser, addonRefusal, readAddon } from '../../image/formats/addon.ts'
import { type OpenImage, openImage } from '../../image/inspect/open.ts'
import type { System } from '../../system/system.ts'
import type { PlanWarning } from '../model/remark.ts'
import { type ArchiveDirectory, archiveOf, MAX_ARCHIVED } from './archive.ts'
import type { UnifiedPart } from './part.ts'

/** An addon in use. */
export interface OpenAddon {
  readonly file: OpenImage
  readonly addon: Addon
}

/** A kind of files that systemd-stub packs into an archive of their own. */
interface Archive extends ArchiveDirectory {
  readonly suffix: string
  readonly exceptSuffix?: string
  /** The first version of systemd-stub that looks for them. */
  readonly since?: number
  /** Directory at the top of the partition, for all images; where absent, the directory beside the image. */
  readonly shared?: string
}

const secret = { directoryMode: 0o500, fileMode: 0o400 }
const open = { directoryMode: 0o555, fileMode: 0o444 }
const extension = { suffix: '.raw', exceptSuffix: '.confext.raw' }

/** In the order of systemd-stub: files beside the image come before files for all images. */
const archives: readonly Archive[] = [
  { ...secret, directory: '.extra/credentials', suffix: '.cred' },
  { ...secret, directory: '.extra/global_credentials', suffix: '.cred', shared: 'loader/credentials' },
  { ...open, ...extension, directory: '.extra/sysext' },
  { ...open, ...extension, directory: '.extra/global_sysext', shared: 'loader/extensions', since: 258 },
  { ...open, directory: '.extra/confext', suffix: '.confext.raw', since: 256 },
  { ...open, directory: '.extra/global_confext', suffix: '.confext.raw', shared: 'loader/extensions', since: 258 },
]

/** The files that belong to an image, beside it and on its partition. They stay open until `close()`. */
export class Companions {
  readonly files: OpenImage[] = []
  readonly warnings: PlanWarning[] = []
  readonly #system: System
  readonly #index: FileIndex
  /** Beside the image, or at the top of its partition. */
  readonly #own: readonly string[]
  readonly #top: string | null

  /**
   * @param path of the image, or null when it came from no file system, and so has none
   */
  constructor(system: System, path: string | null) {
    this.#system = system
    this.#index = new FileIndex(system)
    this.#own = path === null ? [] : companionDirectories(path)
    const partitions = path === null ? [] : bootPartitions(new SystemFiles(system, identifyKernel))
    this.#top = path === null ? null : (holderOf(path, partitions)?.top ?? null)
  }

  /**
   * The addons in use, those for all images first. Each addon that is passed over gets a remark, except addons for
   * other kernels.
   */
  addons(image: AddonUser): OpenAddon[] {
    const directories = [...this.#directories('loader/addons'), ...this.#directories(undefined)]
    return directories
      .flatMap((directory) => addonFiles(this.#system, directory))
      .flatMap((path) => this.#addon(path, image))
  }

  #addon(path: string, image: AddonUser): OpenAddon[] {
    const file = this.#open(path, 'The addon')
    if (file === undefined) return []
    const addon = readAddon(file.source)
    const refusal = typeof addon === 'string' ? addon : addonRefusal(addon, image)
    if (typeof addon !== 'string' && refusal === null) return [{ file, addon }]
    const text = `The addon ${path} ${refusal}: systemd-stub would pass over it, and so does this plan.`
    this.warnings.push({ code: 'addon-passed-over', text })
    return []
  }

  /**
   * Archives of credentials and of extension images.
   * @param version of systemd-stub in the image, or null for another stub, which is expected to read all kinds
   */
  archives(version: number | null): UnifiedPart[] {
    const known = archives.filter(({ since = 0 }) => version === null || version >= since)
    return known.flatMap((archive) => {
      const { suffix, exceptSuffix, shared } = archive
      const isWanted = (name: string) =>
        name.endsWith(suffix) && (exceptSuffix === undefined || !name.endsWith(exceptSuffix))
      const paths = this.#directories(shared).flatMap((directory) => companionFiles(this.#system, directory, isWanted))
      const files = paths.flatMap((path) => this.#archived(path))
      if (files.length === 0) return []
      return [{ name: `/${archive.directory}`, source: archiveOf(archive, files) }]
    })
  }

  #archived(path: string) {
    const file = this.#open(path, 'The file')
    if (file === undefined) return []
    if (file.size <= MAX_ARCHIVED) return [{ name: posix.basename(path), content: file.source }]
    this.#leaveOut('The file', path, 'an initrd cannot hold a file of 4 GiB or more')
    return []
  }

  /** As the file system spells them; the existing ones. */
  #directories(shared: string | undefined): string[] {
    if (shared === undefined) return this.#own.flatMap((directory) => this.#index.ignoringCase(directory) ?? [])
    return this.#top === null ? [] : [this.#index.ignoringCase(posix.join(this.#top, shared)) ?? []].flat()
  }

  #open(path: string, what: string): OpenImage | undefined {
    try {
      const file = openImage(this.#system, path)
      this.files.push(file)
      if (file.stats?.isFile()) return file
      this.#leaveOut(what, path, `it is ${file.image.description}`)
    } catch (error) {
      if (!(error instanceof KexecError)) throw error
      this.#leaveOut(what, path, error.summary)
    }
    return undefined
  }

  #leaveOut(what: string, path: string, why: string): void {
    this.warnings.push({ code: 'file-left-out', text: `${what} ${path} is left out: ${why}.` })
  }

  close(): void {
    for (const file of this.files) file.close()
  }
}
