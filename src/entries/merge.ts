import { removeParameter } from '../cmdline/edit.ts'
import { parseCommandLine, printCommandLine } from '../cmdline/parse.ts'
import { type Charge, takeCharge } from './charge.ts'
import { type DescribedEntry, describe } from './describe.ts'
import type { BootLoader } from './model/boot-menu.ts'
import type { BootSource } from './model/entry.ts'
import type { Menu } from './model/found-entry.ts'
import { type BootProblem, problemsOf } from './model/problem.ts'
import { isRescue } from './names/kernel-names.ts'
import type { Survey } from './survey/survey.ts'

/** An entry of the one list, ready to be ranked. */
export interface MergedEntry extends Omit<DescribedEntry, 'sources'> {
  readonly sources: BootSource[]
  isDefault: boolean
}

export interface MergedMenus {
  readonly entries: readonly MergedEntry[]
  readonly loaders: readonly BootLoader[]
  readonly problems: readonly BootProblem[]
}

/**
 * Makes one list of all menus: first the unchanged menu of the boot loader in charge, then the new entries of each
 * other menu. Within one menu nothing is merged: its normal and its recovery entry share a kernel.
 */
export function mergeMenus(menus: readonly Menu[], survey: Survey): MergedMenus {
  const charge = takeCharge(menus, survey.system)
  const list = new EntryList(survey)
  const presets = new Map<Menu, MergedEntry>()
  for (const menu of charge.menus) {
    const merged = list.add(menu)
    const preset = menu.preset === null ? undefined : merged[menu.entries.indexOf(menu.preset.entry)]
    if (preset !== undefined) presets.set(menu, preset)
  }
  const problems = new Map(charge.menus.map((menu) => [menu, survey.budget.problemsOf(menu.problems)]))
  const doubtsOf = (menu: Menu) =>
    problemsOf('uncertain', presets.has(menu) && menu.preset?.doubt ? [menu.preset.doubt] : [])
  const chosen = charge.inCharge === null ? undefined : presets.get(charge.inCharge)
  if (chosen !== undefined) chosen.isDefault = true
  return {
    entries: list.entries,
    loaders: charge.menus.map((menu) => ({
      source: menu.source,
      config: menu.config,
      inCharge: menu === charge.inCharge,
      default: presets.get(menu)?.id ?? null,
      reason: presets.has(menu) ? (menu.preset?.reason ?? null) : null,
      undecided: menu.undecided ?? null,
      waits: menu.waits ?? null,
      problems: [...(problems.get(menu) ?? []), ...doubtsOf(menu)],
    })),
    problems: [
      ...[...problems.values()].flat(),
      ...(charge.inCharge === null ? [] : doubtsOf(charge.inCharge)),
      ...disagreements(charge, presets),
    ],
  }
}

class EntryList {
  readonly entries: MergedEntry[] = []
  private readonly survey: Survey
  private readonly ids = new Set<string>()
  /** The highest number that each id was given, so that a thousand entries of one id are numbered in one pass. */
  private readonly numbers = new Map<string, number>()
  private readonly byKey = new Map<string, MergedEntry[]>()
  /** For each kernel file, the first entry that boots it in the same way. */
  private readonly byStart = new Map<string, MergedEntry>()

  constructor(survey: Survey) {
    this.survey = survey
  }

  /** Adds the new entries of a menu. @returns for each of its entries the one that stands for it in the list. */
  add(menu: Menu): MergedEntry[] {
    const added: [entry: MergedEntry, start: string | null][] = []
    const merged = menu.entries.map((found) => {
      const entry = describe(found, menu, this.survey)
      const start = this.startOf(entry)
      const same = this.sameAs(entry, start)
      for (const known of same) if (!known.sources.includes(entry.source)) known.sources.push(entry.source)
      if (same[0] !== undefined) return same[0]
      const own = this.append(entry)
      added.push([own, start])
      return own
    })
    // Only now, because within one menu nothing is merged.
    for (const [entry, start] of added) this.remember(entry, start)
    return merged
  }

  private append(entry: DescribedEntry): MergedEntry {
    const merged = { ...entry, id: this.uniqueId(entry), sources: [...entry.sources], isDefault: false }
    this.entries.push(merged)
    return merged
  }

  private remember(entry: MergedEntry, start: string | null): void {
    for (const key of this.keysOf(entry)) {
      if (key === '') continue
      const entries = this.byKey.get(key)
      if (entries === undefined) this.byKey.set(key, [entry])
      else entries.push(entry)
    }
    if (start !== null && !this.byStart.has(start)) this.byStart.set(start, entry)
  }

  /** The same entries in other menus: every entry of a kernel without a configuration. */
  private sameAs(entry: DescribedEntry, start: string | null): MergedEntry[] {
    const [file, version, config] = this.keysOf(entry)
    const known = (key: string | undefined): readonly MergedEntry[] => {
      const entries = (key && this.byKey.get(key)) || []
      return this.survey.budget.take('steps', entries.length) ? entries : entries.slice(0, 1)
    }
    // One file of the Boot Loader Specification is one entry, whether GRUB or systemd-boot reads it.
    if (config !== undefined && known(config).length > 0) return known(config).slice(0, 1)
    if (entry.kernel === null) return []
    if (entry.source === 'modules-dir') return [...new Set([...known(file), ...known(version)])]
    if (start === null) return [...known(file)]
    const same = this.byStart.get(start)
    return same === undefined ? [] : [same]
  }

  /** Equal for entries that boot a kernel file in the same way; null where the way is unknown. */
  private startOf({ kernel, commandLine, initrds, profile }: DescribedEntry): string | null {
    if (kernel === null || commandLine === null) return null
    const file = this.survey.resolve(kernel) ?? kernel
    return [file, initrds.length, profile ?? 0, withoutLoaderMarks(commandLine)].join('\0')
  }

  /**
   * A kernel is identified by its file. Kernels in modules directories, copies of those in /boot, are identified by
   * version as well.
   */
  private keysOf({ kernel, version, source, config }: DescribedEntry): string[] {
    if (kernel === null) return source === 'bls' ? ['no kernel', '', `config ${config}`] : []
    const file = this.survey.resolve(kernel) ?? kernel
    const byVersion = version === null || isRescue(kernel) ? '' : `version ${version}`
    return source === 'bls' ? [file, byVersion, `config ${config}`] : [file, byVersion]
  }

  /** A duplicate id gives way to the kernel's path, /vmlinuz beside /boot/vmlinuz, or is numbered. */
  private uniqueId({ id, kernel }: DescribedEntry): string {
    let unique = id
    if (this.ids.has(unique) && kernel !== null) unique = kernel
    for (let number = this.numbers.get(id) ?? 2; this.ids.has(unique); number++) {
      unique = `${id} (${number})`
      this.numbers.set(id, number)
    }
    this.ids.add(unique)
    return unique
  }
}

/** Whether two command lines mean the same, apart from the boot loaders' own additions. */
export function sameCommandLine(one: string, other: string): boolean {
  return one === other || withoutLoaderMarks(one) === withoutLoaderMarks(other)
}

function withoutLoaderMarks(text: string): string {
  return printCommandLine(removeParameter(removeParameter(parseCommandLine(text), 'BOOT_IMAGE'), 'initrd'))
}

/** A problem for each boot loader that would boot something other than the one in charge. */
function disagreements({ inCharge, reason }: Charge, presets: ReadonlyMap<Menu, MergedEntry>): BootProblem[] {
  const chosen = inCharge === null ? undefined : presets.get(inCharge)
  if (inCharge === null || chosen === undefined) return []
  return [...presets].flatMap(([menu, preset]) => {
    if (preset === chosen) return []
    const [mine, theirs] = [chosen, preset].map(({ title }) => `'${title}'`)
    const text =
      `The boot loaders disagree about the default: ${inCharge.config} (${inCharge.source}) names ${mine}, ` +
      `${menu.config} (${menu.source}) names ${theirs}. The first is taken to be in charge, as ${reason}.`
    return [{ code: 'loaders-disagree', text }]
  })
}
