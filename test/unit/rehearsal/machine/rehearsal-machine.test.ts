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
    words: { loading: '@old', loaded: '@new' },
    timeout: 2 ** 40,
    expect: null,
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
    expect(outcome).toEqual(phase === null ? { kind: 'silent' } : { kind: 'timed-out', phase })
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
