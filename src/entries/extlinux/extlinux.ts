import type { Menu } from '../model/found-entry.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'
import { Follower } from './follower.ts'
import { configurations, directoryOf } from './places.ts'

/** SYSLINUX, EXTLINUX, ISOLINUX and PXELINUX, and U-Boot's reading of the same files (its "distro boot"). */
export const extlinux: EntrySource = {
  name: 'extlinux',
  find: (survey) => {
    const found = configurations(survey).map((path) => readMenu(path, survey))
    const included = new Set<string>()
    return found.flatMap(({ menu, files }) => {
      if (included.has(survey.resolve(menu.config) ?? menu.config)) return []
      for (const file of files) included.add(survey.resolve(file) ?? file)
      return menu.entries.length === 0 && menu.problems.length === 0 ? [] : [menu]
    })
  },
}

interface ReadMenu {
  readonly menu: Menu
  readonly files: readonly string[]
}

function readMenu(config: string, survey: Survey): ReadMenu {
  const follower = new Follower(survey, config)
  const { entries, preset, waits } = follower.read(config, directoryOf(config), [])
  const { problems, files } = follower
  return { menu: { source: 'extlinux', config, entries, preset, waits, problems }, files }
}
