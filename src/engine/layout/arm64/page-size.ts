import type { System } from '../../../system/system.ts'

const SMAPS = '/proc/self/smaps'

/** arm64 kernels are built for pages of 4, 16 or 64 KiB. */
const [SMALLEST, LARGEST] = [4096, 65_536]

/** The running kernel's page size, in bytes; undefined where it does not show it. */
export function pageSize(system: System): number | undefined {
  try {
    const [, kilobytes] = /^KernelPageSize: +(\d+) kB$/m.exec(system.readHead(SMAPS, 4096).toString('latin1')) ?? []
    const size = Number(kilobytes) * 1024
    return size >= SMALLEST && size <= LARGEST ? size : undefined
  } catch {
    return undefined
  }
}
