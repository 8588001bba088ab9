import { randomBytes } from 'node:crypto'
import { loadedImages } from '../../state/loaded-image.ts'
import { bootIdOf } from '../../state/record.ts'
import { System } from '../../system/system.ts'
import { arrived, type Present } from './arrive.ts'
import { KexecRecords } from './kexec-records.ts'
import type { KexecRecord } from './record.ts'
import { takeStamp } from './stamp.ts'
import { kernelStart } from './start.ts'

const live = new System()

/** The running machine, unless a test says otherwise. */
interface Where {
  readonly system?: System
  readonly look?: Present['look']
}

/** What a load is, as far as the record of its kexec needs it. */
export type NotedLoad = Pick<KexecRecord, 'trial' | 'to' | 'engine' | 'by'>

/**
 * Writes down a load that just succeeded, so that the kernel it starts can be told where it came from. The caller holds
 * the lock. Never throws.
 * @returns the failure, as a warning; undefined without one
 */
export function noteLoad(load: NotedLoad, { system = live, look }: Where = {}): string | undefined {
  try {
    const { kexecs, number } = settled(system, look)
    const from = { release: system.runningRelease() ?? 'unknown', bootId: bootIdOf(system) ?? 'unknown' }
    const record: KexecRecord = {
      id: randomBytes(8).toString('hex'),
      ...load,
      from,
      number: number === null ? null : number + 1,
      loaded: takeStamp(),
      begun: null,
      left: null,
      arrival: null,
      confirmed: null,
    }
    new KexecRecords(system).write([...kexecs.filter((kexec) => wasTried(kexec, from.bootId)), record])
    return undefined
  } catch (error) {
    return `the kernel is loaded, but \`linux-kexec last\` will not know of it: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Whether a kexec happened, or was tried in an earlier boot. What was only loaded is of no interest any more. */
export function wasTried({ arrival, begun, from }: KexecRecord, bootId: string | undefined): boolean {
  return arrival !== null || (begun !== null && from.bootId !== bootId)
}

/** Forgets a load that is no longer there. Never throws: a kernel that was not loaded is not found running either. */
export function noteUnload(system = live): void {
  change(system, (kexec) => (kexec.arrival === null ? undefined : kexec))
}

/**
 * Notes that a reboot begins: services still run. A kernel that another program has loaded over ours is not ours to tell
 * of. Never throws.
 */
export function noteBegun(system = live): void {
  const begun = takeStamp()
  change(system, (kexec) => (isOurs(system) ? { ...kexec, begun, left: null } : undefined))
}

function isOurs(system: System): boolean {
  return ['ours', 'unconfirmed'].includes(loadedImages({ system }).kernel.state)
}

/** Notes the last moment at which this kernel can write: nothing but the jump is left. Never throws. */
export function noteLeft(system = live): void {
  const left = takeStamp()
  // After `noteBegun` nothing else can be loaded.
  change(system, (kexec) => (kexec.begun !== null || isOurs(system) ? { ...kexec, left } : undefined))
}

/** Notes that a reboot ended, and the kernel still runs. Never throws. */
export function noteAbandoned(system = live): void {
  change(system, (kexec) => ({ ...kexec, begun: null, left: null }))
}

/** Changes the record of the kernel that this boot has loaded, or drops it. */
function change(system: System, step: (kexec: KexecRecord) => KexecRecord | undefined): void {
  try {
    const records = new KexecRecords(system)
    const { kexecs } = records.read()
    const last = kexecs.at(-1)
    if (last === undefined || last.arrival !== null || last.from.bootId !== bootIdOf(system)) return
    const next = step(last)
    records.write([...kexecs.slice(0, -1), ...(next === undefined ? [] : [next])])
  } catch {
    // Read-only, or unmounted already: then `last` knows less, and says so.
  }
}

/** Notes that the trial of the running kernel was confirmed. The caller holds the lock. Never throws. */
export function noteConfirmed(system: System, { look }: Where = {}): void {
  if (!system.isLive && look === undefined) return
  try {
    const { kexecs, running } = settled(system, look)
    if (running === null || running.confirmed !== null) return
    const confirmed = takeStamp()
    new KexecRecords(system).write(kexecs.map((kexec) => (kexec === running ? { ...kexec, confirmed } : kexec)))
  } catch {
    // The trial is confirmed all the same.
  }
}

/** The records, with the arrival of the running kernel. */
export interface Settled {
  readonly kexecs: readonly KexecRecord[]
  /** The one that started the running kernel; null when none is known. */
  readonly running: KexecRecord | null
  /** Kexecs since the machine was started by its firmware; null where that is unknown. */
  readonly number: number | null
}

function settled(system: System, look: Present['look']): Settled {
  const start = kernelStart(system)
  const { kexecs } = new KexecRecords(system).read()
  const found = arrived(kexecs, { system, start, ...(look && { look }) })
  if (!('kexec' in found)) return { kexecs, running: null, number: start.by === 'firmware' ? 0 : null }
  const { kexec } = found
  return { kexecs: replaced(kexecs, kexec), running: kexec, number: kexec.number }
}

/** The records with one of them in a newer state. */
export function replaced(kexecs: readonly KexecRecord[], newer: KexecRecord): readonly KexecRecord[] {
  return kexecs.map((kexec) => (kexec.id === newer.id ? newer : kexec))
}
