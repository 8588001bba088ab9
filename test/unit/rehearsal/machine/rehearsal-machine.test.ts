import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type RehearsalRequest, runRehearsal } from '../../../../src/rehearsal/machine/rehearsal-machine.ts'
import { architectures } from '../../../../src/vm/machine/architectures.ts'

// In place of QEMU a script: it says on the two ports what a guest would. Machines are in test/vm/rehearse.test.ts.

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-machine-'))
  vi.stubEnv('PATH', `${directory}${delimiter}${process.env['PATH']}`)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true, force: true })
})

const jump = "printf '@old up 6.1\\n@old begin load\\n@old end 0\\n@old begin exec\\n' >&4; sleep 0.5"
const toConsole = (text: string) => `printf '${text}' >&3`
const toPort = (text: string) => `printf '${text}' >&4`

function run(guest: readonly string[], more: Partial<RehearsalRequest> = {}) {
  const pid = join(directory, 'pid')
  const script = ['#!/bin/sh', `echo $$ >${pid}`, ...guest, 'exec sleep 600', '']
  writeFileSync(join(directory, architectures.amd64.emulator.program), script.join('\n'), { mode: 0o755 })
  const record = runRehearsal({
    architecture: architectures.amd64,
    qemu: { accelerator: 'tcg', memory: 64, cpus: 1, extra: [] },
    words: { loading: '@old', between: '@between', loaded: '@new' },
    count: 1,
    timeout: 2 ** 40,
    expect: null,
    runsInitrdInit: false,
    lockdown: null,
    differencesBetween: () => [],
    ...more,
  })
  return { record, pid: () => Number(readFileSync(pid, 'utf8')) }
}

test('a time that is longer than any timer does not end at once', async () => {
  const { record } = run([
    jump,
    toConsole('Linux version 6.2 (x)\\n'),
    'sleep 0.5',
    toPort('@new up 6.2\\n@new done \\n'),
  ])
  expect((await record).outcome).toEqual({ kind: 'passed' })
})

test('a character of the report that comes in two pieces is one', async () => {
  const halves = [toPort('@new command-line a=\\303'), 'sleep 0.5', toPort('\\251 b\\n')]
  const { record } = run([jump, ...halves, toPort('@new up 6.2\\n@new done \\n')])
  expect((await record).report?.commandLine).toBe('a=\u00e9 b')
})

describe('a new kernel that prints and does not come up', () => {
  test.each([
    ['after the last line of the old one', ['kexec_core: Starting new kernel\\n', 'early\\n'], 'boot'],
    ['after an old one that says nothing', ['[    0.000000] Linux version 6.2 (x)\\n'], 'boot'],
    ['the old one alone', ['kexec_core: Starting new kernel\\n'], null],
  ])('%s', async (_name, lines, phase) => {
    const { record } = run([jump, ...lines.map(toConsole)], { timeout: 2000 })
    const { outcome } = await record
    expect(outcome).toEqual(phase === null ? { kind: 'silent', processor: null } : { kind: 'timed-out', phase })
  })
})

describe('a function of the caller that throws ends QEMU, and the rehearsal with its error', () => {
  const error = new Error('of the caller')
  const fail = () => {
    throw error
  }
  test.each<[string, Partial<RehearsalRequest>]>([
    ['at the first phase', { onPhase: fail }],
    ['at a later one', { onPhase: (phase) => phase === 'jump' && fail() }],
    ['at the console', { onConsole: fail }],
  ])('%s', async (_name, more) => {
    const { record, pid } = run([jump, toConsole('x\\n')], more)
    await expect(record).rejects.toBe(error)
    if (_name !== 'at the first phase') expect(() => process.kill(pid(), 0)).toThrow('ESRCH')
  })
})

describe('a kernel that finds no root file system', () => {
  const message = 'VFS: Unable to mount root fs on unknown-block(0,0)'
  const panic = toConsole(`Linux version 6.2 (x)\nKernel panic - not syncing: ${message}\n`)

  test.each([
    ['the new one', [jump, panic], { kind: 'root-not-found', message }],
    ['the one that loads it', [panic], { kind: 'panicked', phase: 'first boot', message }],
  ])('%s', async (_name, guest, outcome) => {
    expect((await run(guest).record).outcome).toEqual(outcome)
  })
})

describe('several kexecs in a row', () => {
  const between = (number: number) =>
    `printf '@between command-line n=${number}\n@between up 6.2\n@between begin load\n@between end 0\n@between begin exec\n' >&4; sleep 0.5`
  const last = toPort('@new up 6.2\n@new done \n')

  test('pass when all of them were made, and the console is that of the last', async () => {
    const lines = [jump, toConsole('Linux version 6.2 (one)\n'), 'sleep 0.5', between(1), between(2)]
    const { record } = run([...lines, toConsole('Linux version 6.2 (last)\n'), 'sleep 0.5', last], { count: 3 })
    const { outcome, kexec, console: text, phases } = await record
    expect({ outcome, kexec }).toEqual({ outcome: { kind: 'passed' }, kexec: 3 })
    expect(text).toBe('Linux version 6.2 (last)\n')
    expect(Object.keys(phases).sort()).toEqual(['boot', 'first boot', 'jump', 'load', 'run'])
  })

  test('name the one that panicked', async () => {
    const panic = toConsole('Linux version 6.2 (x)\nKernel panic - not syncing: second\n')
    const { record } = run([jump, between(1), panic], { count: 3 })
    const phase = 'boot'
    expect(await record).toMatchObject({ kexec: 2, outcome: { kind: 'panicked', phase, message: 'second' } })
  })

  test('end at the first kernel that is not as planned', async () => {
    const differencesBetween = ({ commandLine }: { commandLine: string }) => (commandLine === 'n=2' ? ['it'] : [])
    const { record } = run([jump, between(1), between(2), between(3)], { count: 9, differencesBetween })
    expect(await record).toMatchObject({ kexec: 2, outcome: { kind: 'not-as-planned', differences: ['it'] } })
  })

  test('end at the first kernel that reported a fault, though it made the next jump', async () => {
    const fault = toConsole('Linux version 6.2 (x)\nBUG: scheduling while atomic\n')
    const { record } = run([jump, fault, 'sleep 0.5', between(1), last], { count: 2 })
    expect(await record).toMatchObject({
      kexec: 1,
      outcome: { kind: 'oopsed', message: 'BUG: scheduling while atomic' },
    })
  })

  test('end where a kernel between does not load the next', async () => {
    const error = '{"error":{"reason":"no-memory","message":"too little"}}'
    const fails = `printf '@between up 6.2\n@between begin load\n${error}\n@between end 1\n' >&4`
    const { record } = run([jump, fails], { count: 2 })
    const outcome = { kind: 'not-loaded', error: { reason: 'no-memory', message: 'too little' } }
    expect(await record).toMatchObject({ kexec: 1, outcome })
  })
})

describe('a lockdown that was asked for', () => {
  const up = (levels: string) => [`printf '@old lockdown ${levels}\n' >&4`, jump]
  const passes = toPort('@new lockdown [none] integrity confidentiality\n@new up 6.2\n@new done \n')

  test.each([
    ['none [integrity] confidentiality', 'passed'],
    ['[none] integrity confidentiality', 'not-loaded'],
    ['none integrity [confidentiality]', 'not-loaded'],
    ['', 'not-loaded'],
  ])('and %j: %s', async (levels, kind) => {
    const { record } = run([...up(levels), passes], { lockdown: 'integrity' })
    const { outcome, report } = await record
    expect(outcome.kind).toBe(kind)
    if (kind === 'passed') expect(report?.lockdown).toBe('none')
    else expect(outcome).toMatchObject({ error: { message: expect.stringContaining('lockdown=integrity') } })
  })
})

describe("the initrd's own init", () => {
  const begun = [jump, toConsole('Linux version 6.2 (x)\n'), toPort('@new up 6.2\n')]

  test('passes when it has started a program of the root file system', async () => {
    const { record } = run([...begun, toPort('@new root /usr/lib/systemd/systemd\n@new done \n')], {
      runsInitrdInit: true,
    })
    expect(await record).toMatchObject({ outcome: { kind: 'passed' }, report: { root: '/usr/lib/systemd/systemd' } })
  })

  test('that cannot be started fails in the words of the kernel', async () => {
    const { record } = run([...begun, toPort('@new no-init 8\n')], { runsInitrdInit: true })
    const message = 'Failed to execute the init of the initrd (error -8)'
    expect((await record).outcome).toEqual({ kind: 'init-failed', message })
  })

  test.each([
    [true, 'root-not-found'],
    [false, 'timed-out'],
  ])('gives up: %s', async (runsInitrdInit, kind) => {
    const alert = 'ALERT!  /dev/vda1 does not exist.  Dropping to a shell!\n'
    const { record } = run([...begun, toConsole(alert)], { runsInitrdInit, timeout: 6000 })
    const { outcome } = await record
    expect(outcome.kind).toBe(kind)
    if (runsInitrdInit) expect(outcome).toHaveProperty('message', alert.trim())
  })

  test('gives up and resets the machine, as with panic= on the command line', async () => {
    const lines = [
      'Gave up waiting for root file system device.',
      'Rebooting automatically due to panic= boot argument',
    ]
    const { record } = run([...begun, toConsole(`${lines.join('\n')}\n`), 'exit 0'], { runsInitrdInit: true })
    expect((await record).outcome).toEqual({ kind: 'root-not-found', message: lines[0] })
  })
})

describe('QEMU', () => {
  test.each([
    ['Could not access KVM kernel module: Permission denied', 'accelerator-unusable'],
    ['qemu-system-x86_64: invalid accelerator kvm', 'accelerator-unusable'],
    ['qemu-system-x86_64: -m 5: cannot allocate memory', 'qemu-died'],
  ])('that says %j: %s', async (words, kind) => {
    const { record } = run([`echo "${words}" >&2`, 'exit 1'])
    expect((await record).outcome).toMatchObject({ kind, message: words })
  })

  test('that shows nothing under KVM', async () => {
    // No guest can take the time of this phase from a test: 300 seconds at least.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const { record } = run([], { qemu: { accelerator: 'kvm', memory: 64, cpus: 1, extra: [] }, timeout: 1000 })
      await vi.advanceTimersByTimeAsync(300_000)
      expect((await record).outcome).toMatchObject({ kind: 'accelerator-unusable' })
    } finally {
      vi.useRealTimers()
    }
  })

  test('has read its files when its monitor answers, not when it greets', async () => {
    let started = 0
    const onStarted = async () => {
      started += 1
    }
    const { record } = run(['printf \'{"return": {}}\\n\' >&5', jump, toPort('@new up 6.2\n@new done \n')], {
      onStarted,
    })
    await record
    expect(started).toBe(1)
  })
})

describe('a guest that prints for ever', () => {
  test.each([
    ['in lines', 'yes 0123456789012345678901234567890123456789012345678901234567890123456789'],
    ['without an end of line', "tr '\\0' x </dev/zero"],
  ])('%s leaves little: of 100 MB, the last few, and memory stays', async (_name, command) => {
    const before = process.memoryUsage().rss
    let most = 0
    const flood = `${command} | head -c 100000000 >&3`
    const { record } = run([jump, toConsole('Linux version 6.2 (x)\n'), flood, toConsole('\nthe end'), 'exit 0'], {
      onConsole: () => {
        most = Math.max(most, process.memoryUsage().rss)
      },
      expect: 'never printed',
      runsInitrdInit: true,
    })
    const { outcome, console: text } = await record
    expect(outcome.kind).toBe('qemu-died')
    expect(text.length).toBeLessThan(5_000_000)
    expect(text.endsWith('the end')).toBe(true)
    expect(most - before).toBeLessThan(300 * 1024 * 1024)
  })
})
