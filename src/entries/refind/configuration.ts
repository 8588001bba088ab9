import { addProblem } from '../model/budget.ts'
import type { BootProblem } from '../model/problem.ts'
import { wordsOf } from './words.ts'

/** A `menuentry` or `submenuentry` of refind.conf. Null: not given. */
export interface Stanza {
  readonly title: string
  readonly line: string
  volume: string | null
  loader: string | null
  /** File of the `initrd` line. */
  initrd: string | null
  options: string | null
  /** Number of a boot option of the firmware, which starts in place of a loader. */
  firmwareOption: string | null
  isDisabled: boolean
  readonly submenus: Stanza[]
}

/**
 * The files that rEFInd takes for kernels, and the places of its search. Directories and files as written; letter case
 * is ignored.
 */
export interface ScanRules {
  readonly dontScanFiles: readonly string[]
  readonly dontScanDirs: readonly string[]
  readonly dontScanVolumes: readonly string[]
  readonly alsoScanDirs: readonly string[]
  readonly linuxPrefixes: readonly string[]
  readonly extraVersions: readonly string[]
  /** Whether kernels without the suffix `.efi` count. */
  readonly allKernels: boolean
  /** Whether older kernels of a directory stand in the newest one's submenu. */
  readonly folds: boolean
  readonly followsLinks: boolean
}

/** The settings of refind.conf that decide what boots. */
export interface RefindConfiguration {
  readonly stanzas: readonly Stanza[]
  /** The value of `default_selection`; without it, the last boot. */
  readonly selection: string
  /** `scanfor`: i internal, e external, o optical, n network, m stanzas; in the order of the menu. */
  readonly scanFor: string
  readonly rules: ScanRules
  /** Seconds; 0 waits for a key, and -1 for nothing. */
  readonly timeout: number
  readonly problems: readonly BootProblem[]
}

const MAX_STANZAS = 20_000

/** rEFInd 0.14's settings without refind.conf. */
const defaults: ScanRules = {
  dontScanFiles: [],
  dontScanDirs: [],
  dontScanVolumes: [],
  alsoScanDirs: ['boot', '@/boot'],
  linuxPrefixes: ['vmlinuz', 'bzImage', 'Image', 'kernel'],
  extraVersions: [],
  allKernels: true,
  folds: true,
  followsLinks: false,
}

type ListKey = 'dontScanFiles' | 'dontScanDirs' | 'dontScanVolumes' | 'alsoScanDirs' | 'linuxPrefixes' | 'extraVersions'
type SwitchKey = 'allKernels' | 'folds' | 'followsLinks'

const listKeywords: Readonly<Record<string, ListKey>> = {
  dont_scan_files: 'dontScanFiles',
  "don't_scan_files": 'dontScanFiles',
  dont_scan_dirs: 'dontScanDirs',
  "don't_scan_dirs": 'dontScanDirs',
  dont_scan_volumes: 'dontScanVolumes',
  "don't_scan_volumes": 'dontScanVolumes',
  also_scan_dirs: 'alsoScanDirs',
  linux_prefixes: 'linuxPrefixes',
  extra_kernel_version_strings: 'extraVersions',
}

const switchKeywords: Readonly<Record<string, SwitchKey>> = {
  scan_all_linux_kernels: 'allKernels',
  fold_linux_kernels: 'folds',
  follow_symlinks: 'followsLinks',
}

/**
 * Reads refind.conf (rEFInd's docs/refind/configfile.html; refind/config.c of 0.14.2).
 * @param open the file that `include` names; rEFInd follows it from the main file only.
 */
export function readRefind(
  path: string,
  text: string,
  open: (name: string) => string | undefined,
): RefindConfiguration {
  const reader = new Reader(open)
  reader.read(path, text, true)
  return reader
}

class Reader implements RefindConfiguration {
  readonly stanzas: Stanza[] = []
  readonly problems: BootProblem[] = []
  selection = '+'
  scanFor = 'ieom'
  timeout = 20
  rules = defaults
  private readonly open: (name: string) => string | undefined
  private stanza: Stanza | null = null
  private submenu: Stanza | null = null
  private count = 0

  constructor(open: (name: string) => string | undefined) {
    this.open = open
  }

  read(path: string, text: string, mayInclude: boolean): void {
    let line = 0
    for (const raw of text.split('\n')) {
      const words = wordsOf(raw)
      const place = `${path}:${++line}`
      if (words[0] === undefined) continue
      const keyword = words[0].toLowerCase()
      if (this.submenu !== null) this.submenuLine(this.submenu, keyword, words)
      else if (this.stanza !== null) this.stanzaLine(this.stanza, keyword, words, place)
      else if (keyword === 'include' && words.length === 2 && mayInclude) this.include(words[1] ?? '', place)
      else this.globalLine(keyword, words, place)
    }
    this.stanza = null
    this.submenu = null
  }

  private include(name: string, place: string): void {
    const text = this.open(name)
    if (text === undefined)
      addProblem(
        this.problems,
        'configuration-unreadable',
        `${place}: the included file ${name} is not there, or cannot be read.`,
      )
    else this.read(name, text, false)
  }

  private globalLine(keyword: string, [, ...values]: string[], place: string): void {
    const list = listKeywords[keyword]
    const toggle = switchKeywords[keyword]
    if (keyword === 'menuentry' && values[0] !== undefined) this.stanza = this.begin(values[0], place, this.stanzas)
    else if (keyword === 'default_selection') this.select(values, place)
    else if (keyword === 'timeout' && /^-?\d+$/.test(values[0] ?? '')) this.timeout = Number(values[0])
    else if (keyword === 'scanfor') this.scanFor = values.map((value) => value.slice(0, 1).toLowerCase()).join('')
    else if (list !== undefined) this.rules = { ...this.rules, [list]: listOf(values, this.rules[list]) }
    else if (toggle !== undefined)
      this.rules = { ...this.rules, [toggle]: !/^(?:0|false|off)$/i.test(values[0] ?? 'true') }
  }

  /** One word. rEFInd accepts no more, except three: the setting for a range of hours. */
  private select(values: readonly string[], place: string): void {
    if (values.length === 1) this.selection = values[0] ?? ''
    else if (values.length === 3)
      addProblem(
        this.problems,
        'uncertain',
        `${place}: default_selection ${values[0]} holds from ${values[1]} to ${values[2]} only; it is left out here.`,
      )
  }

  /**
   * @param from the base of a submenu's entry: its parent as far as it was read.
   */
  private begin(title: string, line: string, list: Stanza[], from?: Stanza): Stanza {
    const { volume = null, loader = null, initrd = null, options = null, firmwareOption = null } = from ?? {}
    const stanza = {
      ...{ title, line, volume, loader, initrd, options, firmwareOption },
      isDisabled: false,
      submenus: [],
    }
    if (++this.count <= MAX_STANZAS) list.push(stanza)
    return stanza
  }

  private stanzaLine(stanza: Stanza, keyword: string, [, value]: string[], place: string): void {
    if (keyword === '}') this.stanza = null
    else if (keyword === 'disabled') stanza.isDisabled = true
    else if (value === undefined) return
    else if (keyword === 'submenuentry') this.submenu = this.begin(value, place, stanza.submenus, stanza)
    else if (keyword === 'loader') {
      stanza.loader = value
      // Its default options are dropped, and with them those of an `options` line before it.
      stanza.options = null
    } else if (keyword === 'volume') stanza.volume = value
    else if (keyword === 'initrd') stanza.initrd = value
    else if (keyword === 'options') stanza.options = value
    else if (keyword === 'firmware_bootnum') stanza.firmwareOption = value
  }

  private submenuLine(stanza: Stanza, keyword: string, [, value]: string[]): void {
    if (keyword === '}') this.submenu = null
    else if (keyword === 'disabled') stanza.isDisabled = true
    // Without a value: none, even where the parent has one.
    else if (keyword === 'initrd') stanza.initrd = value ?? null
    else if (keyword === 'options') stanza.options = value ?? null
    else if (value === undefined) return
    else if (keyword === 'loader') stanza.loader = value
    else if (keyword === 'volume') stanza.volume = value
    else if (keyword === 'add_options') stanza.options = stanza.options ? `${stanza.options} ${value}` : value
  }
}

/** A list that is replaced, or that `+` adds to. */
function listOf(values: readonly string[], before: readonly string[]): string[] {
  const adds = values.length > 1 && values[0] === '+'
  const added = (adds ? values.slice(1) : values).flatMap((value) => value.split(','))
  return [...(adds ? before : []), ...added].filter((value) => value !== '')
}
