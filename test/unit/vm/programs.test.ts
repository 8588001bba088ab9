import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

/**
 * Set-up installs what scripts/programs.mjs lists. A program that some code starts and that is not in it is found missing on the
 * first machine that is not like ours.
 */
const root = join(import.meta.dirname, '../../..')

/** A name of a function, and where among its arguments the program is. */
type Starters = Map<string, number>

/** What starts programs everywhere: these, and what is exported that hands its own parameter on to one. */
const known: Starters = new Map(
  ['execFile', 'execFileSync', 'spawn', 'spawnSync', 'execute', 'findProgram'].map((name) => [name, 0] as const),
)

/** Those that need nothing: set-up tells what to do without them, or they are tried and done without. */
const optional = new Set(['sudo', 'bootctl'])

const sources = ['src/vm', 'scripts', 'test', 'bench', 'native/test', 'examples'].flatMap((directory) =>
  readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|mjs|cjs|js)$/.test(name) && !name.includes('node_modules'))
    .map((name) => join(root, directory, name)),
)
const parsed = sources.map((file) =>
  ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true),
)

test('every program that is started is in the list that set-up installs from', async () => {
  const { jobs, foreign } = (await import(join(root, 'scripts/programs.mjs'))) as {
    jobs: Record<string, readonly string[]>
    foreign: Record<string, readonly string[]>
  }
  const listed = new Set([...Object.values(jobs), ...Object.values(foreign)].flat())
  const started = startedPrograms()
  // That this test still sees: one started directly, one through a function of its file, one through a function of another's.
  for (const program of ['flock', 'objcopy', 'mkimage', 'apt-cache']) expect([...started.keys()]).toContain(program)
  const missing = [...started].filter(([program]) => !listed.has(program) && !optional.has(program))
  expect(missing.map(([program, file]) => `${program}, by ${relative(root, file)}`)).toEqual([])
})

/** Names of programs that are string literals where they are started, each with a file that starts it. */
function startedPrograms(): Map<string, string> {
  const found = new Map<string, string>()
  const starters = new Map(parsed.map((file) => [file, new Map() as Starters]))
  const size = () => [known, ...starters.values()].reduce((sum, { size }) => sum + size, 0)
  for (let before = -1; before !== size(); ) {
    before = size()
    for (const [file, own] of starters) visit(file, own, (call, place) => learn(call, place, own))
  }
  for (const [file, own] of starters) {
    visit(file, own, (call, place) => {
      for (const name of literals(call.arguments[place]))
        if (/^[a-z][\w.+-]*$/.test(name)) found.set(name, file.fileName)
    })
  }
  return found
}

function visit(node: ts.Node, own: Starters, body: (call: ts.CallExpression, place: number) => void): void {
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
    const place = own.get(node.expression.text) ?? known.get(node.expression.text)
    if (place !== undefined) body(node, place)
  }
  ts.forEachChild(node, (child) => visit(child, own, body))
}

/** `const run = (program, …args) => execFileSync(program, args)`: run starts programs, too. */
function learn(call: ts.CallExpression, place: number, own: Starters): void {
  const argument = call.arguments[place]
  if (argument === undefined || !ts.isIdentifier(argument)) return
  for (let node: ts.Node = call; node.parent !== undefined; node = node.parent) {
    if (!ts.isFunctionLike(node)) continue
    const parameter = node.parameters.findIndex(({ name }) => ts.isIdentifier(name) && name.text === argument.text)
    if (parameter === -1) continue
    const declaration = ts.isVariableDeclaration(node.parent) ? node.parent : node
    const { name } = declaration
    if (name === undefined || !ts.isIdentifier(name)) return
    const isExported = (ts.getCombinedModifierFlags(declaration as ts.Declaration) & ts.ModifierFlags.Export) !== 0
    const scope = isExported ? known : own
    scope.set(name.text, parameter)
    return
  }
}

function literals(node: ts.Expression | undefined): string[] {
  if (node === undefined) return []
  if (ts.isStringLiteral(node)) return [node.text]
  if (ts.isConditionalExpression(node)) return [...literals(node.whenTrue), ...literals(node.whenFalse)]
  if (ts.isBinaryExpression(node)) return literals(node.right)
  return []
}
