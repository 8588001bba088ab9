import { appendFileSync, readFileSync } from 'node:fs'
import { KexecError } from '../../errors.ts'
import type { MatrixResult } from '../model/cell.ts'

const SCHEMA_VERSION = 1

/**
 * The results of cells, one JSON document a line, added as each cell ends. A line that was cut off, by a power cut or a full disk,
 * is passed over, and the next one begins a new line.
 */
export class ResultsFile {
  readonly path: string
  readonly #results = new Map<string, MatrixResult>()
  #endsInLine = false

  /** @throws KexecError 'io' for a file that is there and cannot be read */
  constructor(path: string) {
    this.path = path
    const text = readIfThere(path)
    this.#endsInLine = text !== '' && !text.endsWith('\n')
    for (const line of text.split('\n')) {
      const result = parsed(line)
      // The last one of a key counts.
      if (result !== null) this.#results.set(result.key as string, result)
    }
  }

  /** What a cell with this key came to. */
  find(key: string): MatrixResult | undefined {
    return this.#results.get(key)
  }

  /** @throws KexecError 'io' */
  add(result: MatrixResult): void {
    const line = `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...result })}\n`
    try {
      // In one write, so that two matrices with the same file do not mix their lines.
      appendFileSync(this.path, this.#endsInLine ? `\n${line}` : line)
    } catch (cause) {
      this.#endsInLine = true
      throw fault('the results of the matrix cannot be written', this.path, cause)
    }
    this.#endsInLine = false
    if (result.key !== null) this.#results.set(result.key, result)
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw fault('the results of the matrix cannot be read', path, cause)
  }
}

/** Null for what is not a whole result of this version. */
function parsed(line: string): MatrixResult | null {
  try {
    const { schemaVersion, ...read } = JSON.parse(line) as Partial<MatrixResult> & { schemaVersion?: unknown }
    const isWhole =
      schemaVersion === SCHEMA_VERSION &&
      typeof read.key === 'string' &&
      typeof read.at === 'string' &&
      typeof read.outcome?.kind === 'string' &&
      typeof read.words === 'string' &&
      typeof read.console === 'string' &&
      typeof read.milliseconds === 'number' &&
      typeof read.phases === 'object'
    return isWhole ? (read as MatrixResult) : null
  } catch {
    return null
  }
}

export function fault(summary: string, path: string, cause: unknown): KexecError {
  const { code } = cause as NodeJS.ErrnoException
  return new KexecError(summary, { reason: 'io', path, cause, ...(code === undefined ? {} : { code }) })
}
