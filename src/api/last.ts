import { type LastKexec, lastKexec as lastKexecOf } from '../trial/last/last.ts'
import { type MachineOption, machineOf } from './machine.ts'

/**
 * What is known of the kexec that started the running kernel: from which kernel, by whom, how long it took; and the last
 * 50 before it. The first call in a boot notes when the new kernel started its init, leaves a line in the kernel log, and
 * blocks for some 0.2 s. Make it soon after the boot: what it finds gets less exact with time. Only root can read the record. Never fails on what it
 * reads.
 * @throws KexecError 'not-found' when the root is not a directory; 'invalid-argument'
 */
export function lastKexec(options?: MachineOption): LastKexec {
  return lastKexecOf(machineOf('lastKexec()', options))
}
