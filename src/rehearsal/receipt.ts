import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { throwIfAborted } from '../abort.ts'
import type { LoadPlan } from '../plan/load-plan.ts'
import { type Receipt, Receipts } from '../receipts/receipt.ts'
import { System } from '../system/system.ts'
import type { LoadingKernel } from './guest/loading-kernel.ts'
import type { ToolVersions } from './machine/own-machine.ts'
import type { RehearseOptions } from './model/options.ts'
import type { RehearsalRecord } from './model/rehearsal.ts'

/** A rehearsal that passed. */
interface Passed {
  readonly options: RehearseOptions
  readonly bare: LoadPlan
  readonly from: LoadingKernel
  readonly accelerator: 'kvm' | 'tcg'
  readonly tools: ToolVersions
}

/** The file of a receipt, or why it could not be written. */
export type LeftReceipt = { readonly path: string } | { readonly problem: string }

/** Leaves the proof for `load --require-rehearsal`. A rehearsal does not fail for it. */
export async function leaveReceipt(
  { options, bare, from, accelerator, tools }: Passed,
  phases: RehearsalRecord['phases'],
): Promise<LeftReceipt> {
  const { signal } = options
  try {
    const receipt: Receipt = {
      schemaVersion: 1,
      ...(await bare.rehearsedPlan(signal === undefined ? {} : { signal })),
      at: new Date().toISOString(),
      kernel: bare.kernel.path,
      release: bare.image.version,
      from: { path: from.path, sha256: await sha256OfFile(from.path) },
      accelerator,
      init: options.init ?? null,
      expect: options.expect ?? null,
      withInitrdInit: options.withInitrdInit ?? false,
      count: options.count ?? 1,
      lockdown: options.lockdown ?? null,
      phases,
      tools,
    }
    return { path: new Receipts(new System()).write(receipt) }
  } catch (error) {
    throwIfAborted(signal)
    return { problem: (error as Error).message }
  }
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
