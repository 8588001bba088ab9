import { posix } from 'node:path'
import type { FoundEntry, Menu, Preset } from '../model/found-entry.ts'
import { problemsOf } from '../model/problem.ts'
import { filesAt } from '../paths/loader-path.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'
import { parseZipl, type ZiplConfiguration, type ZiplMenu, type ZiplSection } from './configuration.ts'

/** Where zipl looks, the first that is there (zipl.conf(5)). */
const paths = ['/run/zipl/zipl.conf', '/etc/zipl.conf', '/usr/lib/s390-tools/zipl.conf', '/lib/s390-tools/zipl.conf']

/** zipl, the boot loader of s390x. It reads its files only when its command runs, so paths are the system's own. */
export const zipl: EntrySource = {
  name: 'zipl',
  find: (survey, earlier) => {
    const config = filesAt(paths, survey)[0]
    const text = config === undefined ? undefined : survey.readText(config)
    if (config === undefined || text === undefined) return []
    const configuration = parseZipl(text)
    const problems = problemsOf(
      'configuration-mistake',
      configuration.problems.map((problem) => `${config}:${problem}`),
    )
    // Without sections of its own zipl takes the files of the Boot Loader Specification.
    const isForBls = configuration.sections.size === 0 && configuration.sectionCount > 0
    const entries = isForBls ? blsEntries(earlier) : sectionEntries(configuration, config, survey)
    if (entries.length === 0 && problems.length === 0) return []
    const menu = { source: 'zipl', config, entries, problems } as const
    return [{ ...menu, preset: presetOf(configuration, entries, config) } satisfies Menu]
  },
}

function blsEntries(earlier: readonly FoundEntry[]): FoundEntry[] {
  return earlier
    .filter(({ config }) => config !== undefined && /\/loader\/entries\/[^/]*\.conf$/.test(config))
    .map((entry) => ({ ...entry, source: 'bls' }))
}

/** The default menu's sections in its order; without a menu all, in the order of the file. */
function sectionEntries(configuration: ZiplConfiguration, config: string, survey: Survey): FoundEntry[] {
  const { sections } = configuration
  const menu = defaultMenu(configuration)
  const shown = menu === undefined ? undefined : [...menu.positions].sort(([one], [other]) => one - other)
  const names = shown?.map(([, name]) => name).filter((name) => sections.has(name)) ?? [...sections.keys()]
  return survey.budget.entriesOf(new Set(names), (name) =>
    sectionEntry(sections.get(name) as ZiplSection, config, survey),
  )
}

function sectionEntry({ name, line, values }: ZiplSection, config: string, survey: Survey): FoundEntry {
  const image = values.get('image')
  if (image === undefined) {
    const task = ['dumpto', 'dumptofs', 'mvdump', 'segment', 'tape'].find((key) => values.has(key))
    const what = task === undefined ? 'has no image' : `starts no Linux kernel: ${task} ${values.get(task)}`
    const problems = problemsOf('no-kernel', [`${config}:${line}: the section ${name} ${what}.`])
    return { id: name, title: name, kernel: null, initrds: [], commandLine: null, problems }
  }
  const file = values.get('parmfile')
  const fromFile = file === undefined ? '' : survey.readText(file)
  const unread = fromFile === undefined ? [`${config}:${line}: the parmfile ${file} cannot be read.`] : []
  const ramdisk = values.get('ramdisk')
  return {
    id: name,
    title: name,
    kernel: absolute(image),
    initrds: ramdisk === undefined ? [] : [absolute(ramdisk)],
    commandLine: [oneLine(fromFile), values.get('parameters')].filter((part) => part).join(' '),
    problems: problemsOf('configuration-unreadable', unread),
  }
}

function oneLine(text: string | undefined): string | undefined {
  return text
    ?.split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ')
}

/** `image=/boot/image,0x10000`: a load address may follow the name. */
function absolute(value: string): string {
  return posix.join('/', value.replace(/,0x[0-9a-f]+$/i, ''))
}

function presetOf(configuration: ZiplConfiguration, entries: readonly FoundEntry[], config: string): Preset | null {
  const { settings } = configuration
  const menu = defaultMenu(configuration)
  const wanted =
    menu === undefined ? settings.get('default') : menu.positions.get(menu.preset ?? firstPosition(menu.positions))
  const entry = entries.find(({ id, title }) => id === wanted || title === wanted)
  if (entry !== undefined) {
    const place = menu === undefined ? 'default' : `the default of menu ${settings.get('defaultmenu')}`
    return { entry, reason: `${place} in ${config} names it` }
  }
  return entries[0] === undefined ? null : { entry: entries[0], reason: `${config} names none: the first entry` }
}

function defaultMenu({ settings, menus }: ZiplConfiguration): ZiplMenu | undefined {
  const name = settings.get('defaultmenu')
  return name === undefined ? undefined : menus.get(name)
}

function firstPosition(positions: ReadonlyMap<number, string>): number {
  let first = Number.POSITIVE_INFINITY
  for (const position of positions.keys()) first = Math.min(first, position)
  return first
}
