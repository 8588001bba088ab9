import { describe, expect, test } from 'vitest'
import type { Boot, Outcome } from '../../../../src/vm/index.ts'
import { vmTest } from '../../../../src/vm/vitest/index.ts'

// On boots and outcomes that are over. test/vm/examples-test-your-updater.test.ts has machines.

const boot = (startedBy: Boot['startedBy']): Boot => ({
  release: '6.12.94',
  uname: 'Linux',
  commandLine: 'quiet',
  bootId: 'b',
  memTotal: 1e9,
  at: 0,
  startedBy,
})

const panicked: Outcome = { kind: 'panicked', message: 'Attempted to kill init!', consoleTail: ['[1.0] Oops', 'end'] }

/** What the assertion says when it fails. */
async function failure(assertion: Promise<void>): Promise<string> {
  return assertion.then(
    () => 'it did not fail',
    (error: Error) => error.message,
  )
}

describe('toHaveKexecedInto', () => {
  test('takes the release, and a kexec', async () => {
    await expect(boot('kexec')).toHaveKexecedInto('6.12.94')
    await expect(boot('kexec')).not.toHaveKexecedInto('6.12')
    await expect(boot('firmware')).not.toHaveKexecedInto('6.12.94')
    await expect(Promise.resolve(boot('kexec'))).resolves.toHaveKexecedInto('6.12.94')
  })

  test('says which kernel came up, and how', async () => {
    expect(await failure(expect(boot('firmware')).toHaveKexecedInto('6.12.94'))).toContain(
      'expected a kexec into 6.12.94, but 6.12.94 came up, started by the firmware',
    )
    expect(await failure(expect(boot('kexec')).toHaveKexecedInto('7.2'))).toContain(
      'but 6.12.94 came up, started by a kexec',
    )
    expect(await failure(expect(boot('kexec')).not.toHaveKexecedInto('6.12.94'))).toContain(
      'expected no kexec into 6.12.94',
    )
  })

  test.each([['6.12.94'], [undefined], [panicked]])('does not take %j for a machine', async (received) => {
    for (const assertion of [expect(received), expect(received).not])
      expect(await failure(assertion.toHaveKexecedInto('6.12.94'))).toBe(
        'toHaveKexecedInto() takes a Vm, or a Boot of booted()',
      )
  })
})

describe('toHaveOutcome', () => {
  test('takes the kind, and the fields that are given', async () => {
    await expect(panicked).toHaveOutcome('panicked')
    await expect(panicked).toHaveOutcome('panicked', { message: expect.stringContaining('kill init') })
    await expect(panicked).toHaveOutcome('panicked', { consoleTail: ['[1.0] Oops', 'end'] })
    await expect(panicked).not.toHaveOutcome('panicked', { message: 'another' })
    await expect(panicked).not.toHaveOutcome('passed')
    await expect({ kind: 'passed' }).toHaveOutcome('passed')
    // @ts-expect-error a panic has no exit status
    await expect(panicked).not.toHaveOutcome('panicked', { status: 1 })
    // @ts-expect-error not a kind
    await expect(panicked).not.toHaveOutcome('crashed')
  })

  test('says how the run ended, with its console', async () => {
    expect(await failure(expect(panicked).toHaveOutcome('rebooted'))).toBe(
      'expected the outcome to be rebooted, but it is panicked: the kernel panicked: Attempted to kill init!\n' +
        'The console ended with:\n  [1.0] Oops\n  end',
    )
    expect(await failure(expect(panicked).not.toHaveOutcome('panicked'))).toContain('not to be panicked')
    expect(await failure(expect('panicked').toHaveOutcome('panicked'))).toBe(
      'toHaveOutcome() takes a Vm, or the Outcome of one',
    )
  })
})

test('vmTest names the option that it does not take', () => {
  expect(() => vmTest({}, { scop: 'file' } as never)).toThrow(/vmTest\(\) has no option 'scop'/)
  expect(() => vmTest({}, { scope: 'worker' } as never)).toThrow(/takes 'test' or 'file'/)
})

describe('a test of vmTest', () => {
  const withMachine = vmTest({}, { timeout: 12_345 })

  withMachine('has the timeout of its option, and starts no machine unless it asks for one', ({ task }) => {
    expect(task.timeout).toBe(12_345)
  })

  withMachine.fails('fails when its machine cannot be started', ({ vm }) => {
    expect(vm).toBeDefined()
  })
})
