import { fstatSync } from 'node:fs'
import { type FileLoad, loadFile, loadFileSync, throwIfAborted } from '../engine/file.ts'
import { KexecError } from '../errors.ts'
import { type OpenImage, openImage } from '../image/index.ts'
import { readPrivileges, requireCapability } from '../policy/privileges.ts'
import { System } from '../system/system.ts'
import { checkInitrd, checkKernel, checkMachine, checkMemory, checkModules, checkWritable } from './checks.ts'
import { checkLength, chooseCommandLine } from './command-line.ts'
import { type Decision, Findings } from './decision.ts'
import { explain } from './explain.ts'
import type { PlanOptions } from './options.ts'
import { chooseTarget, type Target } from './target.ts'

/**
 * Decides what would be loaded, and why; touches nothing. The files are opened and stay open: what was inspected is what
 * `load()` loads. Close the plan when it is not loaded (`using`, or `close()`).
 * @throws KexecError when there is nothing to plan for ('no-such-entry', 'ambiguous-entry', 'invalid-argument'), or when the
 *   kernel cannot be opened. All other obstacles are told together, in `refusals`.
 */
export async function plan(options: PlanOptions = {}): Promise<LoadPlan> {
  throwIfAborted(options.signal)
  const system = options.root instanceof System ? options.root : new System(options.root)
  const findings = new Findings()
  const target = await chooseTarget(system, options, findings)
  const files: OpenImage[] = []
  try {
    const open = (path: string) => {
      const file = openImage(system, path)
      files.push(file)
      return file
    }
    const kernel = open(target.kernel)
    const initrds = target.initrds.flatMap((path) => openOrRefuse(() => open(path), findings))
    checkKernel(system, kernel, findings)
    const commandLine = chooseCommandLine(system, options, target, findings)
    checkLength(commandLine, kernel.image, kernel.path, findings)
    for (const initrd of initrds) checkInitrd(initrd, findings)
    for (const file of files) checkWritable(system, file, findings)
    // An entry brings the same among its problems.
    if (target.entry === null) checkModules(system, kernel.image.version, findings)
    checkMemory(system, kernel, initrds, findings)
    chooseEngine(options, findings)
    checkMachine(system, options.panic ?? false, findings)
    return new LoadPlan({ system, target, kernel, initrds, commandLine, panic: options.panic ?? false, findings })
  } catch (error) {
    for (const file of files) file.close()
    throw error
  }
}

/** A missing or unreadable initrd is told together with everything else that is wrong. */
function openOrRefuse(open: () => OpenImage, findings: Findings): OpenImage[] {
  try {
    return [open()]
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    findings.refuse(error)
    return []
  }
}

/** Only kexec_file_load is built so far; what it cannot do is refused, never dropped. */
function chooseEngine(options: PlanOptions, findings: Findings): void {
  findings.decide('engine', 'file', 'kexec_file_load: the kernel itself reads and checks the image')
  if (options.panic) findings.decide('kind', 'crash kernel', 'asked for with --panic; a panic starts it')
  const refuse = (summary: string, hint: string) =>
    findings.refuse(new KexecError(summary, { reason: 'invalid-argument', hint, refused: true }))
  if (options.engine === 'segments') {
    refuse('the engine `segments` (kexec_load) is not in this version', 'Leave --engine away, or give --engine file.')
  }
  if (options.devicetree !== undefined) {
    refuse(
      'kexec_file_load takes no device tree from outside',
      'Leave --dtb away: the new kernel gets the running one.',
    )
  }
}

interface PlanParts {
  readonly system: System
  readonly target: Target
  readonly kernel: OpenImage
  readonly initrds: readonly OpenImage[]
  readonly commandLine: string
  readonly panic: boolean
  readonly findings: Findings
}

/** One decision about what is loaded, with its reasons. Holds the files open until it is loaded or closed. */
export class LoadPlan {
  readonly root: string
  /** Id of the boot entry, or null when a kernel file was named. */
  readonly entry: string | null
  readonly kernel: OpenImage
  /** Those that could be opened; an initrd that could not is among the refusals. */
  readonly initrds: readonly OpenImage[]
  readonly commandLine: string
  readonly panic: boolean
  readonly engine = 'file'
  readonly decisions: readonly Decision[]
  /** What may go wrong although the kernel would take it. */
  readonly warnings: readonly string[]
  /** Why `load()` will refuse; empty when it will not. */
  readonly refusals: readonly KexecError[]
  private readonly initrdPaths: readonly string[]
  private isOpen = true

  /** @internal plans are made by `plan()` */
  constructor(parts: PlanParts) {
    this.root = parts.system.root
    this.entry = parts.target.entry?.id ?? null
    this.kernel = parts.kernel
    this.initrds = parts.initrds
    this.initrdPaths = parts.target.initrds
    this.commandLine = parts.commandLine
    this.panic = parts.panic
    this.decisions = parts.findings.decisions
    this.warnings = parts.findings.warnings
    this.refusals = parts.findings.refusals
  }

  /**
   * Loads it, off the event loop, and closes the plan. Nothing visible happens yet: `reboot()` starts the new kernel.
   * @param options.signal heeded until the syscall begins; one that fires during it makes the new image be unloaded after it
   * @throws KexecError the first of `refusals`; 'file-changed' when a file was written since it was inspected;
   *   'no-capability' and its kin; else what the kernel said. Unless the error says otherwise, what was loaded before still is.
   */
  async load(options: { signal?: AbortSignal } = {}): Promise<void> {
    this.take()
    try {
      await loadFile(this.prepare(options.signal), options.signal)
    } finally {
      this.closeFiles()
    }
  }

  /** As `load()`, but blocks the event loop until the kernel is done (up to seconds). */
  loadSync(): void {
    this.take()
    try {
      loadFileSync(this.prepare(undefined))
    } finally {
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
    const { root, entry, commandLine, panic, engine, decisions, warnings, refusals } = this
    return {
      root,
      entry,
      kernel: this.kernel.path,
      version: this.kernel.image.version,
      initrds: this.initrdPaths,
      cmdline: commandLine,
      devicetree: null,
      panic,
      engine,
      image: this.kernel.image,
      decisions,
      warnings,
      refusals: refusals.map((refusal) => refusal.toJSON()),
    }
  }

  /** From here on the descriptors are the load's: closing the plan meanwhile must not put other files in their place. */
  private take(): void {
    const [refusal] = this.refusals
    if (refusal !== undefined) {
      this.close()
      throw refusal
    }
    if (!this.isOpen)
      throw new KexecError('this plan was loaded or closed already', { reason: 'invalid-argument', refused: true })
    this.isOpen = false
  }

  private closeFiles(): void {
    for (const file of [this.kernel, ...this.initrds]) file.close()
  }

  private prepare(signal: AbortSignal | undefined): FileLoad {
    throwIfAborted(signal)
    requireCapability(readPrivileges(new System()), 'loading a kernel')
    for (const file of [this.kernel, ...this.initrds]) refuseIfChanged(file)
    return {
      kernelFd: this.kernel.fd as number,
      initrdFds: this.initrds.map((initrd) => initrd.fd as number),
      commandLine: this.commandLine,
      panic: this.panic,
      path: this.kernel.path,
    }
  }
}

function refuseIfChanged({ fd, stats, path }: OpenImage): void {
  if (fd === null || stats === null) return
  const now = fstatSync(fd)
  if (now.size === stats.size && now.mtimeMs === stats.mtimeMs && now.ctimeMs === stats.ctimeMs) return
  throw new KexecError('the file was changed after it was inspected', {
    reason: 'file-changed',
    path,
    hint: 'Wait until whatever writes it has finished, and plan again.',
    refused: true,
  })
}
