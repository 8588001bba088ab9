// The parts that StrykerJS loads into its own processes.
import { readFileSync } from 'node:fs'
import { strykerPlugins as vitestPlugins } from '@stryker-mutator/vitest-runner'
import { idOf } from './sample.mjs'

/** StrykerJS can only be given ranges of text, with all mutants inside them: those that were not drawn are turned away here. */
const drawnOnly = {
  async init() {
    this.drawn = new Set(JSON.parse(readFileSync(process.env.MUTANTS_DRAWN, 'utf8')))
  },
  async check(mutants) {
    return Object.fromEntries(
      mutants.map((mutant) => [
        mutant.id,
        this.drawn.has(idOf(mutant)) ? { status: 'passed' } : { status: 'compileError', reason: 'not drawn' },
      ]),
    )
  },
}

const [{ factory: vitest }] = vitestPlugins

/** Without isolation modules stay loaded, so that code at their top level changes only in a new process. */
function vitestInOneWorker(injector) {
  const runner = vitest(injector)
  runner.capabilities = () => ({ reloadEnvironment: false })
  return runner
}
vitestInOneWorker.inject = vitest.inject

export const strykerPlugins = [
  { kind: 'Checker', name: 'drawn', value: drawnOnly },
  { kind: 'TestRunner', name: 'vitest-in-one-worker', factory: vitestInOneWorker },
]
