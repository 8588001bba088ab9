import { accessSync, constants } from 'node:fs'
import { posix } from 'node:path'
import { readBootMenu } from '../../entries/discover.ts'
import { KexecError } from '../../errors.ts'
import type { LoadPlan } from '../../plan/load-plan.ts'
import { System } from '../../system/system.ts'

/** The kernel that loads the plan in a rehearsal. */
export interface LoadingKernel {
  /** A file of this machine. */
  readonly path: string
  /** Why this one. */
  readonly reason: string
}

/**
 * The kernel to start from: the named one; the running one, where the boot entries tell its file; else the planned one.
 * @throws KexecError 'not-found' or 'not-readable'
 */
export async function chooseLoadingKernel(
  named: string | undefined,
  plan: LoadPlan,
  root: string | undefined,
): Promise<LoadingKernel> {
  if (named !== undefined) return readable(named, 'it was named')
  const system = new System(root)
  const { entries } = await readBootMenu({ system })
  const place = (path: string) => posix.join(system.root, system.resolve(path))
  const running = entries.find(({ isRunning, kernel }) => isRunning && kernel !== null)?.kernel ?? null
  if (running !== null && isReadable(place(running))) return { path: place(running), reason: 'the running kernel' }
  const why = running === null ? 'was not found' : 'cannot be read by this user'
  return readable(place(plan.kernel.path), `the planned kernel itself: the running kernel's file ${why}`)
}

function readable(path: string, reason: string): LoadingKernel {
  if (isReadable(path)) return { path, reason }
  throw new KexecError('the kernel that is to load the plan cannot be read', {
    reason: 'not-found',
    path,
    hint: 'Name a kernel file that this user may read with --from.',
    refused: true,
  })
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}
