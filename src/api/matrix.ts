import type { MatrixOptions } from '../matrix/matrix.ts'
import type { MatrixRecord } from '../matrix/model/cell.ts'
import type { MatrixDefinition } from '../matrix/model/definition.ts'
import {
  abortSignal,
  callback,
  checkArgument,
  checkOptions,
  type OptionKinds,
  oneOf,
  path,
  positiveNumber,
} from '../options.ts'

const again = oneOf('failed')

const kinds: OptionKinds<MatrixOptions> = {
  directory: path,
  results: path,
  again: { what: "true, false or 'failed'", accepts: (value) => typeof value === 'boolean' || again.accepts(value) },
  jobs: positiveNumber,
  signal: abortSignal,
  onStart: callback,
  onCell: callback,
}

/**
 * Rehearses every cell of a matrix in QEMU, beside each other as far as the machine's processors and memory allow: each kernel of
 * `from` loads each of `to`, with each engine and in each variant. With `results`, a cell whose files, options and tools have not
 * changed since is not rehearsed again.
 * @param definition a JSON file, or its content
 * @returns every cell with its outcome. Where the signal fired, those that had not ended are `not-run`
 * @throws KexecError 'invalid-argument'; 'not-found', 'not-readable' or 'io' for a file; 'unsupported-platform' without QEMU
 */
export async function matrix(definition: string | MatrixDefinition, options?: MatrixOptions): Promise<MatrixRecord> {
  if (typeof definition === 'string') checkArgument('the file of matrix()', definition, path)
  const { directory, ...checked } = checkOptions('matrix()', options, kinds)
  // Few programs rehearse, and the harness takes longer to load than the rest.
  const { prepareMatrix, runMatrix } = await import('../matrix/matrix.ts')
  return runMatrix(prepareMatrix(definition, directory), checked)
}

export { matrixReport } from '../matrix/report/html.ts'
export { matrixJunit } from '../matrix/report/junit.ts'
