import type { BootMenu } from '../../entries/model/boot-menu.ts'
import type { BootEntry } from '../../entries/model/entry.ts'
import type { System } from '../../system/system.ts'
import { lineWidth, placed, table } from '../output/layout.ts'
import { styled } from '../output/style.ts'

const INDENT = 4

/** Longest version in the table: numbers and marks still fit beside it. A release may have 64 characters. */
const MAX_VERSION = 44

export interface ListingOptions {
  readonly system: System
  /** All facts of each entry instead of a table. */
  readonly long: boolean
}

/**
 * The boot menu as text: the entries, with the problems of each below it, and the general problems at the end. In parts
 * that each end a line: a hostile menu as one text would fill the memory.
 */
export function* listingParts(
  { entries, loaders, problems }: BootMenu,
  { system, long }: ListingOptions,
): Generator<string> {
  const width = lineWidth()
  if (entries.length === 0) yield `No kernel was found${system.isLive ? '' : ` in ${system.root}`}.`
  if (long) for (const [index, entry] of entries.entries()) yield block(entry, index, width).join('\n')
  else if (entries.length > 0) yield tableOf(entries, width).join('\n')
  const inCharge = loaders.find((loader) => loader.inCharge)
  if (long && inCharge !== undefined) {
    const preset = inCharge.reason === null ? '' : ` Reason for the default: ${inCharge.reason}.`
    yield placed(`Menu of ${inCharge.config} (${inCharge.source}).${preset}`, { width }).join('\n')
  }
  for (const { text } of problems) yield paragraph(text, 0, width).join('\n')
}

/**
 * One line for each entry; where that is too wide, each title, or the path of a kernel in no menu, on lines of its own.
 */
function tableOf(entries: readonly BootEntry[], width: number): string[] {
  if (entries.length === 0) return []
  const columns = entries.map((entry, index) => [`${index + 1}`, shortened(entry.version ?? '-'), marks(entry)])
  const whole = table([['#', 'VERSION', '', 'ENTRY'], ...columns.map((row, index) => [...row, nameOf(entries[index])])])
  const fits = whole.every((line) => line.length <= width)
  const [header = '', ...rows] = fits ? whole : table([['#', 'VERSION', ''], ...columns])
  const lines = [styled('dim', header)]
  entries.forEach((entry, index) => {
    const row = rows[index] ?? ''
    lines.push(entry.isRunning ? styled('bold', row) : row)
    if (!fits) lines.push(...placed(nameOf(entry), { width, indent: INDENT }))
    for (const { text } of entry.problems) lines.push(...paragraph(text, INDENT, width))
  })
  return lines
}

/** The entry's name in a menu, submenus first; a kernel that is in no menu is known by its file. */
function nameOf(entry: BootEntry | undefined): string {
  if (entry === undefined) return ''
  if (entry.commandLine === null && entry.kernel !== null) return entry.kernel
  return [...entry.submenus, entry.title].join(' > ')
}

/** An entry with all its fields, as lines, ended by an empty one. */
function block(entry: BootEntry, index: number, width: number): string[] {
  const mark = marks(entry).split(' ').filter(Boolean).join(', ')
  const title = [...entry.submenus, entry.title].join(' > ')
  const [head = '', ...rest] = placed(`${index + 1}  ${title}${mark === '' ? '' : `  [${mark}]`}`, {
    width,
    hanging: INDENT,
  })
  const fields: readonly (readonly [string, string | null])[] = [
    ['id', entry.id],
    ['version', [entry.version, entry.architecture].filter((text) => text !== null).join(', ')],
    ['kernel', entry.kernel],
    ...entry.initrds.map((initrd): [string, string] => ['initrd', initrd]),
    ['cmdline', entry.commandLine],
    ['dtb', entry.deviceTree],
    ['config', `${entry.config} (${entry.sources.join(', ')})`],
  ]
  return [
    styled('bold', head),
    ...rest,
    ...fields.flatMap(([name, value]) =>
      value === null || value === '' ? [] : placed(value, { width, indent: INDENT, label: name, column: FIELD }),
    ),
    ...entry.problems.flatMap(({ text }) => paragraph(text, INDENT, width)),
    '',
  ]
}

const FIELD = 9

function paragraph(problem: string, indent: number, width: number): string[] {
  return placed(problem, { width, indent, label: 'problem:', labelStyle: 'yellow', hanging: 2 })
}

function shortened(version: string): string {
  return version.length > MAX_VERSION ? `${version.slice(0, MAX_VERSION - 1)}…` : version
}

function marks(entry: BootEntry): string {
  return [entry.isDefault && 'default', entry.isRunning && 'running', entry.isNewest && 'newest']
    .filter(Boolean)
    .join(' ')
}
