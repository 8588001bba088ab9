/**
 * `linux-kexec/vm/vitest`: tests with a machine, and matchers for kernels and outcomes, for vitest. Importing it adds the matchers
 * to `expect`. docs/test-your-updater.md shows how.
 */
import { expect } from 'vitest'
import type { Deadline } from '../machine/machine.ts'
import { type OutcomeFields, type OutcomeKind, toHaveKexecedInto, toHaveOutcome } from './matchers.ts'

export type { VmFixtures, VmTestOptions } from './fixture.ts'
export { vmTest } from './fixture.ts'
export type { OutcomeFields, OutcomeKind } from './matchers.ts'

expect.extend({ toHaveKexecedInto, toHaveOutcome })

/** Vitest's own interface for matchers has other type parameters in each major version; all take what Chai's has. */
declare global {
  namespace Chai {
    interface Assertion {
      /**
       * Expects that the next kernel to come up in a `Vm` is of this release, and was started by a kexec rather than through the
       * firmware. Takes that boot, as `booted()` does. A `Boot` may be given in place of the machine. A machine that ends before,
       * or whose deadline passes, fails the test with the last lines of its console, even with `.not`.
       */
      toHaveKexecedInto(release: string, options?: Deadline): Promise<void>
      /**
       * Expects that the run of a `Vm` ends in this way, and waits for it; the deadline ends it as 'timed-out'. An `Outcome` may
       * be given in place of the machine. @param fields what else it has, as for `toMatchObject`
       */
      toHaveOutcome<Kind extends OutcomeKind>(
        kind: Kind,
        fields?: OutcomeFields<Kind>,
        options?: Deadline,
      ): Promise<void>
    }
  }
}
