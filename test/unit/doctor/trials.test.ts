import { chmodSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type DoctorCheck, diagnose } from '../../../src/index.ts'
import type { TrialRecord } from '../../../src/trial/model/trial.ts'
import type { Tree } from '../entries/tree.ts'
import { makeMachine, newer } from '../plan/debian.ts'
import { ID, NEW_BOOT, OLD_BOOT, RECORD, startedRecord, trialRecord } from '../trial/machine.ts'
import { changed, healthy, watchdog } from './healthy.ts'

const text = (path: string, content: string): Tree => ({ [path]: { text: content } })
const bootId = (id: string) => text('/proc/sys/kernel/random/boot_id', `${id}\n`)
const recorded = (record: TrialRecord): Tree => text(RECORD, JSON.stringify(record))

/** One check of a machine whose record only its owner may read. */
async function check(id: string, tree: Tree): Promise<DoctorCheck> {
  const root = makeMachine(tree)
  if (RECORD in tree) {
    chmodSync(join(root, dirname(RECORD)), 0o700)
    chmodSync(join(root, RECORD), 0o600)
  }
  const found = (await diagnose({ root })).checks.find((each) => each.id === id)
  if (found === undefined) throw new Error(`there is no check ${id}`)
  return found
}

/** The kernel of a trial, 20 seconds after its start. */
const running: Tree = {
  ...text('/proc/cmdline', `${trialRecord().target.commandLine}\n`),
  ...text('/proc/sys/kernel/osrelease', `${newer}\n`),
  ...text('/proc/uptime', '20.00 1.00\n'),
  ...bootId(NEW_BOOT),
}
const ended = (state: TrialRecord['state'], more: Partial<TrialRecord> = {}): TrialRecord =>
  startedRecord({ state, times: { ...startedRecord().times, [state]: '2026-11-30T07:02:00.000Z' }, ...more })

describe('the last trial', () => {
  const told = async (...trees: readonly Tree[]) => {
    const { status, summary, remedy } = await check('trial', changed(...trees))
    if (status === 'warning') expect(remedy, summary).toBeTruthy()
    expect(summary).toMatch(/^[A-Z].*[^.]\.$/)
    return [status, summary]
  }

  test('is none, or goes on', async () => {
    expect(await told()).toEqual(['ok', 'No kernel was on trial yet.'])
    const held = text('/sys/kernel/kexec_loaded', '1\n')
    const loaded = recorded(trialRecord())
    expect(await told(loaded, bootId(OLD_BOOT), held)).toEqual(['ok', `The loaded kernel is on trial ${ID}.`])
    expect(await told(loaded, bootId(OLD_BOOT))).toEqual(['ok', `The kernel of trial ${ID} was unloaded.`])
    expect(await told(recorded(startedRecord()), bootId(OLD_BOOT), held)).toEqual([
      'ok',
      `The reboot into trial ${ID} has begun.`,
    ])
    expect((await told(recorded(ended('cancelled')), bootId(OLD_BOOT)))[0]).toBe('ok')
    expect((await told(recorded(ended('confirmed')), running))[0]).toBe('ok')
  })

  test('runs, and is confirmed in time or not at all', async () => {
    expect(await told(recorded(startedRecord()), running)).toEqual([
      'warning',
      `The running kernel is on trial ${ID}: the machine is reset unless it is confirmed within 100 s.`,
    ])
    const other = text('/proc/sys/kernel/osrelease', '6.1.0\n')
    const { detail } = await check('trial', changed(recorded(startedRecord()), running, other))
    expect(detail).toEqual(['It cannot be confirmed: the running system is not the one of its record.'])
    const late = text('/proc/uptime', '500.00 1.00\n')
    expect(await told(recorded(startedRecord()), running, late)).toEqual([
      'warning',
      `The trial ${ID} of the running kernel expired, and its kernel is still running.`,
    ])
    expect((await told(running))[1]).toContain('there is no record of it')
  })

  test('did not pass: which kernel, how far it came, and where its last messages are', async () => {
    const kernel = `/boot/vmlinuz-${newer}`
    const said = text('/sys/fs/pstore/dmesg-ramoops-0', 'Panic#1 Part1\n<0>Kernel panic\n')
    const started = await check('trial', changed(recorded(startedRecord()), bootId(NEW_BOOT), said))
    expect(started).toMatchObject({ status: 'warning', remedy: expect.stringContaining('linux-kexec trial') })
    expect(started.summary).toMatch(
      new RegExp(
        `^The trial of ${kernel.replaceAll('+', '\\+')} at .* did not pass: it was started, and the machine was reset before`,
      ),
    )
    expect(started.detail).toEqual([
      `Its id is ${ID}.`,
      'The last messages of its kernel are in /sys/fs/pstore/dmesg-ramoops-0.',
    ])
    expect((await told(recorded(trialRecord()), bootId(NEW_BOOT)))[1]).toContain('a start of it was not recorded')
    const failed = recorded(ended('failed', { reason: 'The check 20-network failed with status 3.' }))
    expect((await told(failed, bootId(NEW_BOOT)))[1]).toMatch(
      /did not pass: The check 20-network failed with status 3\.$/,
    )
    expect((await told(failed, running))[1]).toMatch(/^The trial .* of the running kernel failed: The check/)
    expect((await told(recorded(ended('expired')), bootId(NEW_BOOT)))[1]).toContain('not confirmed in time')
  })

  test('that did not pass is of the past where its kernel runs, started by the firmware', async () => {
    const release = text('/proc/sys/kernel/osrelease', `${newer}\n`)
    const told1 = await told(recorded(startedRecord()), bootId(NEW_BOOT), release)
    expect(told1).toEqual(['ok', `The kernel of the last trial, ${ID}, runs now; it was not started on trial.`])
    const { target } = startedRecord()
    const built = startedRecord({ target: { ...target, buildId: 'aa' } })
    expect((await told(recorded(built), bootId(NEW_BOOT), release))[0], 'another build').toBe('warning')
    // A trial of other parameters: after the reset the same kernel runs, without them.
    const same = recorded(startedRecord({ from: { release: newer, bootId: OLD_BOOT } }))
    expect((await told(same, bootId(NEW_BOOT), release))[0], 'the same kernel').toBe('warning')
    const held = text('/sys/kernel/kexec_loaded', '1\n')
    expect((await told(same, bootId(OLD_BOOT), release, held))[1]).toBe(`The reboot into trial ${ID} has begun.`)
  })

  test('whose record cannot be trusted', async () => {
    const root = process.geteuid?.() === 0
    const [status, summary] = await told({ ...recorded(trialRecord()), ...text(RECORD, '{') })
    expect([status, summary]).toEqual([
      root ? 'warning' : 'unknown',
      expect.stringMatching(/^Whether a kernel is or was on trial is unknown: /),
    ])
  })
})

describe('the place of the records', () => {
  const told = async (...trees: readonly Tree[]) => {
    const { status, summary } = await check('trial-records', changed(...trees))
    return [status, summary]
  }
  const mounts = (...lines: readonly string[]) =>
    text('/proc/self/mountinfo', ['22 1 254:1 / / rw - ext4 /dev/vda1 rw', ...lines, ''].join('\n'))

  test('outlives a reset, or lies in memory', async () => {
    expect(await told()).toEqual(['ok', 'Trials are recorded in /var/lib/linux-kexec.'])
    const inMemory = mounts('31 22 0:40 / /var rw - tmpfs tmpfs rw')
    expect(await told(inMemory)).toEqual([
      'warning',
      'The records of trials do not outlive a reset: /var/lib/linux-kexec lies in memory (/var tmpfs).',
    ])
    const own = '32 31 254:2 / /var/lib/linux-kexec rw - ext4 /dev/vdb rw'
    expect((await told(mounts('31 22 0:40 / /var rw - tmpfs tmpfs rw', own)))[0]).toBe('ok')
    expect((await told(inMemory, text('/etc/linux-kexec/state-directory', '/data/trials\n')))[0]).toBe('ok')
    const linked = { '/var': { link: '/run/var' }, '/run/var': 'directory' } as const
    expect((await told(mounts('31 22 0:40 / /run rw - tmpfs tmpfs rw'), linked))[0]).toBe('warning')
  })

  test('can be written, and is named as it must be', async () => {
    expect((await told(mounts('31 22 254:3 / /var ro - squashfs /dev/vda3 ro')))[1]).toMatch(
      /^No trial can be recorded/,
    )
    const wrong = text('/etc/linux-kexec/state-directory', 'data\n')
    expect((await told(wrong))[1]).toMatch(/^Where the records of trials lie is unknown: /)
    expect((await told({ '/proc/self/mountinfo': 'directory' }))[0]).toBe('unknown')
  })
})

describe('what would bring the machine back', () => {
  test('a watchdog, or none, and a program in the initrd', async () => {
    expect(await check('trial-guards', healthy)).toMatchObject({
      status: 'ok',
      summary: expect.stringMatching(/^Only --trial=best-effort: watchdog0 would be no guard/),
    })
    const none = Object.fromEntries(Object.entries(healthy).filter(([path]) => !path.startsWith('/sys/class/watchdog')))
    expect(await check('trial-guards', none)).toMatchObject({
      status: 'ok',
      summary: expect.stringMatching(/^Only --trial=best-effort: no watchdog/),
      detail: [
        'A program in the initrd would end a trial at its deadline.',
        'The last messages of its kernel would not be kept: the running kernel has no memory for ramoops.',
      ],
    })
    const usable: Tree = {
      ...watchdog('inactive'),
      '/sys/class/watchdog/watchdog0/max_timeout': { text: '2046\n' },
      '/sys/class/watchdog/watchdog0/min_timeout': { text: '1\n' },
      '/sys/class/watchdog/watchdog0/device/driver/module': { link: '/sys/module/i6300esb' },
      '/sys/module/i6300esb': 'directory',
      '/sys/module/watchdog/parameters/stop_on_reboot': { text: '0\n' },
      [`/usr/lib/modules/${newer}/modules.dep`]: { text: 'kernel/drivers/watchdog/i6300esb.ko:\n' },
      [`/usr/lib/modules/${newer}/modules.builtin`]: { text: 'kernel/fs/ext4/ext4.ko\n' },
    }
    expect((await check('trial-guards', changed(usable))).summary).toMatch(/^watchdog0 would guard a trial: /)
  })
})

describe('efibc', () => {
  const oneShot = (entry: string): Tree => ({
    '/sys/firmware/efi/efivars/LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f': {
      file: Buffer.concat([Buffer.alloc(4), Buffer.from(`${entry}\0`, 'utf16le')]),
    },
  })
  const efi: Tree = { '/sys/module/efibc': 'directory' }

  test('is shown where it is active, and warns where it overwrites a choice', async () => {
    await expect(check('efibc', healthy)).rejects.toThrow('there is no check')
    const bios = Object.fromEntries(Object.entries(changed(efi)).filter(([path]) => !path.startsWith('/sys/firmware')))
    await expect(check('efibc', bios)).rejects.toThrow('there is no check')
    const quiet = await check('efibc', changed(efi))
    expect(quiet).toMatchObject({ status: 'ok', summary: expect.stringContaining("writes 'kexec reboot'") })
    expect((await check('efibc', changed(efi, oneShot('kexec reboot')))).status).toBe('ok')
    expect(await check('efibc', changed(efi, oneShot('debian.conf')))).toMatchObject({
      status: 'warning',
      summary: expect.stringContaining("'debian.conf'"),
      remedy: expect.stringContaining('modprobe -r efibc'),
    })
  })
})
