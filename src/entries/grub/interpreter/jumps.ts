import type { Environment } from '../script/environment.ts'
import type { BootCommands } from './boot-commands.ts'

/** A jump in progress: out of loops, a function or the script. */
export interface Jump {
  readonly kind: 'break' | 'continue' | 'return' | 'exit'
  /** Loops to leave. */
  levels: number
}

/** An execution path that may have been taken, and that continues behind a loop, a function or a script. */
export interface Suspended {
  readonly jump: Jump
  readonly environment: Environment
  readonly boot: BootCommands
  readonly why: string
  /** The condition of the code in between, to complete "Shown only if …". */
  readonly condition: string
  /** Whether it is likelier than the code in between. */
  readonly isLikelier: boolean
}

/** The current state, as far as execution paths part and join in it. */
interface Running {
  readonly context: { readonly environment: Environment }
  boot: BootCommands
  suspended: Suspended[]
}

/** How far jumps lead: out of a round, a loop, further loops, a function or file, the script. Positive: the first further. */
export function compareJumps(one: Jump | null, other: Jump | null): number {
  return distanceOf(one) - distanceOf(other)
}

function distanceOf(jump: Jump | null): number {
  if (jump === null) return 0
  if (jump.kind === 'exit') return Number.MAX_SAFE_INTEGER
  if (jump.kind === 'return') return Number.MAX_SAFE_INTEGER - 1
  return jump.levels * 2 + (jump.kind === 'break' ? 1 : 0)
}

/** Runs code that jumps may leave. Paths that wait outside of it are not its own. */
export function apart(run: Running, act: () => void): void {
  const outer = run.suspended
  run.suspended = []
  try {
    act()
  } finally {
    run.suspended = [...outer, ...run.suspended]
  }
}

/** Joins the paths that meet here. @param isHere whether a jump ends here, or the rest of it. */
export function arrive(run: Running, isHere: (jump: Jump) => boolean | Jump): void {
  const waiting = run.suspended.splice(0)
  for (const way of waiting.reverse()) {
    const here = isHere(way.jump)
    if (here !== true) {
      run.suspended.unshift(here === false ? way : { ...way, jump: here })
      continue
    }
    run.context.environment.meet(way.environment, way.isLikelier, way.why)
    run.boot = way.isLikelier ? way.boot.join(run.boot, way.why) : run.boot.join(way.boot, way.why)
  }
}

/** A jump out of one more loop; null when that was the last. */
export function lessOne(jump: Jump): Jump | null {
  return jump.levels > 1 ? { ...jump, levels: jump.levels - 1 } : null
}
