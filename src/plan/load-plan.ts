import { heed, throwIfAborted } from '../abort.ts'
import { type LoadCall, makeCallSync } from '../engine/call.ts'
import { kexecFileLoad } from '../engine/kexec-file-load.ts'
import { kexecLoad } from '../engine/kexec-load.ts'
import type { PlannedSegment } from '../engine/layout/segments/segment.ts'
import { load } from '../engine/load.ts'
import { KexecError } from '../errors.ts'
import type { OpenImage } from '../image/inspect/open.ts'
import type { KernelImage } from '../image/model/image.ts'
import { readPrivileges, requireCapability } from '../policy/process/privileges.ts'
import type { Verdict } from '../policy/verdict/predict.ts'
import { Lock } from '../state/lock.ts'
import type { Origin } from '../state/record.ts'
import { beginToRemember, rememberLoad } from '../state/remember.ts'
import { System } from '../system/system.ts'
import { refuseWhatDoesNotFit } from './checks/sizes.ts'
import type { GivenTree } from './choices/device-tree.ts'
import type { Engine } from './choices/engine.ts'
import type { FastMeasures } from './choices/fast.ts'
import { buildSegments, buildSegmentsSync, type SegmentParts } from './choices/segments.ts'
import type { InitrdChoice, PlannedInitrd } from './context/initrds.ts'
import { closeKernel, type PlannedKernel } from './context/kernel.ts'
import type { Target } from './context/target.ts'
import { explain } from './explain.ts'
import { type Preparation, type Prepared, prepare, prepareSync, refuseIfChanged } from './loading/preparation.ts'
import type { PrepareOptions } from './loading/progress.ts'
import { filesOf } from './loading/remembered.ts'
import type { Decision, Findings } from './model/decision.ts'

/** What was chosen to be loaded. */
export interface Choices {
  readonly target: Target
  readonly kernel: PlannedKernel
  readonly choice: InitrdChoice
  readonly commandLine: string
  readonly panic: boolean
}

/** What a plan is made of. */
export interface PlanParts extends Choices {
  readonly system: System
  readonly findings: Findings
  readonly verdict: Verdict | null
  readonly tryAnyway: boolean
  readonly engine: Engine
  readonly segments: readonly PlannedSegment[] | null
  readonly measures: FastMeasures
  readonly deviceTree: GivenTree | null
  /** With the engine `segments`: whether all of it is hashed before the new kernel starts. */
  readonly verify: boolean
  readonly origin: Origin
}

/** One decision about what is loaded, with its reasons. Holds the files open until it is loaded or closed. */
export class LoadPlan {
  readonly root: string
  /** Id of the boot entry, or null when a kernel was given. */
  readonly entry: string | null
  /** The file that holds the kernel. */
  readonly kernel: OpenImage
  /** The kernel that would run: the one inside, where the file is a container or compressed. */
  readonly image: KernelImage
  /** From the file to the kernel; one element where nothing is nested. */
  readonly nested: readonly KernelImage[]
  /** Those that could be opened; an initrd that could not is among the refusals. */
  readonly initrds: readonly PlannedInitrd[]
  readonly commandLine: string
  readonly panic: boolean
  readonly engine: Engine
  /** With the engine `segments`: where each will lie, as far as that is known before the load; else null. */
  readonly segments: readonly PlannedSegment[] | null
  readonly decisions: readonly Decision[]
  /** What may go wrong although the kernel would take it; after the load also what went wrong with noting it. */
  get warnings(): readonly string[] {
    return this.findings.warnings
  }
  /** Why `load()` will refuse; empty when it will not. */
  readonly refusals: readonly KexecError[]
  /** What could not be checked, and why: of another machine's files, for one, what that machine is. */
  readonly unchecked: readonly string[]
  /** What the kernel will say, as far as its policy goes; null for another machine than the running one. */
  readonly verdict: Verdict | null
  private readonly findings: Findings
  private readonly origin: Origin
  private readonly planned: PlannedKernel
  private readonly choice: InitrdChoice
  private readonly tryAnyway: boolean
  private readonly measures: FastMeasures
  private readonly deviceTree: GivenTree | null
  private readonly verify: boolean
  private prepared: Prepared | undefined
  private isOpen = true

  /** @internal plans are made by `plan()` */
  constructor(parts: PlanParts) {
    this.root = parts.system.root
    this.entry = parts.target.entry?.id ?? null
    this.kernel = parts.kernel.file
    this.image = parts.kernel.image
    this.nested = parts.kernel.chain
    this.initrds = parts.choice.initrds
    this.commandLine = parts.commandLine
    this.panic = parts.panic
    this.decisions = parts.findings.decisions
    this.findings = parts.findings
    this.origin = parts.origin
    this.refusals = parts.findings.refusals
    this.unchecked = parts.findings.unchecked
    this.verdict = parts.verdict
    this.planned = parts.kernel
    this.choice = parts.choice
    this.tryAnyway = parts.tryAnyway
    this.measures = parts.measures
    this.deviceTree = parts.deviceTree
    this.verify = parts.verify
    this.engine = parts.engine
    this.segments = parts.segments
  }

  /**
   * Does what can be done before the kernel is asked: unpacks the kernel and joins the initrds, in memory, where that is
   * needed. `load()` does it by itself; `loadSync()` needs it beforehand for what must be unpacked.
   * @throws KexecError the first of `refusals`; 'file-changed', 'damaged-image', 'not-a-kernel', 'no-memory', 'aborted'
   */
  async prepare(options: PrepareOptions = {}): Promise<void> {
    heed(options.signal)
    this.refuseIfHopeless()
    if (this.prepared !== undefined) return
    const prepared = await this.makeReady(options)
    // The plan may have been closed, or prepared twice, meanwhile.
    if (this.isOpen && this.prepared === undefined) this.prepared = prepared
    else prepared.close()
    this.refuseIfHopeless()
  }

  /**
   * Loads it, off the event loop, and closes the plan. Nothing visible happens yet: `reboot()` starts the new kernel.
   * @param options.signal heeded until the syscall begins; one that fires during it makes the new image be unloaded after it
   * @throws KexecError the first of `refusals`; 'file-changed' when a file was written since it was inspected;
   *   'no-capability' and its kin; else what the kernel said. Unless the error says otherwise, what was loaded before still is.
   */
  async load(options: PrepareOptions = {}): Promise<void> {
    heed(options.signal)
    this.take()
    let lock: Lock | undefined
    try {
      this.refuseIfNotAllowed(options.signal)
      this.prepared ??= await this.makeReady(options)
      // Not before: what takes long is done by then.
      lock = await Lock.take(new System(), 'load', { signal: options.signal })
      refuseIfChanged(this.planned, this.choice)
      this.refuseWhatDoesNotFit(this.prepared)
      const remembering = beginToRemember()
      const call = await this.call(this.prepared, options.signal)
      await load(call, options.signal)
      this.remember(call.flags, await remembering)
    } finally {
      lock?.release()
      this.closeFiles()
    }
  }

  /**
   * As `load()`, but blocks the event loop until the kernel is done (up to seconds).
   * @throws KexecError also 'invalid-argument' for a plan that must be prepared first
   */
  loadSync(): void {
    this.take()
    let lock: Lock | undefined
    try {
      this.refuseIfNotAllowed(undefined)
      this.prepared ??= prepareSync(this.preparation())
      lock = Lock.takeSync(new System(), 'load')
      refuseIfChanged(this.planned, this.choice)
      this.refuseWhatDoesNotFit(this.prepared)
      const call = this.callSync(this.prepared)
      makeCallSync(call)
      this.remember(call.flags)
    } finally {
      lock?.release()
      this.closeFiles()
    }
  }

  /** Closes the files; loading is not possible afterwards. */
  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.closeFiles()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Every choice with its reason, warnings and refusals, as lines of text. */
  explain(): string {
    return explain(this)
  }

  /** The plan as plain data, as `plan --json` prints it. */
  toJSON() {
    const { root, entry, commandLine, panic, engine, segments, decisions, verdict, warnings, refusals, unchecked } =
      this
    return {
      root,
      entry,
      kernel: this.kernel.path,
      version: this.image.version,
      initrds: this.choice.paths,
      cmdline: commandLine,
      devicetree: this.deviceTree?.path ?? null,
      panic,
      engine,
      segments,
      image: this.image,
      nested: this.nested.map(({ format }) => format),
      decisions,
      verdict,
      warnings,
      refusals: refusals.map((refusal) => refusal.toJSON()),
      unchecked,
    }
  }

  private async makeReady(options: PrepareOptions): Promise<Prepared> {
    const prepared = await prepare(this.preparation(), options)
    for (const warning of prepared.warnings) this.findings.warn(warning)
    return prepared
  }

  private preparation(): Preparation {
    const { planned: kernel, choice, measures, engine, tryAnyway: ignoreDamage } = this
    return { kernel, choice, measures, engine, ignoreDamage }
  }

  /** From here on the descriptors are the load's: closing the plan meanwhile must not put other files in their place. */
  private take(): void {
    this.refuseIfHopeless()
    this.isOpen = false
  }

  private refuseIfHopeless(): void {
    const [refusal] = this.refusals
    if (refusal !== undefined) {
      this.close()
      throw refusal
    }
    if (!this.isOpen)
      throw new KexecError('this plan was loaded or closed already', { reason: 'invalid-argument', refused: true })
  }

  private refuseIfNotAllowed(signal: AbortSignal | undefined): void {
    throwIfAborted(signal)
    if (!this.tryAnyway) requireCapability(readPrivileges(new System()), 'loading a kernel')
  }

  private refuseWhatDoesNotFit(prepared: Prepared): void {
    const { planned, panic, engine, tryAnyway } = this
    refuseWhatDoesNotFit(new System(), planned, prepared, { panic, engine, tryAnyway })
  }

  private closeFiles(): void {
    this.prepared?.close()
    closeFiles(this.planned, this.choice)
  }

  private async call(prepared: Prepared, signal: AbortSignal | undefined): Promise<LoadCall> {
    if (this.engine === 'file') return this.fileCall(prepared)
    const image = await buildSegments(new System(), this.segmentParts(prepared), signal)
    // It was read: the kernel can have the memory.
    prepared.close()
    return kexecLoad({ image, path: this.kernel.path, panic: this.panic })
  }

  private callSync(prepared: Prepared): LoadCall {
    if (this.engine === 'file') return this.fileCall(prepared)
    const image = buildSegmentsSync(new System(), this.segmentParts(prepared))
    prepared.close()
    return kexecLoad({ image, path: this.kernel.path, panic: this.panic })
  }

  private remember(flags: number, pointers?: Awaited<ReturnType<typeof beginToRemember>>): void {
    const { planned, choice, commandLine, panic, engine, origin, root } = this
    const facts = () => ({ ...filesOf(planned, choice, root), commandLine, engine, flags, origin })
    const problem = rememberLoad(panic ? 'crash' : 'kernel', facts, pointers)
    if (problem !== undefined) this.findings.warn(problem)
  }

  private segmentParts({ kernelFd, unpackedKernel, initrdFd }: Prepared): SegmentParts {
    const { image, commandLine, verify, panic } = this
    const deviceTree = this.deviceTree?.tree ?? null
    const { inFreeMemory } = this.measures
    return { kernelFd, unpackedKernel, initrdFd, image, commandLine, verify, panic, deviceTree, inFreeMemory }
  }

  private fileCall({ kernelFd, initrdFd }: Prepared): LoadCall {
    const { commandLine, panic } = this
    return kexecFileLoad({ kernelFd, initrdFd, commandLine, panic, path: this.kernel.path })
  }
}

/** Closes what `plan` has opened. */
export function closeFiles(kernel: PlannedKernel, choice: InitrdChoice | undefined): void {
  closeKernel(kernel)
  for (const { file } of choice?.initrds ?? []) file?.close()
}
