// Started by test-mutation.mjs behind the filter, because a mutant might load a kernel.
import { cpSync, existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { Stryker } from '@stryker-mutator/core'
import { allMutants, idOf, sampleOf } from './sample.mjs'

/** Each directory with the unit tests that judge it. What lays out segments is left out: kernels that boot judge it. */
const areas = {
  'src/cmdline': ['cmdline/**/*'],
  'src/policy': ['policy/**/*'],
  'src/plan': ['plan/**/*'],
  'src/engine': ['engine/*'],
  'src/entries/grub': ['entries/grub/**/*', 'entries/*'],
  'src/image/signature': ['image/signature/**/*'],
}

const root = process.cwd()

const { values } = parseArgs({
  options: { sample: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string', multiple: true } },
})
const seed = values.seed ?? new Date().toISOString().slice(0, 10)
const summaries = []
for (const directory of values.only ?? Object.keys(areas)) summaries.push(await testArea(directory))
console.log(`\nseed ${seed}`)
for (const { directory, of, drawn, alive } of summaries)
  console.log(`${directory}: ${drawn - alive} of ${drawn} found, of ${of} mutants`)

/** StrykerJS copies links to directories as files, and fixtures have such links: so it works in a copy that is made here. */
function makeCopy(copy) {
  rmSync(copy, { recursive: true, force: true })
  for (const name of ['src', 'test', 'docs', 'native', 'scripts', 'build/Release', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true, verbatimSymlinks: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
}

async function testArea(directory) {
  const cache = join(root, 'build/mutation', directory.replaceAll('/', '-'))
  makeCopy(join(cache, 'copy'))
  process.chdir(join(cache, 'copy'))
  const all = await allMutants(directory)
  const drawn = values.sample === undefined ? all : sampleOf(all, Number(values.sample), seed)
  const ids = new Set(drawn.map((mutant) => idOf(mutant)))
  // Both are read by processes that StrykerJS starts.
  process.env.MUTANTS_DRAWN = join(cache, 'drawn.json')
  process.env.MUTATION_TESTS = JSON.stringify(areas[directory].map((tests) => `test/unit/${tests}.test.ts`))
  writeFileSync(process.env.MUTANTS_DRAWN, JSON.stringify([...ids]))
  const incrementalFile = join(cache, 'results.json')
  const results = await new Stryker(options(directory, drawn, incrementalFile)).runMutationTest()
  forgetTheOthers(incrementalFile)
  const judged = results.filter((mutant) => ids.has(idOf(mutant, 1)))
  const alive = judged.filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
  for (const mutant of alive) console.log(describe(mutant))
  return { directory, of: all.length, drawn: judged.length, alive: alive.length }
}

function options(directory, mutants, incrementalFile) {
  return {
    mutate: mutants.map(({ fileName, location: { start, end } }) => {
      return `${fileName}:${start.line + 1}:${start.column}-${end.line + 1}:${end.column}`
    }),
    inPlace: true,
    ignorePatterns: ['*', '!src/**', '!test/unit/**'],
    plugins: ['@stryker-mutator/vitest-runner', import.meta.resolve('./plugins.mjs')],
    checkers: ['drawn'],
    testRunner: directory === 'src/plan' ? 'vitest' : 'vitest-in-one-worker',
    vitest: { configFile: 'scripts/mutation/vitest.config.mjs', related: false },
    concurrency: 1,
    // Counting finds endless loops. A busy machine is slow, and that must not count as a mutant found.
    timeoutMS: 20_000,
    timeoutFactor: 4,
    dryRunTimeoutMinutes: 60,
    incremental: true,
    incrementalFile,
    reporters: ['progress-append-only'],
    disableTypeChecks: false,
  }
}

/** Survivors are tested again by every run, and "not drawn" is no answer for the next sample. */
function forgetTheOthers(incrementalFile) {
  if (!existsSync(incrementalFile)) return
  const results = JSON.parse(readFileSync(incrementalFile, 'utf8'))
  for (const file of Object.values(results.files))
    file.mutants = file.mutants.filter(({ status }) => !['CompileError', 'Survived'].includes(status))
  writeFileSync(incrementalFile, JSON.stringify(results))
}

function describe({ fileName, location: { start }, status, mutatorName, replacement }) {
  const place = `${relative(process.cwd(), fileName)}:${start.line}:${start.column}`
  return `${place} ${status} ${mutatorName}: ${replacement.replace(/\s+/g, ' ').slice(0, 120)}`
}
