import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { inspectFile } from '../../image/inspect/open.ts'
import type { FormatName } from '../../image/model/format-name.ts'
import { parseOverlay } from '../../initrd/overlay-option.ts'
import { nearest } from '../../text.ts'
import type { CellSettings, MatrixCell, NamedKernel } from '../model/cell.ts'
import type {
  MatrixDefinition,
  MatrixEngine,
  MatrixException,
  MatrixKernel,
  MatrixSettings,
  MatrixVariant,
} from '../model/definition.ts'
import { invalid } from './check.ts'
import { readable } from './read.ts'

/** Formats that hold an initrd beside the kernel. */
const containers: readonly FormatName[] = ['UKI', 'FIT', 'FIT or DTB', 'Android boot image']

interface NamedVariant {
  readonly name: string
  readonly settings: CellSettings
}

/**
 * The cells of a matrix: the product of its lists without the exceptions, by variant, engine, loading and loaded kernel. A kernel
 * of one architecture cannot load one of another, so those are not cells.
 * @param definition checked @param directory what its paths are relative to
 * @throws KexecError 'invalid-argument' for names that are there twice, or that nothing has; 'not-found', 'not-readable' and 'io'
 *   for a kernel
 */
export function cellsOf(definition: MatrixDefinition, directory: string, machine: string): MatrixCell[] {
  const from = namedKernels(definition.from, 'from', directory)
  const to = definition.to === undefined ? from : namedKernels(definition.to, 'to', directory)
  const engines = [...new Set(listOf(definition.engine ?? 'auto'))]
  const variants = namedVariants(definition, directory)
  const names = { from: namesOf(from), to: namesOf(to), engine: engines, variant: namesOf(variants) }
  const except = definition.except ?? []
  for (const [index, each] of except.entries()) checkException(each, `except[${index}]`, names)
  const cells = variants.flatMap(({ name: variant, settings }) =>
    engines.flatMap((engine) =>
      from.flatMap((loading) => to.flatMap((loaded) => cell(loading, loaded, engine, variant, settings, machine))),
    ),
  )
  const left = cells.filter((each) => !except.some((exception) => isExcepted(each, exception)))
  if (left.length === 0) throw invalid('the matrix has no cells', 'Every pair of kernels is left out.')
  return left
}

function cell(
  from: NamedKernel,
  to: NamedKernel,
  engine: MatrixEngine,
  variant: string,
  settings: CellSettings,
  machine: string,
): MatrixCell[] {
  const known = new Set([from.architecture, to.architecture].filter((each) => each !== null))
  if (known.size === 2) return []
  return [{ from, to, engine, variant, settings, architecture: [...known][0] ?? machine }]
}

function namedKernels(
  given: readonly (string | MatrixKernel)[],
  list: string,
  directory: string,
): readonly NamedKernel[] {
  const found = given.map((each) => {
    const { kernel, initrd, name } = typeof each === 'string' ? ({ kernel: each } as MatrixKernel) : each
    const path = resolve(directory, kernel)
    const { version, architecture, format } = inspectFile(path)
    const initrds = listOf(initrd ?? []).map((one) => readable(resolve(directory, one)))
    const release = version ?? basename(kernel)
    const mayHoldInitrd = containers.includes(format)
    return { given: kernel, name, release, kernel: path, initrds, architecture, mayHoldInitrd }
  })
  const named = found.map(({ given: path, name, release, ...kernel }) => {
    const isOnly = found.filter((other) => other.release === release).length === 1
    return { name: name ?? (isOnly ? release : path), ...kernel }
  })
  refuseTwice(namesOf(named), `kernels of '${list}'`)
  return named
}

function namedVariants(definition: MatrixDefinition, directory: string): readonly NamedVariant[] {
  const common = settingsOf(definition)
  const given = definition.variants ?? [{ name: '' }]
  const variants = given.map((variant, index) => ({
    name: variant.name ?? `#${index + 1}`,
    settings: located({ ...common, ...settingsOf(variant) }, directory),
  }))
  refuseTwice(namesOf(variants), "'variants'")
  return variants
}

/** Of a matrix or a variant, the options of its rehearsals alone. */
function settingsOf(given: MatrixDefinition | MatrixVariant): MatrixSettings {
  const {
    name: _name,
    from: _from,
    to: _to,
    engine: _engine,
    variants: _variants,
    except: _except,
    ...rest
  } = given as MatrixDefinition
  return rest
}

function located({ overlay, rootImage, ...rest }: MatrixSettings, directory: string): CellSettings {
  const place = (path: string) => resolve(directory, path)
  const overlays = overlay?.map((text) => {
    const { source, ...more } = parseOverlay(text, (path) => existsSync(place(path)))
    return { ...more, source: readable(place(source as string)) }
  })
  return {
    ...rest,
    ...(rootImage === undefined ? {} : { rootImage: readable(place(rootImage)) }),
    ...(overlays === undefined ? {} : { overlay: overlays }),
  }
}

type Names = Readonly<Record<keyof MatrixException, readonly string[]>>

/** A name that nothing has would leave nothing out, and nobody would notice. */
function checkException(exception: MatrixException, called: string, names: Names): void {
  for (const [member, given] of Object.entries(exception) as [keyof MatrixException, string | readonly string[]][]) {
    for (const name of listOf(given)) {
      if (names[member].includes(name)) continue
      const meant = nearest(name, names[member])
      const all = `There are ${names[member].map((each) => `'${each}'`).join(', ')}.`
      const hint = meant === undefined ? all : `Did you mean '${meant}'? ${all}`
      throw invalid(`'${member}' of ${called} names '${name}', and the matrix has no such ${member}`, hint)
    }
  }
}

function isExcepted({ from, to, engine, variant }: MatrixCell, exception: MatrixException): boolean {
  const own = { from: from.name, to: to.name, engine, variant }
  return (Object.keys(exception) as (keyof MatrixException)[]).every((member) =>
    (listOf(exception[member] ?? []) as readonly string[]).includes(own[member]),
  )
}

function refuseTwice(names: readonly string[], where: string): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined)
    throw invalid(`two of the ${where} are called '${twice}'`, 'Give each a name of its own: "name".')
}

function namesOf(all: readonly { readonly name: string }[]): readonly string[] {
  return all.map(({ name }) => name)
}

function listOf<Item extends string>(given: Item | readonly Item[]): readonly Item[] {
  return typeof given === 'string' ? [given] : given
}
