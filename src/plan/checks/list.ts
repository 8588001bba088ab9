import type { Choices } from '../choices/choices.ts'
import type { Context } from '../context/context.ts'
import { plannedSizes } from '../context/sizes.ts'
import type { Remark } from '../model/remark.ts'
import { checkEarlierTrials } from '../trial/earlier.ts'
import { checkLength } from './command-line.ts'
import { checkModules, checkWritable } from './files.ts'
import { checkInitrds } from './initrd-content.ts'
import { checkKernel } from './kernel.ts'
import { checkHeldCrashKernel, checkProcess, checkSyscall } from './machine.ts'
import { checkPagingLeft, checkPagingOfVmlinux } from './paging.ts'
import { checkRoot } from './root-device.ts'
import { checkSizes } from './sizes.ts'
import { checkUnified } from './unified.ts'
import { checkVirtualAddresses } from './virtual-addresses.ts'

/** Checks one side of the choices. The order of the list does not matter: remarks are shown by their subject. */
export type Check = (context: Context, choices: Choices) => readonly Remark[] | Promise<readonly Remark[]>

/** All checks that run once everything is chosen. */
export const checks: readonly Check[] = [
  checkKernel,
  checkUnified,
  checkWritable,
  checkEarlierTrials,
  checkHeldCrashKernel,
  checkProcess,
  ({ initrds }) => checkInitrds(initrds),
  // An entry has the same remark among its problems.
  ({ system, target, kernel }) => (target.entry === null ? checkModules(system, kernel.image.version) : []),
  ({ initrds, target, options }, { commandLine: { parsed } }) =>
    parsed === null ? [] : checkRoot(parsed, initrds, { target, options }),
  ({ kernel }, { commandLine }) => checkLength(commandLine.text, kernel.image, kernel.file.path),
  (context) => checkSizes(context.system, context.running, sizedLoad(context)),
  ({ running, kernel }, { engine }) => (engine === 'segments' ? checkPagingOfVmlinux(running, kernel.image) : []),
  ({ running, kernel }, { engine, commandLine }) =>
    engine === 'file' ? checkPagingLeft(running, kernel.image, commandLine.text) : [],
  (context, { engine }) => (engine === 'file' ? checkSyscall(context) : []),
  ({ system, running, options }) =>
    options.panic ? [] : checkVirtualAddresses(system, running, options.tryAnyway ?? false),
]

function sizedLoad({ kernel, initrds, unpackedBytes, options, target }: Context) {
  const { panic = false, tryAnyway = false } = options
  return {
    sizes: { ...plannedSizes(kernel, initrds), unpackedBytes },
    names: { kernel: kernel.file.path, initrd: initrds.archives.map(({ path }) => path).join(', ') },
    panic,
    architecture: kernel.image.architecture,
    source: target.entry?.source ?? null,
    tryAnyway,
  }
}
