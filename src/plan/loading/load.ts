import { throwIfAborted } from '../../abort.ts'
import { type LoadCall, makeCallSync } from '../../engine/call.ts'
import { kexecFileLoad } from '../../engine/kexec-file-load.ts'
import { kexecLoad } from '../../engine/kexec-load.ts'
import type { SegmentImage } from '../../engine/layout/segments/segment.ts'
import { load } from '../../engine/load.ts'
import { KexecError } from '../../errors.ts'
import { readPrivileges, requireCapability } from '../../policy/process/privileges.ts'
import { Lock } from '../../state/lock.ts'
import { beginToRemember, rememberLoad } from '../../state/remember.ts'
import { System } from '../../system/system.ts'
import type { Choices } from '../choices/choices.ts'
import type { Context } from '../context/context.ts'
import type { PlanWarning } from '../model/remark.ts'
import { endLoadedTrial, type RecordedLoad, recordingTrial } from '../trial/recording.ts'
import { refuseWhatDoesNotFit } from './last-look.ts'
import { type Prepared, refuseIfChanged } from './preparation.ts'
import { filesOf, noteKexec, originOf } from './remembered.ts'
import { buildSegments, buildSegmentsSync, type SegmentParts } from './segments.ts'

/** @throws KexecError 'aborted', 'no-capability' and its kin, before anything is unpacked */
export function refuseIfNotAllowed({ options }: Context, signal: AbortSignal | undefined): void {
  throwIfAborted(signal)
  if (!options.tryAnyway) requireCapability(readPrivileges(new System()), 'loading a kernel')
}

/**
 * Loads the prepared plan, off the event loop.
 * @returns failures to note the load
 */
export async function loadPrepared(
  context: Context,
  choices: Choices,
  prepared: Prepared,
  signal: AbortSignal | undefined,
): Promise<PlanWarning[]> {
  // Not earlier: by now the slow work is done.
  const lock = await Lock.take(new System(), 'load', { signal })
  try {
    refuseIfChanged(context)
    refuseWhatDoesNotFit(context, choices, prepared)
    const remembering = beginToRemember()
    // Not later: the engine `segments` closes the initrd before the call.
    const recorded = await recordedLoad(context, choices, prepared, signal)
    const call = await callFor(context, choices, prepared, signal)
    await recorded(() => load(call, signal))
    return [
      ...endReplaced(context, choices),
      ...remember(context, choices, call.flags, await remembering),
      ...noteKexec(context, choices),
    ]
  } finally {
    lock.release()
  }
}

/** The same, blocking the event loop. */
export function loadPreparedSync(context: Context, choices: Choices, prepared: Prepared): PlanWarning[] {
  refuseTrialAtOnce(choices)
  const lock = Lock.takeSync(new System(), 'load')
  try {
    refuseIfChanged(context)
    refuseWhatDoesNotFit(context, choices, prepared)
    const call = callForSync(context, choices, prepared)
    makeCallSync(call)
    return [...endReplaced(context, choices), ...remember(context, choices, call.flags), ...noteKexec(context, choices)]
  } finally {
    lock.release()
  }
}

async function recordedLoad(
  context: Context,
  { trial, commandLine }: Choices,
  prepared: Prepared,
  signal: AbortSignal | undefined,
): Promise<RecordedLoad> {
  if (trial === null) return (load) => load()
  return await recordingTrial(context, trial, { ...prepared, commandLine: commandLine.text }, signal)
}

/** A trial that was loaded before is over, now that another kernel is loaded. */
function endReplaced({ options }: Context, { trial }: Choices): PlanWarning[] {
  if (trial !== null || options.panic) return []
  const text = endLoadedTrial('Another kernel was loaded in its place.')
  return text === undefined ? [] : [{ code: 'not-recorded', text }]
}

/** @throws KexecError 'invalid-argument' */
function refuseTrialAtOnce({ trial }: Choices): void {
  if (trial === null) return
  throw new KexecError('a trial cannot be loaded synchronously', {
    reason: 'invalid-argument',
    hint: 'Use load().',
    refused: true,
  })
}

async function callFor(
  context: Context,
  choices: Choices,
  prepared: Prepared,
  signal: AbortSignal | undefined,
): Promise<LoadCall> {
  if (choices.engine === 'file') return fileCall(context, choices, prepared)
  const image = await buildSegments(new System(), segmentParts(context, choices, prepared), signal)
  // The buffer was read: the kernel can have the memory.
  prepared.close()
  return segmentCall(context, image)
}

function callForSync(context: Context, choices: Choices, prepared: Prepared): LoadCall {
  if (choices.engine === 'file') return fileCall(context, choices, prepared)
  const image = buildSegmentsSync(new System(), segmentParts(context, choices, prepared))
  prepared.close()
  return segmentCall(context, image)
}

function fileCall({ kernel, options }: Context, { commandLine }: Choices, { kernelFd, initrdFd }: Prepared): LoadCall {
  const { panic = false } = options
  return kexecFileLoad({ kernelFd, initrdFd, commandLine: commandLine.text, panic, path: kernel.file.path })
}

function segmentCall({ kernel, options }: Context, image: SegmentImage): LoadCall {
  return kexecLoad({ image, path: kernel.file.path, panic: options.panic ?? false })
}

function segmentParts({ kernel, options }: Context, choices: Choices, prepared: Prepared): SegmentParts {
  const { kernelFd, unpackedKernel, initrdFd } = prepared
  const { commandLine, verify, deviceTree, measures } = choices
  return {
    kernelFd,
    unpackedKernel,
    initrdFd,
    image: kernel.image,
    commandLine: commandLine.text,
    verify,
    panic: options.panic ?? false,
    deviceTree: deviceTree?.tree ?? null,
    inFreeMemory: measures.inFreeMemory,
  }
}

function remember(
  context: Context,
  { commandLine, engine }: Choices,
  flags: number,
  pointers?: Awaited<ReturnType<typeof beginToRemember>>,
): PlanWarning[] {
  const { options, target } = context
  const origin = originOf(options, target.entry)
  const facts = () => ({ ...filesOf(context), commandLine: commandLine.text, engine, flags, origin })
  const text = rememberLoad(options.panic ? 'crash' : 'kernel', facts, pointers)
  return text === undefined ? [] : [{ code: 'not-recorded', text }]
}
