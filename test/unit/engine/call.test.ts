import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { makeCall, makeCallSync } from '../../../src/engine/call.ts'
import { kexecLoad } from '../../../src/engine/kexec-load.ts'

/** A thread that no process has: ids are below it. */
const GONE = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'))

const given = [{ source: 'kexec_load', value: 'entry 0x1000, flags 0x0' }]

/** A call that is described as one of the two, and answered by the test: no kernel is asked. */
function callAnswered(make: (thread: Int32Array) => Promise<number>, errno = 0) {
  const described = { syscall: 'kexec_load', path: '/boot/vmlinuz', panic: false, flags: 0, given } as const
  return { ...described, make, makeSync: () => errno }
}

const waitFor = (make: (thread: Int32Array) => Promise<number>) => makeCall(callAnswered(make))

/** A call that is never answered, made by a thread. */
function unanswered(id: number) {
  return (thread: Int32Array) => {
    thread[0] = id
    return new Promise<number>(() => {})
  }
}

// The real thing, a kernel that crashes in the call: test/vm/segments-arm64.test.ts.
describe('the answer of a call on another thread', () => {
  test('is nothing, or an error with what the call was given', async () => {
    expect(await waitFor(async () => 0)).toBeUndefined()
    const failed = { reason: 'kernel-refused', syscall: 'kexec_load', path: '/boot/vmlinuz', errno: -22 }
    const evidence = expect.arrayContaining(given)
    await expect(waitFor(async () => 22)).rejects.toMatchObject({ ...failed, evidence })
    expect(() => makeCallSync(callAnswered(async () => 0, 22))).toThrow(
      expect.objectContaining({ ...failed, evidence }),
    )
  })

  test('never comes from a thread that is gone, and that is told', async () => {
    await expect(waitFor(unanswered(GONE))).rejects.toMatchObject({
      reason: 'kernel-crashed',
      syscall: 'kexec_load',
      path: '/boot/vmlinuz',
      evidence: expect.arrayContaining(given),
    })
  })

  test('is waited for as long as the thread is there, and before there is one', async () => {
    const patience = new Promise((resolve) => setTimeout(resolve, 1200, 'still waiting'))
    const calls = [unanswered(process.pid), unanswered(0)].map((ask) => answerLater(ask))
    expect(await Promise.race([...calls, patience])).toBe('still waiting')
  })
})

describe('a call with another in its place', () => {
  const ENOSYS = 38
  const fallBack = (errno: number, other: number) => {
    let asked = 0
    const otherwise = {
      ...callAnswered(async () => 0),
      makeSync: () => {
        asked++
        return other
      },
    }
    makeCallSync(
      callAnswered(async () => 0, errno),
      otherwise,
    )
    return asked
  }

  test('makes the other where the kernel does not have the first, and only there', () => {
    expect(fallBack(0, 0)).toBe(0)
    expect(fallBack(ENOSYS, 0)).toBe(1)
    expect(() => fallBack(ENOSYS, 22)).toThrow(expect.objectContaining({ errno: -22 }))
    expect(() => fallBack(22, 0)).toThrow(expect.objectContaining({ errno: -22 }))
  })

  test('leaves nothing open, and loses no crash kernel where none was loaded', () => {
    const before = readdirSync('/proc/self/fd').length
    const panic = { ...callAnswered(async () => 0, 8), panic: true }
    for (let count = 0; count < 3; count++)
      expect(() => makeCallSync(panic)).toThrow(
        expect.objectContaining({ reason: 'not-a-kernel', summary: expect.not.stringContaining('crash kernel') }),
      )
    fallBack(ENOSYS, 0)
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })
})

/** Its timer is left behind: the process of the tests ends without it. */
function answerLater(ask: (thread: Int32Array) => Promise<number>) {
  return waitFor(ask).catch(({ reason }) => reason)
}

test('a description of kexec_load says where everything goes', () => {
  const segments = [
    { name: 'kernel', address: 0x1000000, size: 0x3000, bytes: Buffer.alloc(0x2001) },
    { name: 'trampoline', address: 0x100000, size: 0x1000, bytes: Buffer.alloc(0x40) },
  ]
  const image = { entry: 0x100000, flags: 0x3e0000, segments }
  expect(kexecLoad({ image, path: '/boot/vmlinuz', panic: false })).toMatchObject({
    flags: 0x3e0000,
    given: [
      { source: 'kexec_load', value: 'entry 0x100000, flags 0x3e0000' },
      { source: 'kexec_load segment (kernel)', value: '0x1000000-0x1002fff, 8193 bytes copied' },
      { source: 'kexec_load segment (trampoline)', value: '0x100000-0x100fff, 64 bytes copied' },
    ],
  })
})
