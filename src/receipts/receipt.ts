import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { posix } from 'node:path'
import type { ByteSource } from '../bytes/bytes.ts'
import { StateDirectory } from '../state/state-directory.ts'
import type { System } from '../system/system.ts'
import { trialPlace } from '../trial/record/place.ts'

/** What a receipt stands for: all of it must be the same for a load that goes by it. */
export interface RehearsedPlan {
  /** SHA-256, in hex, of the bytes that the kernel gets. */
  readonly kernelSha256: string
  /** Null without an initrd. */
  readonly initrdSha256: string | null
  readonly commandLine: string
  readonly engine: 'file' | 'segments'
  readonly fast: boolean
}

/** The proof of a rehearsal that was passed. */
export interface Receipt extends RehearsedPlan {
  readonly schemaVersion: 1
  /** When it ended, ISO 8601 in UTC. */
  readonly at: string
  /** The file of the kernel, and its release. */
  readonly kernel: string
  readonly release: string | null
  /** The kernel that loaded it. */
  readonly from: { readonly path: string; readonly sha256: string }
  readonly accelerator: 'kvm' | 'tcg'
  /** What counted as success: a command, a text on the console, the initrd's own init, or none of these. */
  readonly init: string | null
  readonly expect: string | null
  readonly withInitrdInit: boolean
  /** Kexecs in a row. */
  readonly count: number
  /** Of the loading kernel. */
  readonly lockdown: 'integrity' | 'confidentiality' | null
  /** Milliseconds in each phase. */
  readonly phases: Readonly<Record<string, number>>
  readonly tools: { readonly linuxKexec: string; readonly node: string; readonly qemu: string }
}

/** What was found for a plan; `problem` where a receipt is there and cannot be trusted. */
export type FoundReceipt = { readonly receipt: Receipt } | { readonly absent: true } | { readonly problem: string }

const CHUNK = 4 * 1024 * 1024

export function sha256Of(source: ByteSource): string {
  const hash = createHash('sha256')
  for (let at = 0; at < source.size; at += CHUNK) hash.update(source.read(at, Math.min(CHUNK, source.size - at)))
  return hash.digest('hex')
}

/**
 * The receipts of this user: in $XDG_STATE_HOME where it is set, else those of root beside the records of trials, and others' in
 * ~/.local/state.
 */
export class Receipts {
  readonly #directory: StateDirectory | string

  constructor(system: System) {
    const path = receiptPath(system)
    this.#directory = 'problem' in path ? path.problem : new StateDirectory(system, path.path)
  }

  /** Never throws. */
  find(plan: RehearsedPlan): FoundReceipt {
    if (typeof this.#directory === 'string') return { problem: this.#directory }
    const found = this.#directory.read(nameOf(plan))
    if (!('text' in found)) return found
    const receipt = parseReceipt(found.text)
    if (receipt === null) return { problem: `${this.#directory.pathOf(nameOf(plan))} is damaged` }
    return isSame(receipt, plan)
      ? { receipt }
      : { problem: `${this.#directory.pathOf(nameOf(plan))} is of another plan` }
  }

  /** @returns the path of the file @throws Node's error, or one that names the directory's fault */
  write(receipt: Receipt): string {
    if (typeof this.#directory === 'string') throw new Error(this.#directory)
    const name = nameOf(receipt)
    this.#directory.write(name, `${JSON.stringify(receipt, null, 2)}\n`)
    return this.#directory.pathOf(name)
  }
}

function receiptPath(system: System): { readonly path: string } | { readonly problem: string } {
  const named = process.env['XDG_STATE_HOME']
  const isNamed = named?.startsWith('/') === true
  if (!isNamed && process.geteuid?.() === 0) {
    const place = trialPlace(system)
    return 'problem' in place ? place : { path: `${place.path}/rehearsals` }
  }
  const base = isNamed ? named : posix.join(homedir(), '.local/state')
  return { path: posix.join(base, 'linux-kexec/rehearsals') }
}

function nameOf({ kernelSha256, initrdSha256, commandLine, engine, fast }: RehearsedPlan): string {
  const text = JSON.stringify([kernelSha256, initrdSha256, commandLine, engine, fast])
  return `${createHash('sha256').update(text).digest('hex').slice(0, 32)}.json`
}

function isSame(one: RehearsedPlan, other: RehearsedPlan): boolean {
  return (
    one.kernelSha256 === other.kernelSha256 &&
    one.initrdSha256 === other.initrdSha256 &&
    one.commandLine === other.commandLine &&
    one.engine === other.engine &&
    one.fast === other.fast
  )
}

/** Null for what is not a whole receipt of this version. */
function parseReceipt(text: string): Receipt | null {
  try {
    const read = JSON.parse(text) as Partial<Receipt> | null
    const isWhole =
      read !== null &&
      read.schemaVersion === 1 &&
      typeof read.kernelSha256 === 'string' &&
      (read.initrdSha256 === null || typeof read.initrdSha256 === 'string') &&
      typeof read.commandLine === 'string' &&
      (read.engine === 'file' || read.engine === 'segments') &&
      typeof read.fast === 'boolean' &&
      typeof read.at === 'string' &&
      !Number.isNaN(Date.parse(read.at))
    return isWhole ? (read as Receipt) : null
  } catch {
    return null
  }
}
