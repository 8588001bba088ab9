import type { BootSource } from '../../entries/model/entry.ts'
import type { System } from '../../system/system.ts'
import type { RunningMachine } from '../context/running-machine.ts'
import type { LoadSizes } from '../context/sizes.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { checkCrashMemory } from './crash-memory.ts'
import { checkFileSize } from './file-size.ts'
import { checkMemory } from './memory.ts'

/** The contents that must fit into files that are read, and into memory. */
export interface SizedLoad {
  readonly sizes: LoadSizes
  /** The names of the files: their paths. */
  readonly names: { readonly kernel: string; readonly initrd: string }
  readonly panic: boolean
  /** The kernel's; null when unknown. */
  readonly architecture: string | null
  /** The boot entry's source; null without an entry. */
  readonly source: BootSource | null
  readonly tryAnyway: boolean
}

/** Refuses a kernel or an initrd that is too large for the syscall or for the memory. */
export function checkSizes(system: System, running: RunningMachine, load: SizedLoad): Remark[] {
  const { sizes, names, panic, tryAnyway } = load
  const memory = [
    ...(panic ? checkCrashMemory(system, running, load) : []),
    ...checkMemory(system, running, { sizes, panic }),
  ]
  return [
    ...checkFileSize(running, { path: names.kernel, size: sizes.kernelFile, what: 'kernel' }),
    ...checkFileSize(running, { path: names.initrd, size: sizes.initrdBytes, what: 'initrd' }),
    ...(tryAnyway ? memory.map(mildly) : memory),
  ]
}

/** A lack of memory only gets a warning where the kernel will be asked anyway: it may judge otherwise. */
function mildly(remark: Remark): Remark {
  if (!('refusal' in remark)) return remark
  const { summary, reason } = remark.refusal
  const code = reason === 'no-crash-memory' ? 'crash-memory-short' : 'memory-short'
  return remarksOn(remark.subject).warning(code, `${summary}; the kernel is asked anyway`)
}
