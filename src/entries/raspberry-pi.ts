import { posix } from 'node:path'
import { filesAt, pathFrom } from './loader-path.ts'
import { modelMatches, type PiConfiguration, readPiConfiguration } from './raspberry-pi/configuration.ts'
import type { EntrySource, FoundEntry, Menu } from './source.ts'
import type { Survey } from './survey.ts'

/** Where the firmware's partition is mounted; Debian left a note of the same name at the old place, /boot. */
const paths = [
  '/boot/firmware/config.txt',
  '/boot/config.txt',
  '/config.txt',
  '/boot/efi/config.txt',
  '/efi/config.txt',
]

/** What only a firmware partition has beside its config.txt. */
const firmwareFile = /^(?:cmdline\.txt|bootcode\.bin|start.*\.elf|fixup.*\.dat|bcm27.*\.dtb)$/i

/** The firmware of the Raspberry Pi boots Linux by itself: config.txt and cmdline.txt. There is one entry. */
export const raspberryPi: EntrySource = {
  name: 'raspberry-pi',
  find: (survey) => {
    const config = filesAt(paths, survey).find((path) =>
      survey.system.list(posix.dirname(path)).some((name) => firmwareFile.test(name)),
    )
    return config === undefined ? [] : [readMenu(config, survey)]
  },
}

function readMenu(config: string, survey: Survey): Menu {
  const { system } = survey
  const folder = posix.dirname(config)
  const model = system.readText('/proc/device-tree/model')?.replace(/\0.*$/s, '') ?? null
  const open = (name: string) => survey.readText(posix.join(folder, posix.join('/', name)))
  const configuration = readPiConfiguration('config.txt', survey.readText(config) ?? '', model, open)
  const board = new Board(folder, configuration, model, survey)
  const entry = board.entry(config)
  return {
    source: 'raspberry-pi',
    config,
    entries: [entry],
    preset: { entry, reason: `it is what ${config} says` },
    problems: configuration.problems.map((problem) => `${folder}/${problem}`),
  }
}

/** Settings that decide what is booted. */
const decisive = /^(?:kernel|initramfs|auto_initramfs|ramfsfile|cmdline|os_prefix|arm_64bit|device_tree|uart_2ndstage)$/

class Board {
  private readonly folder: string
  private readonly configuration: PiConfiguration
  private readonly model: string | null
  private readonly survey: Survey

  constructor(folder: string, configuration: PiConfiguration, model: string | null, survey: Survey) {
    this.folder = folder
    this.configuration = configuration
    this.model = model
    this.survey = survey
  }

  entry(config: string): FoundEntry {
    const name = this.kernelName()
    const wanted = this.setting('os_prefix') ?? ''
    // The firmware gives up a prefix that leads to no kernel.
    const prefix = this.isThere(wanted + name) ? wanted : ''
    const kernel = this.locate(prefix + name)
    const text = this.survey.readText(this.locate(prefix + (this.setting('cmdline') ?? 'cmdline.txt')))
    const devicetree = this.setting('device_tree')
    return {
      id: prefix + name,
      title: `Raspberry Pi, ${prefix}${name}`,
      kernel,
      initrds: this.initrds(name, prefix),
      cmdline: text === undefined ? '' : (text.split('\n', 1)[0]?.trim() ?? ''),
      devicetree: devicetree === undefined || devicetree === '' ? null : this.locate(prefix + devicetree),
      problems:
        text === undefined ? [`${config}: there is no cmdline.txt; the firmware's own command line is used.`] : [],
      uncertainties: this.uncertainties(config, name),
    }
  }

  private setting(key: string): string | undefined {
    return this.configuration.values.get(key)
  }

  private locate(name: string): string {
    return this.survey.volumes.locate(pathFrom(this.folder, name, this.survey), posix.join(this.folder, 'config.txt'))
      .path
  }

  private isThere(name: string): boolean {
    return this.survey.volumes.files.ignoringCase(posix.join(this.folder, name)) !== undefined
  }

  /** The names the firmware tries by board, when `kernel` gives none. */
  private kernelName(): string {
    const named = this.setting('kernel')
    if (named !== undefined && named !== '') return named
    const candidates = this.kernelCandidates()
    return candidates.find((name) => this.isThere(name)) ?? candidates[0] ?? 'kernel.img'
  }

  private kernelCandidates(): string[] {
    const is = (filter: string) => modelMatches(filter, this.model) === true
    const bits = this.setting('arm_64bit')
    if (is('pi5')) return ['kernel_2712.img', 'kernel8.img']
    const narrow = is('pi4') ? ['kernel7l.img'] : is('pi2') || is('pi3') || is('pi02') ? ['kernel7.img'] : []
    const all =
      narrow.length > 0 ? narrow : this.model === null ? ['kernel7l.img', 'kernel7.img', 'kernel.img'] : ['kernel.img']
    if (bits !== undefined)
      return bits === '0' ? all : ['kernel8.img', ...(this.model === null ? ['kernel_2712.img'] : [])]
    // The Pi 4 and later start in 64 bits by themselves; older ones when asked.
    return is('pi4') || this.model === null ? ['kernel8.img', ...all] : all
  }

  /** `initramfs a.img,b.img followkernel`; `auto_initramfs=1` takes the one named as the kernel is, if it is there. */
  private initrds(kernel: string, prefix: string): string[] {
    const named = this.setting('initramfs') ?? this.setting('ramfsfile')
    if (named !== undefined) {
      const files = named.split(/\s+/, 1)[0]?.split(',') ?? []
      return files.filter((name) => name !== '').map((name) => this.locate(prefix + name))
    }
    if (this.setting('auto_initramfs') !== '1') return []
    const name = kernel.replace(/^kernel/, 'initramfs').replace(/\.img$/, '')
    return name !== kernel && this.isThere(prefix + name) ? [this.locate(prefix + name)] : []
  }

  private uncertainties(config: string, kernel: string): string[] {
    const { undecided, overlays } = this.configuration
    const sentences = undecided
      .filter(({ key }) => decisive.test(key))
      .slice(0, 20)
      .map(({ filter, key, value, place }) => {
        const at = posix.join(posix.dirname(config), place)
        return `${at}: '${key}=${value}' holds only for ${filter}, and nothing here tells whether this is one; it is left out.`
      })
    const others = this.kernelCandidates().filter((name) => name !== kernel && this.isThere(name))
    if (this.model === null && this.setting('kernel') === undefined && others.length > 0)
      sentences.push(`Depends on the board, which nothing here tells: it may be ${others.join(' or ')} as well.`)
    if (overlays.length > 0)
      sentences.push(`The firmware applies devicetree overlays: ${overlays.slice(0, 20).join(', ')}.`)
    return sentences
  }
}
