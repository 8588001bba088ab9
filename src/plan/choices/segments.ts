import { segmentArchitecture } from '../../engine/layout/architectures.ts'
import type { PlannedSegment } from '../../engine/layout/segments/segment.ts'
import { KexecError } from '../../errors.ts'
import type { Context } from '../context/context.ts'
import { innerSource } from '../context/kernel.ts'
import { plannedSizes } from '../context/sizes.ts'
import { type Choice, silent } from '../model/decision.ts'
import { remarksOn } from '../model/remark.ts'
import type { GivenTree } from './device-tree.ts'
import type { Engine } from './engine.ts'
import type { FastMeasures } from './fast.ts'

/** The choices that the places depend on. */
export interface SegmentLoad {
  readonly engine: Engine
  readonly commandLine: string
  readonly verify: boolean
  readonly deviceTree: GivenTree | null
  readonly measures: FastMeasures
}

/**
 * The place of each segment, by the sizes that are known before anything is unpacked or joined. Places that need
 * privilege to know are left unchecked, and impossible layouts are refused. With the engine `file` the kernel decides.
 */
export function placeSegments(
  { system, kernel, initrds, options }: Context,
  { engine, commandLine, verify, deviceTree, measures }: SegmentLoad,
): Choice<readonly PlannedSegment[] | null> {
  const { image } = kernel
  const architecture = segmentArchitecture(image)
  if (engine === 'file' || architecture === undefined) return silent(null)
  const source = image.setupHeader === null ? innerSource(kernel) : kernel.file.source
  const { kernelFile: kernelLength, initrdBytes: initrdLength } = plannedSizes(kernel, initrds)
  const { panic = false } = options
  const { inFreeMemory } = measures
  try {
    const machine = architecture.readMachine(system, { panic, deviceTree: deviceTree?.tree ?? null, inFreeMemory })
    return silent(architecture.layOut(machine, { image, source, commandLine, kernelLength, initrdLength, verify }))
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    const { refusal, unchecked } = remarksOn('segments')
    const isHidden = error.reason === 'not-readable' || error.reason === 'not-found'
    const text = `where the segments would lie: ${error.summary} (${error.path})`
    return { ...silent(null), remarks: [isHidden ? unchecked('segments', text) : refusal(error)] }
  }
}
