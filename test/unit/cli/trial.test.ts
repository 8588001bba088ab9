import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { advance } from '../../../src/trial/record/advance.ts'
import { TrialRecords } from '../../../src/trial/record/records.ts'
import {
  after,
  before,
  change,
  during,
  ID,
  machine,
  newer,
  RECORD,
  recorded,
  startedRecord,
  trialRecord,
} from '../trial/machine.ts'
import { cli, json } from './cli.ts'

const onTrial = (record = startedRecord()) => recorded(record, during)

test('status: 4 without a trial, 0 with one, 1 when its record cannot be trusted', async () => {
  expect(await cli(['trial', '--root', machine(before).root])).toMatchObject({ status: 4, stdout: 'trial  none\n' })
  const { status, stdout } = await cli(['trial', 'status', '--root', onTrial().root])
  expect(status).toBe(0)
  expect(stdout).toMatch(/^trial +running, not confirmed; 100 s left$/m)
  expect(stdout).toMatch(new RegExp(`^ {2}id +${ID}$`, 'm'))
  expect(stdout).toMatch(/^ {2}guards +panic=10$/m)
  const damaged = machine(during, { [RECORD]: { text: '{' } })
  expect(await json(['trial', '--root', damaged.root])).toMatchObject({
    status: 1,
    document: { outcome: 'unreadable', runningTrial: ID },
  })
  expect(await cli(['trial', '--root', machine(during).root])).toMatchObject({ status: 1 })
})

test('status: each outcome in words, the differences and the last messages', async () => {
  const system = onTrial()
  change(system, { '/proc/sys/kernel/osrelease': { text: '6.1.0\n' } })
  expect((await cli(['trial', '--root', system.root])).stdout).toContain(
    `warning: The running system is not the one of the trial: /proc/sys/kernel/osrelease is 6.1.0 instead of ${newer}.`,
  )
  change(system, {
    ...after,
    '/sys/fs/pstore/dmesg-ramoops-0': { text: 'Panic#1 Part1\n<0>Kernel panic \u001b[31m\n' },
  })
  const back = await cli(['trial', '--root', system.root])
  expect(back.stdout).toContain('taken back: its kernel was started and not confirmed')
  expect(back.stdout).toContain('/sys/fs/pstore/dmesg-ramoops-0:\n  <0>Kernel panic \\x1b[31m\n')
  const run = '<6>[    1.702193] Run /linux-kexec-deadman as init process'
  const own = `<5>[    0.000000] Kernel command line: linux_kexec.trial=${ID}`
  change(system, { '/sys/fs/pstore/dmesg-ramoops-0': { text: `Panic#1 Part1\n${own}\n${run}\n` } })
  const { stdout } = await cli(['trial', '--root', system.root])
  expect(stdout).toContain('taken back, and not confirmed: its kernel and its init ran\n')
  expect(stdout).toContain(`${run} (/sys/fs/pstore/dmesg-ramoops-0)\n`)
  const failed = onTrial(advance(startedRecord(), 'failed', { reason: 'The check net failed.' }))
  expect((await cli(['trial', '--root', failed.root])).stdout).toMatch(
    /failed; its kernel is still running[\s\S]*because +The check net failed\./,
  )
  const loaded = machine(before)
  new TrialRecords(loaded).begin(trialRecord())
  expect((await cli(['trial', '--root', loaded.root])).stdout).toContain('its kernel was unloaded')
})

test('a wrong call is refused, and nothing is confirmed on another machine than this', async () => {
  for (const args of [
    ['trial', 'confrim'],
    ['trial', 'confirm', 'now'],
    ['trial', 'confirm', '--check-timeout', 'soon'],
    ['trial', 'confirm', '--check-timeout', '0'],
    ['trial', 'status', '--check-timeout', '5'],
    ['trial', 'confirm', '--root', '/'],
    ['trial', 'cancel', '--root', '/'],
  ])
    expect((await cli(args)).status, args.join(' ')).toBe(2)
})

test.skipIf(existsSync(RECORD) || process.geteuid?.() !== 0)(
  'confirm and cancel say with status 4 that this machine has no trial',
  async () => {
    for (const action of ['confirm', 'cancel'])
      expect(await json(['trial', action])).toMatchObject({ status: 4, document: { error: { reason: 'no-trial' } } })
    expect(existsSync(RECORD)).toBe(false)
  },
)
