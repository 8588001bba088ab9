import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bisectStatus, bisectStatusOfError } from '../../../../src/cli/reports/bisect-status.ts'
import { KexecError } from '../../../../src/index.ts'
import type { RehearsalOutcome } from '../../../../src/rehearsal/model/rehearsal.ts'
import { debian, makeMachine, newer } from '../../plan/debian.ts'
import { cli } from '../cli.ts'

const message = 'words'
const refused = (reason: string): RehearsalOutcome => ({ kind: 'refused', error: { reason, message } })

test.each<[number, RehearsalOutcome]>([
  [0, { kind: 'passed' }],
  [1, { kind: 'failed', status: 1 }],
  [1, { kind: 'failed', status: 42 }],
  [1, { kind: 'failed', status: 139 }],
  [125, { kind: 'failed', status: 125 }],
  [125, { kind: 'failed', status: 126 }],
  [125, { kind: 'failed', status: 127 }],
  [1, { kind: 'oopsed', message }],
  [1, { kind: 'not-as-planned', differences: [] }],
  [1, { kind: 'panicked', phase: 'boot', message }],
  [125, { kind: 'panicked', phase: 'first boot', message }],
  [1, { kind: 'root-not-found', message }],
  [1, { kind: 'init-failed', message }],
  [1, { kind: 'hung', phase: 'run', after: '' }],
  [125, { kind: 'hung', phase: 'load', after: '' }],
  [1, { kind: 'silent', processor: null }],
  [125, { kind: 'timed-out', phase: 'boot' }],
  [1, { kind: 'rebooted', phase: 'jump' }],
  [125, { kind: 'powered-off', phase: 'load' }],
  [125, refused('not-a-kernel')],
  [128, refused('no-command-line')],
  [125, { kind: 'not-loaded', error: { reason: 'io', message } }],
  [125, { kind: 'qemu-died', status: 1, message }],
])('%i for %j', (status, outcome) => expect(bisectStatus(outcome)).toBe(status))

test('an error skips the commit where another may fare better, and else ends the bisection', () => {
  const error = (reason: 'not-found' | 'truncated-kernel' | 'unsupported-platform' | 'aborted' | 'io') =>
    bisectStatusOfError(new KexecError(message, { reason }))
  expect(['not-found', 'truncated-kernel'].map((reason) => error(reason as 'not-found'))).toEqual([125, 125])
  expect([error('unsupported-platform'), error('aborted'), error('io')]).toEqual([128, 128, 128])
  expect(bisectStatusOfError(new TypeError('a fault of our own'))).toBe(128)
})

describe('the command', () => {
  test('a call that is wrong ends it, a kernel that is none or absent is skipped', async () => {
    const root = makeMachine({ ...debian, '/tmp/none': { text: 'no kernel' } })
    const from = ['--from', join(root, `boot/vmlinuz-${newer}`), '--bisect']
    const plain = ['--no-initrd', '--command-line', 'console=ttyS0']
    const statuses = await Promise.all(
      [
        ['--no-such-option', ...from],
        [join(root, 'tmp/none'), ...plain, ...from],
        [join(root, 'tmp/absent'), ...plain, ...from],
        [join(root, `boot/vmlinuz-${newer}`), '--no-initrd', ...from],
      ].map(async (words) => (await cli(['rehearse', ...words])).status),
    )
    expect(statuses).toEqual([128, 125, 125, 128])
  })
})

test('git takes the statuses so', () => {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-bisect-'))
  const git = (...words: string[]) => spawnSync('git', words, { cwd: directory, encoding: 'utf8' })
  try {
    git('init', '-q')
    const author = ['-c', 'user.name=test', '-c', 'user.email=test@localhost']
    const commits = ['0', '0', '125', '1', '1'].map((status) => {
      execFileSync('sh', ['-c', `echo ${status} >status; git add status`], { cwd: directory })
      git(...author, 'commit', '-q', '--allow-empty', '-m', status)
      return git('rev-parse', 'HEAD').stdout.trim()
    })
    const run = (script: string) => {
      git('bisect', 'start', 'HEAD', commits[0] as string)
      const { stdout, stderr } = git('bisect', 'run', 'sh', '-c', script)
      git('bisect', 'reset')
      return stdout + stderr
    }
    // It cannot choose between the skipped commit and the one after it, and marks neither.
    expect(run('exit $(cat status)')).toMatch(/only 'skip'ped commits left to test/)
    expect(run('exit 128')).toMatch(/exit code 128 .*(?:< 0 or >= 128|is negative)/)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
