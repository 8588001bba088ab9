import { closeSync, fstatSync } from 'node:fs'
import { fileBytes } from '../../bytes/bytes.ts'
import { type Addon, type AddonUser, addonRefusal, isForAnother, readAddon } from '../../image/formats/addon.ts'
import type { System } from '../../system/system.ts'
import type { BootProblem } from '../model/problem.ts'
import type { SystemFiles } from '../paths/system-files.ts'
import { companionDirectories, companionFiles, openRegular, unreadable } from './companions.ts'

/** The additions of addons to a unified kernel image's command line (systemd-stub(7)). */
export interface AddonOptions {
  readonly options: readonly string[]
  readonly problems: readonly BootProblem[]
}

/** Steps to read one. */
const ADDON = 200

/** Reads addons, each directory once: those for all images of a partition and those of one image. */
export class Addons {
  private readonly files: SystemFiles
  private readonly directories = new Map<string, readonly FoundAddon[]>()

  constructor(files: SystemFiles) {
    this.files = files
  }

  /**
   * The additions to the command line of an image: first from the addons for all, then from its own; in each directory
   * in the order of names.
   * @param shared directory of the addons for all images on its partition
   */
  optionsFor(path: string, shared: string | null, image: AddonUser): AddonOptions {
    const options: string[] = []
    const problems: BootProblem[] = []
    for (const directory of [...(shared === null ? [] : [shared]), ...companionDirectories(path)]) {
      for (const { path: file, addon } of this.inDirectory(directory)) {
        const refusal = typeof addon === 'string' ? addon : addonRefusal(addon, image)
        if (typeof addon !== 'string' && refusal === null)
          options.push(...(addon.commandLine === null ? [] : [addon.commandLine]))
        // In a directory for several kernels this needs no remark.
        else if (typeof addon === 'string' || !isForAnother(addon, image))
          problems.push({ code: 'addon-refused', text: `The addon ${file} ${refusal}.` })
      }
    }
    return { options, problems }
  }

  private inDirectory(directory: string): readonly FoundAddon[] {
    let addons = this.directories.get(directory)
    if (addons === undefined) {
      const { files } = this.files.volumes
      const spelled = files.ignoringCase(directory)
      addons = spelled === undefined ? [] : this.read(spelled)
      this.directories.set(directory, addons)
    }
    return addons
  }

  private read(directory: string): FoundAddon[] {
    return addonFiles(this.files.system, directory).map((path) => ({ path, addon: this.readFile(path) }))
  }

  private readFile(path: string): Addon | string {
    if (!this.files.pay(ADDON)) return 'is not looked at: there is more to read here than any machine needs'
    const fd = openRegular(this.files.system, path)
    if (typeof fd === 'string') return fd
    try {
      return readAddon(fileBytes(fd, fstatSync(fd).size))
    } catch (error) {
      return unreadable(error)
    } finally {
      closeSync(fd)
    }
  }
}

interface FoundAddon {
  readonly path: string
  /** Or its fault. */
  readonly addon: Addon | string
}

/** The addons in a directory, in their order of precedence. */
export function addonFiles(system: System, directory: string): string[] {
  return companionFiles(system, directory, (name) => name.endsWith('.addon.efi'))
}
