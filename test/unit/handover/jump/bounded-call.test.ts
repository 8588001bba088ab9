import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { errnoNumber } from '../../../../src/errors.ts'
import { boundedCall } from '../../../../src/handover/jump/bounded-call.ts'
import { isStorageDaemon } from '../../../../src/handover/jump/processes.ts'
import { native } from '../../../../src/native.ts'
import { System } from '../../../../src/system/system.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

function directory(): string {
  directories.push(mkdtempSync(join(tmpdir(), 'linux-kexec-bounded-')))
  return directories.at(-1) as string
}

/** A child that stands for a call from which the kernel does not return. */
function silentChild(): number {
  const child = spawn('sleep', ['1000'])
  onTestFinished(() => void child.kill('SIGKILL'))
  return child.pid as number
}

test('what a call in a child gave comes back: 0, its errno, or why there was no child', () => {
  const system = new System(directory())
  expect(boundedCall(system, () => native().sync(), 20_000)).toBe(0)
  const errno = boundedCall(system, () => native().unmount('/nonexistent', 0), 20_000) ?? 0
  // EPERM to who may not unmount at all.
  expect([errnoNumber('ENOENT'), errnoNumber('EPERM')]).toContain(errno)
  expect(boundedCall(system, () => -11, 1000)).toBe(11)
})

test('a call that does not come back is given up, and only when nothing is written any more', () => {
  const root = directory()
  mkdirSync(join(root, 'proc'))
  const write = (dirty: number) =>
    writeFileSync(join(root, 'proc/meminfo'), `MemTotal: 1 kB\nDirty:   ${dirty} kB\nWriteback: 0 kB\n`)
  write(5000)
  const started = performance.now()
  expect(boundedCall(new System(root), silentChild, 200)).toBeUndefined()
  expect(performance.now() - started).toBeGreaterThan(190)
  // Something is written each time that it is looked, forty times.
  let looks = 0
  class Busy extends System {
    override readText(path: string): string | undefined {
      looks++
      write(Math.max(0, 40 - looks))
      return super.readText(path)
    }
  }
  const again = performance.now()
  expect(boundedCall(new Busy(root), silentChild, 200)).toBeUndefined()
  expect(looks).toBeGreaterThan(40)
  expect(performance.now() - again, 'as long as it goes on, and one patience more').toBeGreaterThan(40 * 10 + 190)
})

test('a process is spared for its @ only when it is root’s through and through', () => {
  const proc = directory()
  const daemon = {
    cmdline: '@sbin/mdmon\0',
    status: 'Name:\tmdmon\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n',
    loginuid: '4294967295',
  }
  const isSpared = (changes: Partial<Record<keyof typeof daemon, string | null>>) => {
    const pid = 812
    rmSync(join(proc, String(pid)), { recursive: true, force: true })
    mkdirSync(join(proc, String(pid)))
    for (const [name, content] of Object.entries({ ...daemon, ...changes }))
      if (content !== null) writeFileSync(join(proc, String(pid), name), content)
    return isStorageDaemon(pid, proc)
  }
  expect(isSpared({})).toBe(true)
  expect(isSpared({ loginuid: null }), 'a kernel without audit').toBe(true)
  expect(isSpared({ loginuid: '0' })).toBe(true)
  expect(isSpared({ cmdline: 'mdmon\0' })).toBe(false)
  // `exec -a @x passwd`: only the effective id is root's.
  expect(isSpared({ status: 'Name:\tpasswd\nUid:\t1000\t0\t0\t0\n' })).toBe(false)
  // `exec -a @x sudo`: sudo makes all of them root's.
  expect(isSpared({ loginuid: '1000' })).toBe(false)
  expect(isSpared({ status: 'Name:\tUid:\\t0\\t0\\t0\\t0\nUid:\t1000\t1000\t1000\t1000\n' })).toBe(false)
  expect(isSpared({ status: null })).toBe(false)
})
