import {
  type CrashMemoryChange,
  planShrinking as planShrinkingOf,
  shrinkReservation as shrink,
} from '../crash-kernel/shrink.ts'
import { checkArgument, flag, type OptionKinds, wholeNumber } from '../options.ts'
import { type LoadedImage, loadedImages as loadedImagesOf } from '../state/loaded-image.ts'
import { type LoadStatus, status as statusOf } from '../system/kexec-state.ts'
import { type MachineOption, machineOf, machineOption, onMachine } from './machine.ts'

/**
 * Reads whether a kernel and a crash kernel are loaded. Never fails on what it reads.
 * @throws KexecError 'not-found' when the root is not a directory; 'invalid-argument'
 */
export function status(options?: MachineOption): LoadStatus {
  return statusOf(machineOf('status()', options))
}

export interface LoadedImagesOptions extends MachineOption {
  /** Read the files whole and hash them, which takes a while; the hashes of those that are unchanged go into the record. */
  readonly verify?: boolean
}

const loadedImagesKinds: OptionKinds<LoadedImagesOptions> = { ...machineOption, verify: flag }

/**
 * The state of the loaded images: who loaded each, from which files, whether these have changed since, and whether another
 * program has loaded over it. Only root can see all of it. Changes nothing but the record, with `verify`. Never fails on
 * what it reads.
 * @throws KexecError 'not-found' when the root is not a directory; 'invalid-argument'
 */
export function loadedImages(options?: LoadedImagesOptions): {
  readonly kernel: LoadedImage
  readonly crash: LoadedImage
} {
  return loadedImagesOf(onMachine('loadedImages()', options, loadedImagesKinds))
}

/**
 * Predicts the effect of giving memory of the crash kernel back, and refuses where the kernel would.
 * @param size bytes that are to stay reserved
 * @throws KexecError 'no-kexec-support', 'no-crash-memory', 'busy', 'invalid-argument'
 */
export function planShrinking(size: number, options?: MachineOption): CrashMemoryChange {
  checkArgument('the size of planShrinking()', size, wholeNumber)
  return planShrinkingOf(size, machineOf('planShrinking()', options))
}

/**
 * Gives back memory that was reserved for a crash kernel. It cannot be reserved again until the next boot.
 * @param size bytes that are to stay reserved; 0 gives all back
 * @returns the size before and after
 * @throws KexecError as `planShrinking`, or with the kernel's own answer
 */
export function shrinkReservation(size: number): CrashMemoryChange {
  checkArgument('the size of shrinkReservation()', size, wholeNumber)
  return shrink(size)
}
