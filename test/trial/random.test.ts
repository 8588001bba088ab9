import { afterAll, beforeAll, expect, test } from 'vitest'
import { kinds, type TrialKind } from '../vm/trials/kinds.ts'
import { powerCuts } from '../vm/trials/power-cuts.ts'
import { Deck, Random } from '../vm/trials/random.ts'
import { SlotMachine } from '../vm/trials/slot-machine.ts'
import { drawCircumstances, Trial } from '../vm/trials/trial.ts'

const count = Number(process.env['LINUX_KEXEC_TRIALS'] ?? 100)
const seed = Number(process.env['LINUX_KEXEC_SEED'])
/** Part of the trials, as drawn with this seed; by default all. */
const part = new RegExp(process.env['LINUX_KEXEC_KIND'] ?? '')

/** Half of the trials end in a power cut. In a hundred of them, every kind is drawn, those that CI leaves out too. */
const decks = [kinds, powerCuts].map((all, which) => new Deck<TrialKind>(new Random(seed + which), Object.values(all)))
const trials = Array.from({ length: count }, (_, index) => {
  const random = new Random(seed * 10_007 + index)
  const kind = (decks[index % 2] as Deck<TrialKind>).deal()
  const circumstances = drawCircumstances(random)
  const { isWatched = circumstances.isWatched } = kind
  return { name: `trial ${index}: ${kind.name}`, index, kind, random, circumstances: { ...circumstances, isWatched } }
})
const drawn = trials.filter(({ kind }) => part.test(kind.name))

test.runIf(count >= 100)('every kind is drawn', () => {
  const names = Object.values({ ...kinds, ...powerCuts }).map(({ name }) => name)
  expect(new Set(trials.map(({ kind }) => kind.name))).toEqual(new Set(names))
})

let machine: SlotMachine | undefined
beforeAll(async () => {
  machine = await SlotMachine.start()
})
afterAll(() => machine?.stop())

test.each(drawn)('$name', async ({ index, kind, random, circumstances }) => {
  // A machine that a trial has lost is replaced; the trial itself has failed.
  machine ??= await SlotMachine.start()
  const begin = performance.now()
  try {
    const trial = new Trial(machine, random, circumstances)
    await trial.prepare()
    await kind.run(trial)
  } catch (error) {
    const tail = machine.vm.consoleTail(40).join('\n')
    await machine.stop()
    machine = undefined
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const title = `seed ${seed}, trial ${index}, ${JSON.stringify(circumstances)}`
    throw new Error(`${title}: ${words}\nThe console ended with\n${tail}`, { cause: error })
  }
  const seconds = Math.round((performance.now() - begin) / 1000)
  console.log(`trial ${index}: ${kind.name} (${Object.values(circumstances).join(', ')}): ${seconds} s`)
  expect(seconds).toBeGreaterThan(0)
})
