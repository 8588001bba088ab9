import { posix } from 'node:path'
import { throwIfAborted } from '../abort.ts'
import { KexecError } from '../errors.ts'
import { optionName } from '../option-name.ts'
import { fromCurrentDirectory } from '../system/current-directory.ts'
import { System } from '../system/system.ts'
import { mergeMenus } from './merge.ts'
import type { BootMenu } from './model/boot-menu.ts'
import { Budget, BudgetSpent } from './model/budget.ts'
import type { BootEntry } from './model/entry.ts'
import type { FoundEntry, Menu } from './model/found-entry.ts'
import type { BootProblem } from './model/problem.ts'
import { type IdentifyKernel, identifyKernel } from './names/identify.ts'
import { buildTreeMenu } from './places/build-tree.ts'
import { rank } from './rank.ts'
import { sources } from './sources.ts'
import type { EntrySource } from './survey/entry-source.ts'
import { Survey } from './survey/survey.ts'

export interface DiscoveryRequest {
  /** The machine to read; default: the running one. */
  readonly system?: System
  /** Identifies a kernel file by its first bytes. */
  readonly identify?: IdentifyKernel
  /** A kernel build tree, a directory of the system, to read in place of everything else. */
  readonly buildTree?: string
  /** Ends it early, between two files or entries. */
  readonly signal?: AbortSignal
}

/**
 * Everything a system can boot: the menu of the boot loader in charge in its own order, then the entries that only
 * other sources know, newest kernel first. At most one entry is marked as default, one as running and one as newest;
 * where every kernel belongs to another system, none is newest. Broken entries are listed with their `problems`; no
 * file's contents make this fail. Input beyond any machine's needs, in time or memory, is left out, and `problems` of
 * the menu say so.
 * @throws KexecError 'not-found' for a build tree that is not a directory, 'aborted' once the signal has fired
 */
export async function discover(options: DiscoveryRequest = {}): Promise<BootEntry[]> {
  return [...(await readBootMenu(options)).entries]
}

/** As `discover`, with the boot loaders that were found, and their problems. */
export async function readBootMenu(options: DiscoveryRequest = {}): Promise<BootMenu> {
  const system = options.system ?? new System()
  const budget = new Budget(options.signal)
  throwIfAborted(options.signal)
  const survey = new Survey(system, options.identify ?? identifyKernel, budget)
  const menus = options.buildTree === undefined ? await menusOf(survey) : [buildTree(survey, options.buildTree)]
  await lookAtFiles(menus, survey)
  const { entries, loaders, problems } = mergeMenus(menus, survey)
  return {
    entries: rank(entries, system, survey.thisSystem.isInstalled()),
    loaders,
    problems: [...problems, ...unreadable(system), ...budget.remarks],
  }
}

async function menusOf(survey: Survey): Promise<Menu[]> {
  const menus: Menu[] = []
  const found: FoundEntry[] = []
  for (const source of sources) {
    for (const menu of await menusOfSource(source, survey, found)) {
      menus.push(menu)
      for (const entry of menu.entries) found.push(entry)
    }
    await survey.budget.pause()
  }
  return menus
}

/** The survey remembers its reads. Others may run in between here, but not while menus are merged. */
async function lookAtFiles(menus: readonly Menu[], survey: Survey): Promise<void> {
  for (const { entries } of menus) {
    for (const { kernel, initrds, described } of entries) {
      await survey.budget.pause()
      if (kernel === null || described) continue
      survey.kernelFile(kernel)
      for (const path of initrds) survey.initrdProblems(path)
    }
  }
}

/** A bug in one source must not hide the entries of the others from someone who has to boot. */
async function menusOfSource(
  source: EntrySource,
  survey: Survey,
  found: readonly FoundEntry[],
): Promise<readonly Menu[]> {
  const endKeeping = survey.budget.keep({ steps: 0.5, characters: 0.25 })
  try {
    return await source.find(survey, found)
  } catch (error) {
    if (error instanceof KexecError) throw error
    if (error instanceof BudgetSpent) return []
    const text = `${source.name} could not be read because of a fault in linux-kexec (${String(error)}): please report it.`
    return [
      { source: source.name, config: '/', entries: [], preset: null, problems: [{ code: 'internal-error', text }] },
    ]
  } finally {
    endKeeping()
  }
}

/**
 * @throws KexecError 'not-found' when there is no such directory
 */
function buildTree(survey: Survey, directory: string): Menu {
  const { system } = survey
  const path = system.isLive ? fromCurrentDirectory(directory) : posix.resolve('/', directory)
  if (system.stat(path)?.isDirectory()) return buildTreeMenu(survey, path)
  throw new KexecError('this is not a directory, or it may not be entered', {
    reason: 'not-found',
    code: 'ENOENT',
    path,
    hint: `${optionName('build-tree')} takes a directory in which a kernel was built.`,
    refused: true,
  })
}

/** Places that are read for evidence only, which the list can do without. */
const evidencePlaces = /^\/(?:dev|proc|sys)\//

function unreadable(system: System): BootProblem[] {
  return [
    ...[...system.denied]
      .filter((path) => !evidencePlaces.test(path))
      .map((path): BootProblem => {
        return {
          code: 'no-permission',
          text: `${path} cannot be read without root privileges: its entries are missing here.`,
        }
      }),
    ...[...system.unopened].map(([path, kind]): BootProblem => {
      return { code: 'not-opened', text: `${path} is a ${kind}, not a file: it was not opened.` }
    }),
  ]
}
