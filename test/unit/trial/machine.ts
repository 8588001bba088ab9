import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { System } from '../../../src/system/system.ts'
import type { TrialRecord, WatchdogGuard } from '../../../src/trial/model/trial.ts'
import { TrialRecords } from '../../../src/trial/record/records.ts'
import { makeTree, type Tree } from '../entries/tree.ts'

export const ID = '0123456789abcdef'
export const OLD_BOOT = '3b5f6c1e-6f0c-4d8e-9a53-0f3c5d0a9b11'
export const NEW_BOOT = '8f14e45f-ceea-467f-a0d5-0e1d3f2b4c6a'
export const older = '6.1.0-50-cloud-amd64'
export const newer = '6.12.107+deb12-cloud-amd64'

const commandLine = `root=/dev/vda1 ro quiet panic=10 linux_kexec.trial=${ID}`

/** The record of a trial that Debian's newer kernel is on, loaded by its older one. */
export function trialRecord(changes: Partial<TrialRecord> = {}): TrialRecord {
  return {
    schemaVersion: 1,
    id: ID,
    state: 'loaded',
    times: { planned: '2026-11-30T07:00:00.000Z', loaded: '2026-11-30T07:00:01.000Z' },
    reason: null,
    deadline: 120_000,
    guards: { panic: 10, watchdog: null, deadman: false },
    target: { kernel: `/boot/vmlinuz-${newer}`, release: newer, commandLine, initrdSha256: null },
    rollback: null,
    from: { release: older, bootId: OLD_BOOT },
    ...changes,
  }
}

/** As `trialRecord`, started. */
export function startedRecord(changes: Partial<TrialRecord> = {}): TrialRecord {
  const { times } = trialRecord()
  return trialRecord({ state: 'started', times: { ...times, started: '2026-11-30T07:01:00.000Z' }, ...changes })
}

function procOf(release: string, line: string, bootId: string, uptime: string): Tree {
  return {
    '/proc/sys/kernel/osrelease': { text: `${release}\n` },
    '/proc/cmdline': { text: `${line}\n` },
    '/proc/sys/kernel/random/boot_id': { text: `${bootId}\n` },
    '/proc/uptime': { text: `${uptime} 100.00\n` },
    '/sys/kernel/kexec_loaded': { text: '0\n' },
  }
}

/** The kernel that loads the trial runs. */
export const before = procOf(older, 'BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro quiet', OLD_BOOT, '5000.00')
/** The kernel on trial runs, for 20 seconds. */
export const during = procOf(newer, commandLine, NEW_BOOT, '20.00')
/** The firmware has started the old kernel again. */
export const after = procOf(older, 'BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro quiet', NEW_BOOT, '30.00')

export function machine(...trees: readonly Tree[]): System {
  return new System(makeTree(Object.assign({}, ...trees)))
}

/** Changes files, as another kernel would show them. */
export function change(system: System, tree: Tree): void {
  for (const [path, content] of Object.entries(tree)) {
    const host = join(system.root, path)
    mkdirSync(dirname(host), { recursive: true })
    writeFileSync(host, (content as { readonly text: string }).text)
  }
}

/** The guard that a watchdog is. */
export const watchdogGuard: WatchdogGuard = {
  name: 'watchdog0',
  driver: 'i6300esb',
  timeout: 60,
  latest: 60,
  armedBy: 'linux-kexec',
  until: 'confirmation',
}

/** A machine whose older kernel has recorded a trial; then its files are changed. */
export function recorded(record: TrialRecord, ...trees: readonly Tree[]): System {
  const system = machine(before)
  new TrialRecords(system).begin(record)
  change(system, Object.assign({}, ...trees))
  return system
}

export const RECORD = '/var/lib/linux-kexec/trial.json'

export function storedRecord(system: System, path = RECORD): TrialRecord {
  return JSON.parse(readFileSync(join(system.root, path), 'utf8')) as TrialRecord
}
