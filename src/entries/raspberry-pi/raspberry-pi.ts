import { posix } from 'node:path'
import { type FoundEntry, MAX_INITRDS, type Menu } from '../model/found-entry.ts'
import { problemsOf } from '../model/problem.ts'
import { filesAt } from '../paths/loader-path.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'
import { type Board, boardOf, isModel } from './board.ts'
import { type PiConfiguration, readPiConfiguration } from './configuration.ts'

/** Where the firmware's partition is mounted; Debian left a note of the same name at the old place, /boot. */
const paths = [
  '/boot/firmware/config.txt',
  '/boot/config.txt',
  '/config.txt',
  '/boot/efi/config.txt',
  '/efi/config.txt',
]

/** Files that only a firmware partition has beside its config.txt. */
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
  const directory = posix.dirname(config)
  const board = boardOf(system)
  const open = (name: string) => survey.readText(posix.join(directory, posix.join('/', name)))
  const configuration = readPiConfiguration('config.txt', survey.readText(config) ?? '', board, open)
  const entry = new Firmware(directory, configuration, board, survey).entry(config)
  return {
    source: 'raspberry-pi',
    config,
    entries: [entry],
    preset: { entry, reason: `it is what ${config} says` },
    problems: problemsOf(
      'configuration-unreadable',
      configuration.problems.map((problem) => `${directory}/${problem}`),
    ),
  }
}

/** Settings that decide which kernel boots. */
const decisive = /^(?:kernel|initramfs|auto_initramfs|ramfsfile|cmdline|os_prefix|arm_64bit|device_tree|uart_2ndstage)$/

class Firmware {
  private readonly directory: string
  private readonly configuration: PiConfiguration
  private readonly board: Board
  private readonly survey: Survey

  constructor(directory: string, configuration: PiConfiguration, board: Board, survey: Survey) {
    this.directory = directory
    this.configuration = configuration
    this.board = board
    this.survey = survey
  }

  entry(config: string): FoundEntry {
    const wanted = this.setting('os_prefix') ?? ''
    // The firmware drops a prefix without a kernel.
    const withPrefix = this.kernelName(wanted)
    const prefix = this.isThere(prefixed(wanted, withPrefix)) ? wanted : ''
    const name = prefix === wanted ? withPrefix : this.kernelName('')
    const kernel = prefixed(prefix, name)
    const text = this.survey.readText(this.locate(prefixed(prefix, this.setting('cmdline') ?? 'cmdline.txt')))
    const deviceTree = this.setting('device_tree')
    return {
      id: kernel,
      title: `Raspberry Pi, ${kernel}`,
      kernel: this.locate(kernel),
      initrds: this.initrds(name, prefix),
      commandLine: text === undefined ? '' : (text.split('\n', 1)[0]?.trim() ?? ''),
      deviceTree: deviceTree === undefined || deviceTree === '' ? null : this.locate(prefixed(prefix, deviceTree)),
      problems: problemsOf(
        'configuration-unreadable',
        text === undefined ? [`${config}: there is no cmdline.txt; the firmware's own command line is used.`] : [],
      ),
      uncertainties: [...this.uncertainties(config, name, prefix), ...this.prefixDoubts(prefix)],
    }
  }

  private setting(key: string): string | undefined {
    return this.configuration.values.get(key)
  }

  /** The firmware reads one partition, with config.txt at its top. */
  private locate(name: string): string {
    const path = this.pathOf(name)
    return this.survey.volumes.files.ignoringCase(path) ?? path
  }

  private isThere(name: string): boolean {
    return this.survey.volumes.files.ignoringCase(this.pathOf(name)) !== undefined
  }

  private pathOf(name: string): string {
    return posix.join(this.directory, posix.join('/', name))
  }

  /** The names that the firmware tries by board, without a `kernel` setting. */
  private kernelName(prefix: string): string {
    const named = this.setting('kernel')
    if (named !== undefined && named !== '') return named
    const candidates = this.kernelCandidates()
    return candidates.find((name) => this.isThere(prefix + name)) ?? candidates[0] ?? 'kernel.img'
  }

  private kernelCandidates(): string[] {
    const is = (filter: string) => isModel(filter, this.board) === true
    const bits = this.setting('arm_64bit')
    if (is('pi5')) return ['kernel_2712.img', 'kernel8.img']
    const narrow = is('pi4') ? ['kernel7l.img'] : is('pi2') || is('pi3') || is('pi02') ? ['kernel7.img'] : []
    const all =
      narrow.length > 0
        ? narrow
        : this.board.model === null
          ? ['kernel7l.img', 'kernel7.img', 'kernel.img']
          : ['kernel.img']
    if (bits !== undefined)
      return bits === '0' ? all : ['kernel8.img', ...(this.board.model === null ? ['kernel_2712.img'] : [])]
    // The Pi 4 and later start in 64 bits by default; older ones on request, or where there is no other kernel.
    if (is('pi4') || this.board.model === null) return ['kernel8.img', ...all]
    return is('pi3') || is('pi02') ? [...all, 'kernel8.img'] : all
  }

  /** `initramfs a.img,b.img followkernel`; `auto_initramfs=1` takes the one named like the kernel, if it exists. */
  private initrds(kernel: string, prefix: string): string[] {
    const named = this.setting('initramfs') ?? this.setting('ramfsfile')
    if (named !== undefined) {
      const files = named.split(/\s+/, 1)[0]?.split(',') ?? []
      return files
        .filter((name) => name !== '')
        .slice(0, MAX_INITRDS + 1)
        .map((name) => this.locate(prefixed(prefix, name)))
    }
    if (this.setting('auto_initramfs') !== '1') return []
    const name = kernel.replace(/^kernel/, 'initramfs').replace(/\.img$/, '')
    return name !== kernel && this.isThere(prefix + name) ? [this.locate(prefix + name)] : []
  }

  /** A prefix must also lead to the board's devicetree. */
  private prefixDoubts(prefix: string): string[] {
    if (prefix === '') return []
    const named = this.setting('device_tree')
    const { dir, base } = posix.parse(posix.join(this.directory, `${prefix}x`))
    const start = base.slice(0, -1)
    const isThere =
      named === undefined || named === ''
        ? this.survey.system
            .list(dir)
            .some((file) => file.startsWith(start) && /^bcm2.*\.dtb$/.test(file.slice(start.length)))
        : this.isThere(prefixed(prefix, named))
    return isThere
      ? []
      : [`The firmware ignores os_prefix=${prefix} unless the board's devicetree is there too, and none was found.`]
  }

  private uncertainties(config: string, kernel: string, prefix: string): string[] {
    const { undecided, overlays } = this.configuration
    const sentences = undecided
      .filter(({ key }) => decisive.test(key))
      .slice(0, 20)
      .map(({ filter, key, value, place }) => {
        const at = posix.join(posix.dirname(config), place)
        return `${at}: '${key}=${value}' holds only for ${filter}, and whether this is one is unknown; it is left out.`
      })
    const others = this.kernelCandidates().filter((name) => name !== kernel && this.isThere(prefix + name))
    if (this.board.model === null && this.setting('kernel') === undefined && others.length > 0)
      sentences.push(`It depends on the board, which is unknown here: it may also be ${others.join(' or ')}.`)
    if (overlays.length > 0)
      sentences.push(`The firmware applies devicetree overlays: ${overlays.slice(0, 20).join(', ')}.`)
    return sentences
  }
}

/** A path from the top ignores all prefixes (config.txt, os_prefix). */
function prefixed(prefix: string, name: string): string {
  return name.startsWith('/') ? name : prefix + name
}
