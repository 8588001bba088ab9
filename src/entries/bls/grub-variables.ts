import { posix } from 'node:path'
import type { Survey } from '../survey/survey.ts'

/** Where GRUB's environment block and configuration may be, below a boot partition or the root. */
const grubDirectories = [
  '/boot/grub2',
  '/boot/grub',
  '/grub2',
  '/grub',
  '/boot/loader',
  '/efi/grub',
  '/boot/efi/grub2',
] as const

/** ESPs, on which distributions keep a directory with GRUB and at times its environment block. */
const espDirectories = ['/boot/efi/EFI', '/efi/EFI', '/boot/EFI', '/EFI'] as const

/**
 * Characters that variables may add to one text; no kernel takes a command line that long. Text beyond that stays as it
 * is.
 */
const LONGEST = 1024 * 1024

/** A text with its variables expanded, and the names of those that are not set. */
export interface Expansion {
  readonly text: string
  readonly unknown: readonly string[]
}

/**
 * GRUB's variables, as set by its environment block and by plain `set` commands of its configuration. Fedora and Red
 * Hat write `$kernelopts`, `$tuned_params` and `$tuned_initrd` into type 1 files, for GRUB's blscfg. Read when first
 * needed.
 */
export class GrubVariables {
  private readonly survey: Survey
  private readonly values = new Map<string, string | undefined>()
  private blocks: readonly ReadonlyMap<string, string>[] | undefined
  private configs: readonly ReadonlyMap<string, string>[] | undefined

  constructor(survey: Survey) {
    this.survey = survey
  }

  /** Replaces `$name` and `${name}`; a variable that is not set becomes nothing, as in GRUB. */
  expand(text: string): Expansion {
    if (!text.includes('$')) return { text, unknown: [] }
    const unknown = new Set<string>()
    const parts: string[] = []
    let [length, end] = [0, 0]
    for (const match of text.matchAll(/\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g)) {
      const name = (match[1] ?? match[2]) as string
      const value = this.value(name)
      if (value === undefined && !this.isUnset(name)) unknown.add(name)
      parts.push(text.slice(end, match.index), value ?? '')
      end = match.index + match[0].length
      length += value?.length ?? 0
      if (length > LONGEST || parts.length > LONGEST) break
    }
    parts.push(text.slice(end))
    return { text: parts.join('').replace(/ {2,}/g, ' ').trim(), unknown: [...unknown] }
  }

  /** TuneD sets its variables only where it is in use, and GRUB then has a configuration that shows it. */
  private isUnset(name: string): boolean {
    return name.startsWith('tuned_') && (this.blocks?.length ?? 0) + (this.configs?.length ?? 0) > 0
  }

  /** A variable's value, or undefined. */
  value(name: string): string | undefined {
    if (!this.values.has(name)) this.values.set(name, this.look(name))
    return this.values.get(name)
  }

  private look(name: string): string | undefined {
    this.blocks ??= this.files('grubenv').map(parseEnvironmentBlock)
    for (const block of this.blocks) {
      const value = block.get(name)
      if (value !== undefined) return value
    }
    this.configs ??= this.files('grub.cfg').map(plainSettings)
    for (const config of this.configs) {
      const value = config.get(name)
      if (value !== undefined) return value
    }
    return undefined
  }

  private files(name: string): string[] {
    const { system } = this.survey
    const vendors = espDirectories.flatMap((directory) =>
      system.list(directory).map((vendor) => posix.join(directory, vendor)),
    )
    return [...grubDirectories, ...vendors].flatMap(
      (directory) => this.survey.readText(posix.join(directory, name)) ?? [],
    )
  }
}

/**
 * grub-editenv's format: `name=value` lines after a comment, a backslash before characters that would end a value, `#`
 * as padding.
 */
function parseEnvironmentBlock(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const line of text.replace(/\\\n/g, '').split('\n')) {
    const equals = line.indexOf('=')
    if (line.startsWith('#') || equals < 1) continue
    values.set(line.slice(0, equals), line.slice(equals + 1).replace(/\\(.)/g, '$1'))
  }
  return values
}

/** The plain texts that `set name="…"` gives in a configuration; the last one counts. */
function plainSettings(config: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const match of config.matchAll(/(?:^|\s)set ([A-Za-z_]\w*)=([^\n]*)/g)) {
    const [, name = '', written = ''] = match
    const plain = /^(["']?)([^"'$`\\]*)\1$/.exec(written.trim())?.[2]
    if (plain !== undefined) values.set(name, plain)
  }
  return values
}
