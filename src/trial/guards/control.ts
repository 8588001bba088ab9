import { KexecError } from '../../errors.ts'
import type { GuardControl } from '../model/guard-control.ts'

/** The guards of the running machine. `panic=` needs no release: it only counts when the kernel panics. */
export const liveGuards: GuardControl = {
  release: ({ watchdog, deadman }) => {
    const guard = watchdog?.name ?? (deadman ? 'the program in the initrd' : undefined)
    if (guard === undefined) return
    throw new KexecError(`this linux-kexec cannot stop a guard of the trial, ${guard}`, {
      reason: 'trial-record',
      hint: 'Confirm the trial with the linux-kexec that started it.',
    })
  },
  fire: () => false,
}
