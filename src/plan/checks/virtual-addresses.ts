import { type Evidence, KexecError } from '../../errors.ts'
import { flagName } from '../../option-name.ts'
import type { System } from '../../system/system.ts'
import type { RunningMachine } from '../context/running-machine.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

/**
 * Kernels for arm64 that use 52 bits of virtual addresses with pages of 4 or 16 KiB (LPA2, since 6.9). They follow a
 * wrong pointer when they copy their page tables at the end of any load (trans_pgd_create_copy of
 * arch/arm64/mm/trans_pgd.c). Seen with 6.12.107 and 6.12.117, but not with 7.2.13.
 */
const CRASH_SINCE = 6009
const CRASHED_LAST = 6012
const LARGEST_PAGE = 16 * 1024

/** The kernel's own memory as an ELF file; its headers come first. */
const KCORE = '/proc/kcore'
const HEADERS = 4096

/** Offsets in an ELF header of 64 bits, and in a program header. */
const ELF = { headerCount: 56, size: 64 }
const PROGRAM = { type: 0, address: 16, size: 56 }
const PT_LOAD = 1

/** Where memory is mapped with 52 bits, and where with 48: PAGE_OFFSET of arch/arm64/include/asm/memory.h. */
const START_OF_52 = 0xfff0000000000000n
const START_OF_48 = 0xffff000000000000n

/**
 * Refuses a load that the running kernel would not survive. It oopses in the system call, which never returns, and
 * kexec stays locked until the machine is reset. No page tables are copied for a crash kernel. Without privilege
 * nothing is known.
 */
export function checkVirtualAddresses(system: System, running: RunningMachine, tryAnyway: boolean): Remark[] {
  const { architecture, pageSize, series } = running
  const isOld = series !== null && series >= CRASH_SINCE && series <= CRASHED_LAST
  if (!isOld || architecture !== 'aarch64' || pageSize === null || pageSize > LARGEST_PAGE) return []
  const evidence = findWideMapping(system)
  if (evidence === null) return []
  const { warning, refusal } = remarksOn('machine')
  const summary =
    'the running kernel uses 52 bits of virtual addresses, and Linux 6.12 on arm64 was seen to crash while it loads any kernel in this mode'
  if (tryAnyway) return [warning('may-crash-running-kernel', summary)]
  const hint = `Boot the running kernel with arm64.nolva on its command line first, or a newer one; where this is fixed, give ${flagName('try-anyway')}.`
  return [refusal(new KexecError(summary, { reason: 'no-kexec-support', hint, evidence: [evidence], refused: true }))]
}

function findWideMapping(system: System): Evidence | null {
  try {
    const head = system.readHead(KCORE, HEADERS)
    for (let index = 0; index < head.readUInt16LE(ELF.headerCount); index++) {
      const at = ELF.size + index * PROGRAM.size
      if (at + PROGRAM.size > head.length) return null
      const address = head.readBigUInt64LE(at + PROGRAM.address)
      const isMemory = head.readUInt32LE(at + PROGRAM.type) === PT_LOAD
      if (isMemory && address >= START_OF_52 && address < START_OF_48)
        return { source: `${KCORE} PT_LOAD`, value: `0x${address.toString(16)}` }
    }
  } catch {
    // Not root, or the kernel is locked down.
  }
  return null
}
