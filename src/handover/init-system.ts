import type { System } from '../system/system.ts'

/** How far a handover may wait, and what it reports on the way. */
export interface HandoverContext {
  readonly system: System
  /** Called with one sentence per step. */
  readonly report: (step: string) => void
  /** Heeded until the first step: what was begun is not taken back. */
  readonly signal?: AbortSignal
  /** How long processes may take to end, or the init system to begin, milliseconds. */
  readonly deadline: number
}

/** A way of stopping the services of a running system and then starting the loaded kernel. */
export interface InitSystem {
  readonly name: string
  /** What will happen, step by step, for `reboot --dry-run`. */
  readonly steps: readonly string[]
  /** What keeps this way from ending in the new kernel, one sentence each; empty when it is proven. */
  obstacles(system: System): string[]
  /** Stops the services and starts the loaded kernel. Resolves when nothing is left for this process to do. @throws KexecError */
  handOver(context: HandoverContext): Promise<void>
}
