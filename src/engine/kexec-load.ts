import type { Evidence } from '../errors.ts'
import { native } from '../native.ts'
import { KEXEC_ON_CRASH } from '../system/kexec-abi.ts'
import type { KexecCall, LoadCall } from './call.ts'
import { formatAddress, type SegmentImage } from './layout/segments/segment.ts'

/** The inputs of the kernel: memory, laid out to the byte. */
export interface SegmentLoad {
  readonly image: SegmentImage
  /** The kernel's path, for messages. */
  readonly path: string
  readonly panic: boolean
}

/** A load through kexec_load(2), which copies the segments. */
export function kexecLoad({ image: { entry, segments, flags }, path, panic }: SegmentLoad): LoadCall {
  return {
    syscall: 'kexec_load',
    path,
    panic,
    flags,
    given: evidenceOf({ entry, segments, flags }),
    make: (thread) => native().kexecLoad(entry, segments, flags, thread),
    makeSync: () => native().kexecLoadSync(entry, segments, flags),
  }
}

/** Unloads an image that either call has loaded: no segments. */
export function kexecUnload(panic: boolean): KexecCall {
  const flags = panic ? KEXEC_ON_CRASH : 0
  return {
    syscall: 'kexec_load',
    panic,
    flags,
    given: [],
    makeSync: () => native().kexecLoadSync(0, [], flags),
  }
}

/** The kernel gives EINVAL or EADDRNOTAVAIL for any segment, without saying which. */
function evidenceOf({ entry, segments, flags }: SegmentImage): Evidence[] {
  return [
    { source: 'kexec_load', value: `entry ${formatAddress(entry)}, flags ${formatAddress(flags)}` },
    ...segments.map(({ name, address, size, bytes }) => ({
      source: `kexec_load segment (${name})`,
      value: `${formatAddress(address)}-${formatAddress(address + size - 1)}, ${bytes.length} bytes copied`,
    })),
  ]
}
