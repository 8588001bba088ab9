import { KexecError } from '../../errors.ts'
import {
  checkOptions,
  flag,
  isObject,
  listOf,
  milliseconds,
  type OptionKind,
  type OptionKinds,
  oneOf,
  oneOrMore,
  path,
  positiveNumber,
  text,
} from '../../options.ts'
import type {
  MatrixDefinition,
  MatrixException,
  MatrixKernel,
  MatrixSettings,
  MatrixVariant,
} from '../model/definition.ts'

/** Its members are checked by themselves, so that a sentence can name them. */
const kernel: OptionKind = {
  what: 'a path or { kernel, initrd, name }',
  accepts: (value) => path.accepts(value) || (isObject(value) && !Array.isArray(value)),
}
const object: OptionKind = { what: 'an object', accepts: (value) => isObject(value) && !Array.isArray(value) }

/** A name is one line of the report. */
const name: OptionKind = {
  what: 'a text of one line',
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
  accepts: (value) => typeof value === 'string' && value.trim() !== '' && !/[\x00-\x1f\x7f]/.test(value),
}

const engine = oneOf('auto', 'file', 'segments')

const settings: OptionKinds<MatrixSettings> = {
  commandLine: text,
  append: oneOrMore(text),
  remove: oneOrMore(text),
  overlay: listOf(path),
  fast: flag,
  tryAnyway: flag,
  init: text,
  expect: text,
  rootImage: path,
  memory: positiveNumber,
  cpus: positiveNumber,
  timeout: milliseconds,
  accelerator: oneOf('auto', 'kvm', 'tcg'),
  qemuArguments: listOf(text),
}

const matrix: OptionKinds<MatrixDefinition> = {
  ...settings,
  name,
  from: listOf(kernel),
  to: listOf(kernel),
  engine: oneOrMore(engine),
  variants: listOf(object),
  except: listOf(object),
}

const kernelKinds: OptionKinds<MatrixKernel> = { kernel: path, initrd: oneOrMore(path), name }
const variantKinds: OptionKinds<MatrixVariant> = { ...settings, name }
const exceptionKinds: OptionKinds<MatrixException> = {
  from: oneOrMore(name),
  to: oneOrMore(name),
  engine: oneOrMore(engine),
  variant: oneOrMore(name),
}

/**
 * Checks the shape of a matrix.
 * @param called as a reader knows it: a file's name, or 'matrix()'
 * @throws KexecError 'invalid-argument', which names the member and the nearest one
 */
export function checkDefinition(called: string, given: unknown): MatrixDefinition {
  const checked = checkOptions<MatrixDefinition>(called, (given ?? null) as MatrixDefinition, matrix)
  if (checked.from === undefined)
    throw invalid(`${called} has no 'from'`, 'It is the list of the kernels that load: paths, or { kernel, name }.')
  for (const list of ['from', 'to', 'engine', 'variants'] as const)
    if (checked[list]?.length === 0) throw invalid(`'${list}' of ${called} is empty`)
  checkSuccess(called, checked)
  const { from, to, variants, except } = checked
  return {
    ...checked,
    from: from.map((each, index) => checkedKernel(`from[${index}] of ${called}`, each)),
    ...(to && { to: to.map((each, index) => checkedKernel(`to[${index}] of ${called}`, each)) }),
    ...(variants && {
      variants: variants.map((each, index) => checkedVariant(`variants[${index}] of ${called}`, each, checked)),
    }),
    ...(except && { except: except.map((each, index) => checkedException(`except[${index}] of ${called}`, each)) }),
  }
}

function checkedKernel(called: string, given: string | MatrixKernel): string | MatrixKernel {
  if (typeof given === 'string') return given
  const checked = checkOptions(called, given, kernelKinds)
  if (checked.kernel === undefined) throw invalid(`${called} has no 'kernel'`)
  return checked
}

function checkedVariant(called: string, given: MatrixVariant, common: MatrixSettings): MatrixVariant {
  const checked = checkOptions(called, given, variantKinds)
  checkSuccess(called, { ...common, ...checked })
  return checked
}

function checkedException(called: string, given: MatrixException): MatrixException {
  const checked = checkOptions(called, given, exceptionKinds)
  if (Object.keys(checked).length === 0) throw invalid(`${called} is empty, and would leave everything out`)
  return checked
}

function checkSuccess(called: string, { init, expect }: MatrixSettings): void {
  if (init !== undefined && expect !== undefined)
    throw invalid(`'init' and 'expect' of ${called} exclude each other: with expect, the initrd's own init runs`)
}

export function invalid(summary: string, hint?: string): KexecError {
  return new KexecError(summary, { reason: 'invalid-argument', ...(hint === undefined ? {} : { hint }), refused: true })
}
