import { System } from '../system/system.ts'
import { bootDir } from './boot-dir.ts'
import type { BootEntry } from './entry.ts'
import { type IdentifyKernel, identifyKernel } from './identify.ts'
import { modulesDir } from './modules-dir.ts'
import { rank } from './rank.ts'
import type { EntrySource, FoundEntry } from './source.ts'
import { Survey } from './survey.ts'

/** Every source, the one that knows most first: each sees what those before it found. */
const sources: readonly EntrySource[] = [bootDir, modulesDir]

export interface DiscoverOptions {
  /** The machine to look at; the running one when left out. */
  readonly system?: System
  /** Tells what a kernel file is from its first bytes. */
  readonly identify?: IdentifyKernel
}

/**
 * Everything a system can boot, newest kernel first. At most one entry is marked as running and, unless the list is empty,
 * exactly one as newest. What is broken is listed with its `problems`; nothing that is read makes this fail.
 */
export async function discover(options: DiscoverOptions = {}): Promise<BootEntry[]> {
  const system = options.system ?? new System()
  const survey = new Survey(system, options.identify ?? identifyKernel)
  const found: FoundEntry[] = []
  for (const source of sources) found.push(...source.find(survey, found))
  return rank(withUniqueIds(found), system)
}

/** An id that is taken gives way to the kernel's path: /vmlinuz beside /boot/vmlinuz. */
function withUniqueIds(found: readonly FoundEntry[]): FoundEntry[] {
  const taken = new Set<string>()
  return found.map((entry) => {
    const id = taken.has(entry.id) ? entry.kernel : entry.id
    taken.add(id)
    return { ...entry, id }
  })
}
