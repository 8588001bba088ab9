import { posix } from 'node:path'
import { stubCommandLine } from '../../image/uki.ts'
import type { Survey } from '../survey.ts'
import { splitBootCount } from './boot-counting.ts'
import { readUnifiedImage } from './uki.ts'

/** What the addons of a unified kernel image add to its command line (systemd-stub(7)). */
export interface AddonOptions {
  readonly options: readonly string[]
  readonly problems: readonly string[]
}

/** Reads addons, each folder once: those for all images of a partition and those of one image. */
export class Addons {
  private readonly survey: Survey
  private readonly folders = new Map<string, readonly Addon[]>()

  constructor(survey: Survey) {
    this.survey = survey
  }

  /**
   * What is appended to the command line of an image: first by the addons for all, then by its own; in each folder in the
   * order of names.
   * @param shared folder of the addons for all images on its partition
   * @param release of the kernel; an addon for another one is passed over
   */
  optionsFor(image: string, shared: string | null, release: string | null): AddonOptions {
    const { dir, base } = posix.parse(image)
    const own = [...new Set([base, splitBootCount(base).id])].map((name) => posix.join(dir, `${name}.extra.d`))
    const options: string[] = []
    const problems: string[] = []
    for (const folder of [...(shared === null ? [] : [shared]), ...own]) {
      for (const addon of this.inFolder(folder)) {
        if (addon.problem !== null) problems.push(addon.problem)
        const isOther = addon.release !== null && release !== null && addon.release !== release
        if (!isOther && addon.options !== '') options.push(addon.options)
      }
    }
    return { options, problems }
  }

  private inFolder(folder: string): readonly Addon[] {
    let addons = this.folders.get(folder)
    if (addons === undefined) {
      const { files } = this.survey.volumes
      const spelled = files.ignoringCase(folder)
      addons = spelled === undefined ? [] : this.read(spelled)
      this.folders.set(folder, addons)
    }
    return addons
  }

  private read(folder: string): Addon[] {
    const { system } = this.survey
    return system
      .list(folder)
      .filter((file) => /\.addon\.efi$/i.test(file) && !file.startsWith('.'))
      .map((file) => {
        const path = posix.join(folder, file)
        const image = readUnifiedImage(system, path)
        if (typeof image === 'string') return { options: '', release: null, problem: `The addon ${path} ${image}.` }
        const [profile] = image.profiles
        const fault = profile?.faults[0]
        return {
          options: stubCommandLine(profile?.commandLine ?? ''),
          release: profile?.release ?? null,
          problem: fault === undefined ? null : `The addon ${path} ${fault}.`,
        }
      })
  }
}

interface Addon {
  readonly options: string
  /** The kernel release it is for; null: any. */
  readonly release: string | null
  readonly problem: string | null
}
