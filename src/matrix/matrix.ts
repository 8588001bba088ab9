import { dirname, resolve } from 'node:path'
import { heed } from '../abort.ts'
import { KexecError } from '../errors.ts'
import { asKexecError } from '../rehearsal/failure.ts'
import { ownMachine, type ToolVersions, toolVersions } from '../rehearsal/machine/own-machine.ts'
import { cellsOf } from './definition/cells.ts'
import { checkDefinition } from './definition/check.ts'
import { readDefinition } from './definition/read.ts'
import type { MatrixCell, MatrixCounts, MatrixRecord, MatrixResult } from './model/cell.ts'
import type { MatrixDefinition } from './model/definition.ts'
import { named, runCell, unrun } from './run/cell.ts'
import { CellKeys } from './run/key.ts'
import { machineLimits, needsOf } from './run/limits.ts'
import { runBesideEachOther } from './run/pool.ts'
import { ResultsFile } from './run/results-file.ts'

export interface MatrixOptions {
  /** What the paths of the definition are relative to. Default: the directory of its file, else the current one. */
  readonly directory?: string
  /** A file that keeps the result of each cell. A cell whose inputs it has is not rehearsed again. */
  readonly results?: string
  /** Rehearse cells although their results are kept: all of them, or those that did not pass. */
  readonly again?: boolean | 'failed'
  /** Cells at a time. Default: as many as there are processors, and memory for. */
  readonly jobs?: number
  readonly signal?: AbortSignal
  /** Called once before the first cell. */
  readonly onStart?: (begun: MatrixStart) => void
  /** Called as each cell ends that was rehearsed. */
  readonly onCell?: (result: MatrixResult) => void
}

export interface MatrixStart {
  /** Cells that are to be rehearsed now. */
  readonly open: number
  /** Whose results are kept. */
  readonly kept: number
  /** That this machine cannot rehearse. */
  readonly notRun: number
}

/** A matrix whose definition was found right: what `runMatrix` takes. */
export interface PreparedMatrix {
  readonly name: string
  readonly cells: readonly MatrixCell[]
}

/** @param given a file, or its content @throws KexecError 'invalid-argument'; 'not-found', 'not-readable' or 'io' for a file */
export function prepareMatrix(given: string | MatrixDefinition, directory?: string): PreparedMatrix {
  const definition = typeof given === 'string' ? readDefinition(given) : checkDefinition('matrix()', given)
  const base = directory ?? (typeof given === 'string' ? dirname(given) : '.')
  const cells = cellsOf(definition, resolve(base), machineName())
  return { name: definition.name ?? 'matrix', cells }
}

function machineName(): string {
  return ownMachine()?.name ?? process.arch
}

/**
 * Rehearses every cell whose result is not kept, beside each other as far as the machine allows.
 * @returns all cells in their order, also where it was interrupted: then some are not run
 * @throws KexecError 'unsupported-platform' where this machine can rehearse nothing; 'io' for the file of the results
 */
export async function runMatrix(
  { name, cells }: PreparedMatrix,
  options: Omit<MatrixOptions, 'directory'>,
): Promise<MatrixRecord> {
  const { signal } = options
  heed(signal)
  const began = new Date().toISOString()
  const results = new Map<MatrixCell, MatrixResult>()
  const file = options.results === undefined ? null : new ResultsFile(options.results)
  const own = cells.filter((cell) => cell.architecture === machineName())
  const tools = own.length === 0 ? null : await knownTools()
  const keys = tools === null ? null : await CellKeys.of(tools)
  for (const cell of keys === null ? [] : own) {
    const result = file?.find(await (keys as CellKeys).keyOf(cell))
    if (result !== undefined && isKept(result, options.again)) results.set(cell, { ...result, ...named(cell) })
  }
  const kept = results.size
  const open = own.filter((cell) => !results.has(cell))
  options.onStart?.({ open: open.length, kept, notRun: cells.length - own.length })
  const run = async (cell: MatrixCell) => {
    const result = await runCell(cell, keys as CellKeys, tools as ToolVersions, signal)
    results.set(cell, result)
    // Where this machine failed, the next run is to try again.
    if (result.outcome.kind !== 'error') file?.add(result)
    options.onCell?.(result)
  }
  await orInterrupted(runBesideEachOther(open, machineLimits(options.jobs), needsOf, run, signal), signal)
  const all = cells.map((cell) => results.get(cell) ?? left(cell))
  const interrupted = own.some((cell) => !results.has(cell))
  const counts = countsOf(all, kept)
  return { name, began, ended: new Date().toISOString(), interrupted, counts, cells: all }
}

async function knownTools(): Promise<ToolVersions> {
  const machine = ownMachine()
  if (machine === undefined)
    throw new KexecError(`a rehearsal cannot run on ${process.arch} machines`, {
      reason: 'unsupported-platform',
      hint: 'Run the matrix on an x86_64 or arm64 machine, of the architecture of its kernels.',
      refused: true,
    })
  try {
    return await toolVersions(machine.architecture)
  } catch (error) {
    throw asKexecError(error)
  }
}

async function orInterrupted(done: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  try {
    await done
  } catch (error) {
    if (signal?.aborted !== true || !(error instanceof KexecError) || error.reason !== 'aborted') throw error
  }
}

function isKept({ outcome }: MatrixResult, again: MatrixOptions['again'] = false): boolean {
  return again === false || (again === 'failed' && outcome.kind === 'passed')
}

function left(cell: MatrixCell): MatrixResult {
  if (cell.architecture !== machineName()) return ofOtherMachine(cell)
  return unrun(cell, { kind: 'not-run', message: 'the matrix was interrupted before it' }, null)
}

/** The guest has the Node of this machine: it cannot run under a kernel of another architecture. */
function ofOtherMachine(cell: MatrixCell): MatrixResult {
  const message = `a rehearsal of ${cell.architecture} kernels needs an ${cell.architecture} machine, and this is ${machineName()}`
  return unrun(cell, { kind: 'not-run', message }, null)
}

function countsOf(results: readonly MatrixResult[], kept: number): MatrixCounts {
  const passed = results.filter(({ outcome }) => outcome.kind === 'passed').length
  const notRun = results.filter(({ outcome }) => outcome.kind === 'not-run').length
  return { all: results.length, passed, failed: results.length - passed - notRun, notRun, kept }
}
