import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { answerOf } from '../../../src/engine/answer.ts'
import { KernelLog } from '../../../src/engine/kernel-log.ts'

/** A thread that no process has: ids are below it. */
const GONE = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'))

function waitFor(ask: (thread: Int32Array) => Promise<number>) {
  const log = new KernelLog()
  return answerOf(ask, { syscall: 'kexec_load', path: '/boot/vmlinuz', log }).finally(() => log.close())
}

/** A call that is never answered, made by a thread. */
function unanswered(id: number) {
  return (thread: Int32Array) => {
    thread[0] = id
    return new Promise<number>(() => {})
  }
}

// The real thing, a kernel that crashes in the call: test/vm/segments-arm64.test.ts.
describe('the answer of a call on another thread', () => {
  test('is the errno', async () => {
    expect(await waitFor(async () => 16)).toBe(16)
  })

  test('never comes from a thread that is gone, and that is told', async () => {
    await expect(waitFor(unanswered(GONE))).rejects.toMatchObject({
      reason: 'kernel-crashed',
      syscall: 'kexec_load',
      path: '/boot/vmlinuz',
    })
  })

  test('is waited for as long as the thread is there, and before there is one', async () => {
    const patience = new Promise((resolve) => setTimeout(resolve, 1200, 'still waiting'))
    const calls = [unanswered(process.pid), unanswered(0)].map((ask) => answerLater(ask))
    expect(await Promise.race([...calls, patience])).toBe('still waiting')
  })
})

/** Its timer is left behind: the process of the tests ends without it. */
function answerLater(ask: (thread: Int32Array) => Promise<number>) {
  return waitFor(ask).catch(({ reason }) => reason)
}
