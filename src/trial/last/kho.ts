import type { System } from '../../system/system.ts'

/** The kernel's own account of the kexec that started it: kexec handover (KHO), in Linux 7.1 and newer. */
export interface KhoMetadata {
  readonly previousRelease: string
  /** Kexecs in a row of kernels with KHO, the one that started this kernel included. */
  readonly kexecs: number
}

const PATH = '/sys/kernel/debug/kho/in/sub_fdts/kexec-metadata'

/** struct kho_kexec_metadata, packed: include/linux/kho/abi/kexec_metadata.h. */
const VERSION = 1
const RELEASE = 4
const COUNT = RELEASE + 65
const SIZE = COUNT + 4

/** Reads it; null without KHO, without debugfs, and for anyone but root. */
export function khoMetadata(system: System): KhoMetadata | null {
  let bytes: Buffer
  try {
    bytes = system.readHead(PATH, SIZE)
  } catch {
    return null
  }
  // In the byte order of the processor: all that have KHO are little-endian. As the kernel does (kho_in_kexec_metadata() of
  // kernel/liveupdate/kexec_handover.c), take a longer one of this version.
  if (bytes.length < SIZE || bytes.readUInt32LE(0) !== VERSION) return null
  const end = bytes.indexOf(0, RELEASE)
  if (end <= RELEASE || end >= COUNT) return null
  return { previousRelease: bytes.toString('latin1', RELEASE, end), kexecs: bytes.readUInt32LE(COUNT) }
}
