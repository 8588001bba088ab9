import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

// The order of directories that docs/architecture.md lists is the order that the imports keep, those of types included.

/** More of them, and a directory has more than one subject. */
const MAX_FILES = 15

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')

/** Directories and files directly in src/, the lowest first. */
const order = [...page.matchAll(/^\| (`src\/.*?) \|/gm)].flatMap(([, cell]) =>
  [...(cell as string).matchAll(/`(src\/[\w.-]+)\/?`/g)].map(([, unit]) => unit as string),
)

/** What other programs start from. */
const entryPoints = ['src/cli', 'src/index.ts', 'src/vm']

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('src', name))
  .sort()

/** Which files a file imports, whether at its start or when it runs. */
const imports = new Map(files.map((file) => [file, importsOf(file)]))

function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'), true, true)
  return importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => normalize(join(dirname(file), fileName)))
    .filter((path) => path.startsWith('src/'))
}

const edges = [...imports].flatMap(([from, targets]) => targets.map((to) => [from, to] as const))

/** The directory or file directly in src/ that a file belongs to. */
function unitOf(file: string): string {
  return file.split('/').slice(0, 2).join('/')
}

type Graph = ReadonlyMap<string, readonly string[]>

/** Every set of nodes in which each leads to each other, by Tarjan's algorithm; single nodes left out. */
function cyclesOf(graph: Graph): string[][] {
  const cycles: string[][] = []
  const numbers = new Map<string, number>()
  const stack: string[] = []
  const visit = (node: string): number => {
    const number = numbers.size
    numbers.set(node, number)
    const position = stack.push(node) - 1
    let lowest = number
    for (const next of graph.get(node) ?? []) {
      const reached = numbers.get(next)
      if (reached === undefined) lowest = Math.min(lowest, visit(next))
      else if (stack.includes(next)) lowest = Math.min(lowest, reached)
    }
    if (lowest === number) {
      const cycle = stack.splice(position)
      if (cycle.length > 1) cycles.push(cycle.sort())
    }
    return lowest
  }
  for (const node of graph.keys()) if (!numbers.has(node)) visit(node)
  return cycles
}

describe('the directories of src/', () => {
  test('are those that docs/architecture.md lists', () => {
    expect([...order].sort()).toEqual([...new Set(files.map(unitOf))].sort())
  })

  test('import only what stands above them there', () => {
    const rank = (file: string) => order.indexOf(unitOf(file))
    expect(edges.filter(([from, to]) => rank(from) < rank(to))).toEqual([])
  })

  test.each(entryPoints)('%s is imported by nothing else in src/', (unit) => {
    // A rehearsal is made in a machine of src/vm.
    const allowed = unit === 'src/vm' ? ['src/vm', 'src/rehearsal'] : [unit]
    const wrong = edges.filter(([from, to]) => unitOf(to) === unit && !allowed.includes(unitOf(from)))
    expect(wrong).toEqual([])
  })

  test('have no cycles of files', () => {
    expect(cyclesOf(imports)).toEqual([])
  })

  // Between the directories directly in src/ the order rules cycles out: what is left are those within one.
  test('have no cycles of directories, parents and children counted apart', () => {
    const graph = new Map<string, string[]>()
    for (const [from, to] of edges) {
      const [one, other] = [dirname(from), dirname(to)]
      if (unitOf(from) !== unitOf(to) || one === other) continue
      graph.set(one, [...(graph.get(one) ?? []), other])
    }
    expect(cyclesOf(graph)).toEqual([])
  })

  test(`hold at most ${MAX_FILES} files each`, () => {
    const sizes = new Map<string, number>()
    for (const file of files) sizes.set(dirname(file), (sizes.get(dirname(file)) ?? 0) + 1)
    expect([...sizes].filter(([, size]) => size > MAX_FILES)).toEqual([])
  })

  test('share their names with no file beside them', () => {
    const directories = new Set(files.map(dirname))
    expect(files.filter((file) => directories.has(file.replace(/\.ts$/, '')))).toEqual([])
  })
})

test('the imports are found: of types, of values, and while a program runs', () => {
  expect(edges).toContainEqual(['src/cli/main.ts', 'src/cli/commands/list.ts'])
  expect(edges).toContainEqual(['src/abort.ts', 'src/errors.ts'])
  expect(edges).toContainEqual(['src/vm/machine/qemu.ts', 'src/vm/machine/architectures.ts'])
  expect(
    cyclesOf(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['b']],
      ]),
    ),
  ).toEqual([['b', 'c']])
})

describe('docs/architecture.md', () => {
  const paths = [...page.matchAll(/`(src\/[\w./-]+)`/g)].map(([, path]) => path as string)
  const declared = [...page.matchAll(/`(\w+)` \(`(src\/[\w./-]+\.ts)`\)/g)].map(
    ([, name, file]) => [name as string, file as string] as const,
  )
  /** What the picture shows of data that goes from one directory to another. */
  const arrows = [...page.matchAll(/^ {2}([\w-]+) -- .+ --> ([\w-]+)$/gm)]
    .map(([, from, to]) => [`src/${from}`, `src/${to}`] as const)
    .filter(([from, to]) => order.includes(from) && order.includes(to))

  test('names only files and directories that are there', () => {
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  test('finds every type and list where it says', () => {
    expect(declared.length).toBeGreaterThan(15)
    const missing = declared.filter(([name, file]) => {
      const declaration = new RegExp(`^(export )?(const|interface|type|class|(async )?function) ${name}\\b`, 'm')
      return !declaration.test(readFileSync(join(root, file), 'utf8'))
    })
    expect(missing).toEqual([])
  })

  test('draws an arrow only where one of the two directories imports the other', () => {
    expect(arrows.length).toBeGreaterThan(8)
    const pairs = new Set(edges.map(([from, to]) => `${unitOf(from)} ${unitOf(to)}`))
    expect(arrows.filter(([from, to]) => !pairs.has(`${to} ${from}`) && !pairs.has(`${from} ${to}`))).toEqual([])
  })
})
