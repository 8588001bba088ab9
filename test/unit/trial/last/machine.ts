import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { System } from '../../../../src/system/system.ts'
import type { FirstLook } from '../../../../src/trial/last/arrive.ts'
import { noteLoad } from '../../../../src/trial/last/note.ts'
import type { KexecRecord } from '../../../../src/trial/last/record.ts'
import type { Stamp } from '../../../../src/trial/last/stamp.ts'
import type { Tree } from '../../entries/tree.ts'
import { change, newer, older } from '../machine.ts'

export const FILE = '/var/lib/linux-kexec/kexecs.json'
export const BOOTS = [1, 2, 3, 4].map((number) => `${number}`.repeat(8).concat('-6f0c-4d8e-9a53-0f3c5d0a9b11'))
export const LINE = 'root=/dev/vda1 ro quiet'

/** Ticks in a millisecond of the counter of these machines. */
export const TICKS = 1000

/** A stamp of a kernel whose clock was 0 when the counter was `began`. */
export function stampAt(raw: number, began = 0, changes: Partial<Stamp> = {}): Stamp {
  const at = new Date(Date.UTC(2026, 10, 30, 7) + began / TICKS + raw).toISOString()
  const counter = String(began + raw * TICKS)
  return { counter, window: 10, frequency: null, boottime: raw, raw, at, ...changes }
}

/** What a kernel sees of itself: its init began two seconds after its clock. */
export function firstLook(raw: number, began: number, changes: Partial<FirstLook> = {}): () => FirstLook {
  return () => ({
    stamp: stampAt(raw, began),
    rate: { perMillisecond: TICKS, error: 0.0001 },
    init: { raw: 2000, uncertainty: 0.5, problem: null },
    ...changes,
  })
}

/** A kernel that runs in one of the boots, started by its firmware (GRUB) or by a kexec. */
export function boot(number: number, by: 'grub' | 'kexec', release = by === 'grub' ? older : newer, line = LINE): Tree {
  return {
    '/proc/sys/kernel/osrelease': { text: `${release}\n` },
    '/proc/sys/kernel/bootloader_type': { text: by === 'grub' ? '114\n' : '208\n' },
    '/proc/cmdline': { text: `${by === 'grub' ? 'BOOT_IMAGE=/vmlinuz ' : ''}${line}\n` },
    '/proc/sys/kernel/random/boot_id': { text: `${BOOTS[number]}\n` },
    '/sys/kernel/kexec_loaded': { text: '0\n' },
  }
}

/** A whole record: the first kexec of a machine. */
export function kexecRecord(changes: Partial<KexecRecord> = {}): KexecRecord {
  return {
    id: '0123456789abcdef',
    trial: null,
    from: { release: older, bootId: BOOTS[0] as string },
    to: { kernel: `/boot/vmlinuz-${newer}`, release: newer, version: null, commandLine: LINE },
    engine: 'file',
    by: { uid: 0, loginUid: 1000, sudoUser: 'ana', pid: 77, program: '/usr/bin/linux-kexec' },
    number: 1,
    loaded: stampAt(50_000),
    begun: stampAt(60_000),
    left: stampAt(63_000),
    arrival: null,
    confirmed: null,
    ...changes,
  }
}

/** A load of the newer kernel, by the running one. */
export function load(system: System, look = firstLook(5000, 70_000 * TICKS)): string | undefined {
  const { trial, to, engine, by } = kexecRecord()
  return noteLoad({ trial, to, engine, by }, { system, look })
}

export function write(system: System, kexecs: readonly KexecRecord[]): void {
  mkdirSync(join(system.root, '/var/lib/linux-kexec'), { recursive: true, mode: 0o700 })
  change(system, { [FILE]: { text: JSON.stringify({ schemaVersion: 1, kexecs }) } })
  chmodSync(join(system.root, FILE), 0o600)
}

export function stored(system: System): readonly KexecRecord[] {
  return JSON.parse(readFileSync(join(system.root, FILE), 'utf8')).kexecs
}
