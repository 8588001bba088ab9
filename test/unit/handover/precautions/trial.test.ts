import { describe, expect, test } from 'vitest'
import { KexecError } from '../../../../src/errors.ts'
import { abandonTrial, startTrial } from '../../../../src/handover/precautions/trial.ts'
import type { LoadRecord } from '../../../../src/state/record.ts'
import { writeRecord } from '../../../../src/state/remember.ts'
import { StateDirectory } from '../../../../src/state/state-directory.ts'
import type { System } from '../../../../src/system/system.ts'
import type { TrialRecord } from '../../../../src/trial/model/trial.ts'
import { TrialRecords } from '../../../../src/trial/record/records.ts'
import {
  before,
  during,
  ID,
  machine,
  newer,
  OLD_BOOT,
  startedRecord,
  storedRecord,
  trialRecord,
  watchdogGuard,
} from '../../trial/machine.ts'

const file = {
  path: `/boot/vmlinuz-${newer}`,
  size: 1,
  device: 1,
  inode: 1,
  modifiedAt: 1,
  changedAt: 1,
  sample: 'x',
  sha256: null,
}

/** A machine that holds a kernel which linux-kexec has loaded with this command line. */
function loadedWith(commandLine: string, trial: TrialRecord): System {
  const system = machine({ ...before, '/sys/kernel/kexec_loaded': { text: '1\n' } })
  const record: LoadRecord = {
    ...{ schemaVersion: 1, kind: 'kernel', bootId: OLD_BOOT, loadedAt: '2026-11-30T07:00:01.000Z', version: newer },
    ...{ by: { uid: 0, loginUid: null, sudoUser: null, pid: 1, program: 'linux-kexec' }, packageVersion: null },
    ...{ kernel: file, initrds: [], others: [], overlay: [], commandLine, engine: 'file', flags: 0 },
    origin: { selector: null, entry: null, title: null, source: null },
    ...{ fingerprint: null, fingerprintProblem: 'a test' },
  }
  writeRecord(new StateDirectory(system), record)
  new TrialRecords(system).begin(trial)
  return system
}

const onTrial = trialRecord().target.commandLine

describe('starting', () => {
  test('the trial of the loaded kernel begins, once', () => {
    const system = loadedWith(onTrial, trialRecord())
    expect(startTrial(system)).toBe(`Trial ${ID} begins: confirm the new kernel within 120 s of its start.`)
    expect(storedRecord(system)).toMatchObject({ state: 'started', times: { started: expect.any(String) } })
    expect(startTrial(system)).toBeUndefined()
  })

  test('a kernel that was loaded plainly, or on another trial, begins none', () => {
    for (const commandLine of ['root=/dev/vda1 ro quiet', onTrial.replace(ID, 'fedcba9876543210')]) {
      const system = loadedWith(commandLine, trialRecord())
      expect(startTrial(system)).toBeUndefined()
      expect(storedRecord(system).state).toBe('loaded')
    }
  })

  test('a watchdog that cannot be armed keeps the trial from beginning', () => {
    const guards = { panic: 10, watchdog: watchdogGuard, deadman: false }
    const system = loadedWith(onTrial, trialRecord({ guards }))
    expect(() => startTrial(system)).toThrow(expect.objectContaining({ reason: 'not-found', path: '/dev/watchdog0' }))
    expect(storedRecord(system).state).toBe('loaded')
    // systemd arms its own.
    const byInit = loadedWith(
      onTrial,
      trialRecord({ guards: { ...guards, watchdog: { ...watchdogGuard, armedBy: 'systemd' } } }),
    )
    expect(startTrial(byInit)).toContain('begins')
  })
})

describe('a reboot that does not come', () => {
  test('ends the trial, with the reason', () => {
    const system = loadedWith(onTrial, startedRecord())
    abandonTrial(system, new KexecError('the init system did not begin', { reason: 'handover-failed' }))
    expect(storedRecord(system)).toMatchObject({
      state: 'failed',
      reason: 'The reboot did not start it: the init system did not begin.',
    })
  })

  test('leaves the trial of the running kernel alone', () => {
    const system = machine(during)
    new TrialRecords(system).begin(startedRecord())
    abandonTrial(system, 'an error')
    expect(storedRecord(system).state).toBe('started')
  })
})
