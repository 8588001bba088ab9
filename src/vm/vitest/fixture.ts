import { type TestAPI, test, vi } from 'vitest'
import { checkOptions, milliseconds, type OptionKinds, oneOf } from '../../options.ts'
import type { Boot } from '../machine/agent.ts'
import type { Vm } from '../machine/machine.ts'
import { CONSOLE_FOLLOWS, withConsole } from '../machine/outcome.ts'
import { startVm, type VmOptions } from '../start.ts'

export interface VmTestOptions {
  /** 'test' (default): each test has a machine of its own. 'file': the tests of the file share one, in their order. */
  readonly scope?: 'test' | 'file'
  /** Milliseconds for the first boot, default 300 000. */
  readonly deadline?: number
  /**
   * Milliseconds for each test and hook of the file, which vitest gives five seconds. Default: 600 000. Waits for a machine have
   * deadlines of their own, so that only a test that hangs elsewhere reaches it.
   */
  readonly timeout?: number
}

/** What a test is given. */
export interface VmFixtures {
  /** A machine whose first kernel is up. It is stopped after the test, or after the file. */
  readonly vm: Vm
  /** That first kernel. */
  readonly boot: Boot
}

const kinds: OptionKinds<VmTestOptions> = {
  scope: oneOf('test', 'file'),
  deadline: milliseconds,
  timeout: milliseconds,
}

/** The fixture that the two of `VmFixtures` are taken from. */
interface Machine {
  readonly startedMachine: VmFixtures
}

/**
 * Vitest's `test` with a machine: `vm`, which is up, and `boot`, its first kernel. It is started for the tests that ask for it
 * alone, and stopped in any case. A test that fails shows the last lines of its console.
 * @param machine what `startVm` takes, or a function that returns it, called for each machine
 */
export function vmTest(
  machine: VmOptions | (() => VmOptions | Promise<VmOptions>),
  given: VmTestOptions = {},
): TestAPI<VmFixtures> {
  const { scope = 'test', deadline, timeout = 600_000 } = checkOptions('vmTest()', given, kinds)
  vi.setConfig({ testTimeout: timeout, hookTimeout: timeout })
  const wait = deadline === undefined ? {} : { deadline }
  return test.extend<Machine & VmFixtures>({
    startedMachine: [
      // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here
      async ({}, use) => {
        await using vm = await startVm(typeof machine === 'function' ? await machine() : machine)
        await use({ vm, boot: await vm.booted(wait) })
      },
      { scope },
    ],
    vm: async ({ startedMachine, onTestFailed }, use) => {
      const { vm } = startedMachine
      onTestFailed(({ task }) => showConsole(task.result?.errors, vm))
      await use(vm)
    },
    boot: async ({ startedMachine }, use) => use(startedMachine.boot),
  })
}

/**
 * In the error itself, so that every reporter has it: some show the message, others the stack, which begins with it. An error of a
 * wait for the machine has the console already.
 */
function showConsole(errors: { message: string; stack?: string }[] | undefined, vm: Vm): void {
  const [first] = errors ?? []
  if (first === undefined || first.message.includes(CONSOLE_FOLLOWS)) return
  const { message, stack } = first
  first.message = withConsole(message, vm.consoleTail())
  if (stack !== undefined) first.stack = stack.replace(message, () => first.message)
}
