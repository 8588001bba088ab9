import { fstatSync } from 'node:fs'
import { type ByteSource, fileBytes } from '../../bytes/bytes.ts'
import { KexecError } from '../../errors.ts'
import { flagName, optionName } from '../../option-name.ts'
import { Receipts, type RehearsedPlan, sha256Of } from '../../receipts/receipt.ts'
import { System } from '../../system/system.ts'
import type { Choices } from '../choices/choices.ts'
import type { Context } from '../context/context.ts'
import { type Prepared, prepare } from './preparation.ts'
import type { PrepareOptions } from './progress.ts'

const DAY = 24 * 60 * 60 * 1000

/** The bytes that the kernel gets. */
export function preparedBytes({ kernelFd, initrdFd }: Prepared): { kernel: ByteSource; initrd: ByteSource | null } {
  const bytesOf = (fd: number) => fileBytes(fd, fstatSync(fd).size)
  return { kernel: bytesOf(kernelFd), initrd: initrdFd === -1 ? null : bytesOf(initrdFd) }
}

/** The plan as it can be rehearsed: without what a trial adds, which differs each time. */
export async function rehearsedPlan(
  context: Context,
  choices: Choices,
  options: PrepareOptions = {},
): Promise<RehearsedPlan> {
  const { trial, engine } = choices
  const { initrds } = context
  const overlay = initrds.overlay.filter((item) => !(trial?.overlay ?? []).includes(item))
  const bare = await prepare({ ...context, initrds: { ...initrds, overlay } }, { ...choices, trial: null }, options)
  try {
    const { kernel, initrd } = preparedBytes(bare)
    return {
      kernelSha256: sha256Of(kernel),
      initrdSha256: initrd === null ? null : sha256Of(initrd),
      commandLine: choices.plainCommandLine,
      engine,
      fast: context.options.fast ?? false,
    }
  } finally {
    bare.close()
  }
}

/**
 * Where the load asks for it: a receipt of a rehearsal of exactly this plan must be there, and not too old.
 * @throws KexecError 'not-rehearsed'
 */
export async function requireReceipt(context: Context, choices: Choices, options: PrepareOptions): Promise<void> {
  const { requireRehearsal: wanted = false, panic, deviceTree } = context.options
  if (wanted === false) return
  if (panic) throw refused('a crash kernel cannot be rehearsed', `Load it without ${flagName('require-rehearsal')}.`)
  // QEMU's machine is not the one that it describes.
  if (deviceTree !== undefined)
    throw refused(
      'a device tree in place of the running one cannot be rehearsed',
      `Load it without ${flagName('require-rehearsal')}, or without ${optionName('dtb')}.`,
    )
  const found = new Receipts(new System()).find(await rehearsedPlan(context, choices, options))
  if ('problem' in found) throw refused(`the receipt of its rehearsal cannot be trusted: ${found.problem}`)
  if ('absent' in found) throw refused('exactly this plan has not passed a rehearsal')
  if (wanted === true) return
  const age = Date.now() - Date.parse(found.receipt.at)
  if (age < 0 || age > wanted * DAY)
    throw refused(`its rehearsal was passed at ${found.receipt.at}, which is not within ${wanted} days`)
}

/** The files are hashed, which cannot be done at once. @throws KexecError 'invalid-argument' */
export function refuseReceiptAtOnce({ options }: Context): void {
  if ((options.requireRehearsal ?? false) === false) return
  throw new KexecError('a plan that needs a rehearsal cannot be loaded synchronously', {
    reason: 'invalid-argument',
    hint: 'Use load().',
    refused: true,
  })
}

const REHEARSE = 'Run `linux-kexec rehearse` with the same options first, as the same user.'

function refused(summary: string, hint = REHEARSE): KexecError {
  return new KexecError(summary, { reason: 'not-rehearsed', hint, refused: true })
}
