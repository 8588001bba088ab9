import type { RehearseOptions } from '../../rehearsal/model/options.ts'

/** A matrix: each kernel of `from` loads each of `to`, with each engine and in each variant. A cell is one rehearsal. */
export interface MatrixDefinition extends MatrixSettings {
  /** The title of its report. Default: the name of its file. */
  readonly name?: string
  /** Kernels that load. */
  readonly from: readonly (string | MatrixKernel)[]
  /** Kernels that are loaded. Default: those of `from`. */
  readonly to?: readonly (string | MatrixKernel)[]
  /** Default: 'auto', for each plan the engine that suits it. */
  readonly engine?: MatrixEngine | readonly MatrixEngine[]
  /** Sets of options; each makes cells of its own, and goes before the same options of the matrix. Default: one without any. */
  readonly variants?: readonly MatrixVariant[]
  /** Cells that are left out. */
  readonly except?: readonly MatrixException[]
}

export type MatrixEngine = 'auto' | 'file' | 'segments'

/** A kernel file, with the initrd that it gets where it is loaded. Paths are relative to the directory of the matrix. */
export interface MatrixKernel {
  readonly kernel: string
  /** One or several, in order. Without one it is loaded without an initrd, except for what a unified image brings. */
  readonly initrd?: string | readonly string[]
  /** Its name in the report, and in `except`. Default: its release, else its file's name. */
  readonly name?: string
}

/** Options of `rehearse()` that hold for all cells, or for those of a variant. */
export type MatrixSettings = Pick<
  RehearseOptions,
  | 'commandLine'
  | 'append'
  | 'remove'
  | 'fast'
  | 'tryAnyway'
  | 'init'
  | 'expect'
  | 'rootImage'
  | 'memory'
  | 'cpus'
  | 'timeout'
  | 'accelerator'
  | 'qemuArguments'
> & {
  /** `SRC` or `SRC:DEST`, as `--overlay` takes it. */
  readonly overlay?: readonly string[]
}

export interface MatrixVariant extends MatrixSettings {
  /** Default: its place in the list, '#1'. */
  readonly name?: string
}

/** Cells with all of these: names of kernels and variants, and engines; one or several each. */
export interface MatrixException {
  readonly from?: string | readonly string[]
  readonly to?: string | readonly string[]
  readonly engine?: MatrixEngine | readonly MatrixEngine[]
  readonly variant?: string | readonly string[]
}
