import { heed } from '../abort.ts'
import type { ByteSource } from '../bytes/bytes.ts'
import type { PlannedSegment } from '../engine/layout/segments/segment.ts'
import { KexecError } from '../errors.ts'
import type { OpenImage } from '../image/inspect/open.ts'
import type { KernelImage } from '../image/model/image.ts'
import type { InitrdTree } from '../initrd/tree.ts'
import { checkOptions } from '../options.ts'
import type { LoadVerdict } from '../policy/verdict/predict.ts'
import type { RehearsedPlan } from '../receipts/receipt.ts'
import type { Choices } from './choices/choices.ts'
import type { Engine } from './choices/engine.ts'
import { type Context, closeFiles, extendedContext, type PlanAdditions } from './context/context.ts'
import type { PlannedInitrd } from './context/initrds.ts'
import { usesFiveLevels } from './context/paging.ts'
import { explain } from './explain.ts'
import type { Findings } from './findings.ts'
import { initrdTree } from './loading/initrd-tree.ts'
import { loadPrepared, loadPreparedSync, refuseIfNotAllowed } from './loading/load.ts'
import { type Prepared, prepare, prepareSync } from './loading/preparation.ts'
import { type PrepareOptions, prepareKinds } from './loading/progress.ts'
import { preparedBytes, refuseReceiptAtOnce, rehearsedPlan, requireReceipt } from './loading/rehearsed.ts'
import type { Choice, PlanDecision } from './model/decision.ts'
import type { PlanWarning, UncheckedFact } from './model/remark.ts'
import type { ChosenTrial } from './trial/choice.ts'

/** A trial as a plan shows it. */
export type PlannedTrial = Omit<ChosenTrial, 'overlay' | 'nextInit' | 'fallback' | 'tried'>

/** One decision about the kernel to load, with its reasons. Holds the files open until it is loaded or closed. */
export class LoadPlan {
  readonly #context: Context
  readonly #choices: Choices
  readonly #findings: Findings
  /** Problems since the plan was made. */
  readonly #later: PlanWarning[] = []
  #prepared: Prepared | undefined
  #isOpen = true

  /** @internal plans are made by `plan()` */
  constructor(context: Context, choices: Choices, findings: Findings) {
    this.#context = context
    this.#choices = choices
    this.#findings = findings
  }

  get root(): string {
    return this.#context.system.root
  }

  /** The boot entry's id, or null when a kernel was given. */
  get entry(): string | null {
    return this.#context.target.entry?.id ?? null
  }

  /** The file that holds the kernel. */
  get kernel(): OpenImage {
    return this.#context.kernel.file
  }

  /** The kernel that would run: the inner one, where the file is a container or compressed. */
  get image(): KernelImage {
    return this.#context.kernel.image
  }

  /** The chain from the file to the kernel; one element where nothing is nested. */
  get nested(): readonly KernelImage[] {
    return this.#context.kernel.chain
  }

  /** The initrds that were opened. One that could not be opened is among the refusals. */
  get initrds(): readonly PlannedInitrd[] {
    return this.#context.initrds.archives
  }

  get commandLine(): string {
    return this.#choices.commandLine.text
  }

  get panic(): boolean {
    return this.#context.options.panic ?? false
  }

  get engine(): Engine {
    return this.#choices.engine
  }

  /** With the engine `segments`: the place of each, as far as it is known before the load; else null. */
  get segments(): readonly PlannedSegment[] | null {
    return this.#choices.segments
  }

  /** The choices and their reasons, in the order of subjects, as in all lists of a plan. */
  get decisions(): readonly PlanDecision[] {
    return this.#findings.decisions
  }

  /** Possible trouble although the kernel would take it. After the load also failures to note the load. */
  get warnings(): readonly PlanWarning[] {
    return [...this.#findings.warnings, ...this.#later]
  }

  /** Why `load()` will refuse; empty when it will not. */
  get refusals(): readonly KexecError[] {
    return this.#findings.refusals
  }

  /** The facts that could not be checked, and why: of another machine's files, for example, the machine itself. */
  get unchecked(): readonly UncheckedFact[] {
    return this.#findings.unchecked
  }

  /** The kernel's predicted answer, as far as its policy shows; null for a machine other than the running one. */
  get verdict(): LoadVerdict | null {
    return this.#choices.verdict
  }

  /** The trial that the load is; null for a plain load. */
  get trial(): PlannedTrial | null {
    const { trial } = this.#choices
    if (trial === null) return null
    const { id, deadline, guards, coverage, rollback } = trial
    return { id, deadline, guards, coverage, rollback }
  }

  /**
   * Does all work that is possible before the kernel is asked: unpacks the kernel and joins the initrds, in memory,
   * where needed. `load()` does this itself; `loadSync()` requires it for kernels and initrds that must be unpacked.
   * @throws KexecError the first of `refusals`; 'file-changed', 'damaged-image', 'not-a-kernel', 'no-memory', 'aborted'
   */
  async prepare(given?: PrepareOptions): Promise<void> {
    const options = checkOptions('prepare() of a plan', given, prepareKinds)
    heed(options.signal)
    this.#refuseIfHopeless()
    if (this.#prepared !== undefined) return
    const prepared = await this.makeReady(options)
    // The plan may have been closed, or prepared twice, in between.
    if (this.#isOpen && this.#prepared === undefined) this.#prepared = prepared
    else prepared.close()
    this.#refuseIfHopeless()
  }

  /**
   * Loads it, off the event loop, and closes the plan. The running system goes on: `reboot()` starts the new kernel.
   * @param given.signal heeded until the syscall begins; if it fires during the syscall, the new image is unloaded
   *   afterwards
   * @throws KexecError the first of `refusals`; 'file-changed' when a file was written since it was inspected;
   *   'no-capability' and its kin; else the kernel's own refusal. Unless the error says otherwise, the image loaded
   *   before is still loaded.
   */
  async load(given?: PrepareOptions): Promise<void> {
    const options = checkOptions('load() of a plan', given, prepareKinds)
    heed(options.signal)
    this.#take()
    try {
      refuseIfNotAllowed(this.#context, options.signal)
      await requireReceipt(this.#context, this.#choices, options)
      this.#prepared ??= await this.makeReady(options)
      this.#later.push(...(await loadPrepared(this.#context, this.#choices, this.#prepared, options.signal)))
    } finally {
      this.#closeFiles()
    }
  }

  /**
   * What it was made from, with the additions.
   * @internal for `extendedPlan()`
   */
  extended(additions: PlanAdditions): Choice<Context> {
    return extendedContext(this.#context, additions)
  }

  /**
   * The bytes that the kernel would get; valid until the plan is closed.
   * @internal for a rehearsal. `prepare()` comes first
   */
  preparedBytes(): { readonly kernel: ByteSource; readonly initrd: ByteSource | null } {
    return preparedBytes(this.#prepared as Prepared)
  }

  /**
   * Whether the running kernel uses 5 levels of page tables.
   * @internal for a rehearsal
   */
  runsWithFiveLevels(): boolean {
    return usesFiveLevels(this.#context.running)
  }

  /**
   * The files that the new kernel would unpack.
   * @internal for a rehearsal
   */
  initrdTree(signal: AbortSignal | undefined): Promise<InitrdTree> {
    return initrdTree(this.#context.initrds, signal)
  }

  /**
   * What a receipt of this plan stands for.
   * @internal for a rehearsal
   */
  rehearsedPlan(options: PrepareOptions): Promise<RehearsedPlan> {
    return rehearsedPlan(this.#context, this.#choices, options)
  }

  private async makeReady(options: PrepareOptions): Promise<Prepared> {
    const prepared = await prepare(this.#context, this.#choices, options)
    this.#later.push(...prepared.warnings)
    return prepared
  }

  /**
   * As `load()`, but blocks the event loop until the kernel is done (up to seconds).
   * @throws KexecError as `load()`, and 'invalid-argument' for a plan that must be prepared first
   */
  loadSync(): void {
    this.#take()
    try {
      refuseIfNotAllowed(this.#context, undefined)
      refuseReceiptAtOnce(this.#context)
      this.#prepared ??= prepareSync(this.#context, this.#choices)
      this.#later.push(...loadPreparedSync(this.#context, this.#choices, this.#prepared))
    } finally {
      this.#closeFiles()
    }
  }

  /** Closes the files; loading is not possible afterwards. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#closeFiles()
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
    const {
      root,
      entry,
      commandLine,
      panic,
      engine,
      segments,
      trial,
      decisions,
      verdict,
      warnings,
      refusals,
      unchecked,
    } = this
    return {
      root,
      entry,
      kernel: this.kernel.path,
      version: this.image.version,
      initrds: this.#context.initrds.paths,
      commandLine,
      deviceTree: this.#choices.deviceTree?.path ?? null,
      panic,
      engine,
      segments,
      trial,
      image: this.image,
      nested: this.nested.map(({ format }) => format),
      decisions,
      verdict,
      warnings,
      refusals: refusals.map((refusal) => refusal.toJSON()),
      unchecked,
    }
  }

  /**
   * From here on the load owns the descriptors: closing the plan in between must not put other files in their place.
   */
  #take(): void {
    this.#refuseIfHopeless()
    this.#isOpen = false
  }

  #refuseIfHopeless(): void {
    const [refusal] = this.refusals
    if (refusal !== undefined) {
      this.close()
      throw refusal
    }
    if (!this.#isOpen) {
      const hint = 'A plan loads once: make a new one with plan().'
      throw new KexecError('this plan was loaded or closed already', {
        reason: 'invalid-argument',
        hint,
        refused: true,
      })
    }
  }

  #closeFiles(): void {
    this.#prepared?.close()
    closeFiles(this.#context)
  }
}
