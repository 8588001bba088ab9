import { throwIfAborted } from '../abort.ts'
import type { KexecError } from '../errors.ts'
import { native } from '../native.ts'
import { readLoadsLeft } from '../policy/limits/switches.ts'
import { System } from '../system/system.ts'
import { unloadIfAborted } from './abort.ts'
import { answerOf } from './answer.ts'
import { diagnoseLoad } from './diagnose.ts'
import { KernelLog } from './kernel-log.ts'
import type { SegmentImage } from './layout/segments/segment.ts'

/** What goes into the kernel: memory, laid out to the byte. */
export interface SegmentLoad {
  readonly image: SegmentImage
  /** The kernel's path, for messages. */
  readonly path: string
  readonly panic: boolean
}

const SYSCALL = 'kexec_load'

const live = new System()

/**
 * Loads through kexec_load(2), off the event loop. The signal is heeded as by `loadFile`.
 * @throws KexecError with the cause as far as the machine's state and the kernel log tell it. A failed load leaves the image
 *   that was loaded before in place.
 */
export async function loadSegments(load: SegmentLoad, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal)
  const call = prepare(load)
  try {
    const { entry, segments, flags } = load.image
    const errno = await answerOf((thread) => native().kexecLoad(entry, segments, flags, thread), {
      syscall: SYSCALL,
      path: load.path,
      log: call.log,
    })
    if (errno !== 0) throw failure(load, errno, call)
  } finally {
    call.log.close()
  }
  unloadIfAborted(load, SYSCALL, signal)
}

/** As `loadSegments`, but blocks the event loop until the kernel has copied everything. */
export function loadSegmentsSync(load: SegmentLoad): void {
  const call = prepare(load)
  try {
    const { entry, segments, flags } = load.image
    const errno = native().kexecLoadSync(entry, segments, flags)
    if (errno !== 0) throw failure(load, errno, call)
  } finally {
    call.log.close()
  }
}

function prepare({ panic }: SegmentLoad) {
  return { log: new KernelLog(), loadsLeft: readLoadsLeft(live, panic) }
}

function failure(
  { path, panic }: SegmentLoad,
  errno: number,
  { log, loadsLeft }: ReturnType<typeof prepare>,
): KexecError {
  return diagnoseLoad(live, { errno, syscall: SYSCALL, path, panic, loadsLeft, log: log.evidence() })
}
