import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { json } from './guests.ts'
import { kinds, type TrialKind } from './trials/kinds.ts'
import { powerCuts } from './trials/power-cuts.ts'
import { Random } from './trials/random.ts'
import { SlotMachine } from './trials/slot-machine.ts'
import { type Circumstances, drawCircumstances, Trial } from './trials/trial.ts'

// Trials on a machine whose firmware starts GRUB, which starts slot A or B. `npm run test:trial` makes many more of them, of
// random kinds; here one of each kind that is not in trial-watchdog.test.ts.

let machine: SlotMachine
beforeAll(async () => {
  machine = await SlotMachine.start()
})
afterAll(() => machine?.stop())

/** A gate must not change with the day: `npm run test:trial` draws others. */
const seed = 20_787

/** What is not given here is drawn. */
const courses: readonly (readonly [TrialKind, Partial<Circumstances>])[] = [
  [kinds.never, { menu: 'saved-old', engine: 'file' }],
  [kinds.panics, { menu: 'newest', engine: 'segments', fast: true }],
  [kinds.damagedInitrd, { menu: 'saved-new', engine: 'file' }],
  [kinds.noRoot, { menu: 'newest', engine: 'segments', fast: false }],
  [kinds.checkFails, { menu: 'saved-new' }],
  [kinds.checkHangs, { menu: 'saved-old' }],
  [kinds.killed, {}],
  [kinds.cancelled, { menu: 'newest' }],
  [powerCuts.whileLoading, { menu: 'newest' }],
  [powerCuts.whileStarting, { menu: 'saved-new' }],
  [powerCuts.whileConfirming, { menu: 'saved-old' }],
  [kinds.good, { menu: 'newest', isWatched: true }],
]

test('without anything that would end a hang, the trial is refused, and nothing is loaded', async () => {
  const { vm } = machine
  const { status, document } = await json(vm, 'linux-kexec load newest --trial')
  expect(status).toBe(3)
  expect(document.error).toMatchObject({ reason: 'no-guard', hint: expect.stringContaining('--trial=best-effort') })
  expect((await json(vm, 'linux-kexec status')).document.loaded).toBe(false)
  expect((await machine.standing()).status).toMatchObject({ outcome: 'none', record: null })
})

describe(`trials, with the seed ${seed}`, () => {
  test.each(courses.map(([kind, given], index) => ({ name: kind.name, kind, given, index })))(
    '$name',
    async ({ kind, given, index }) => {
      const random = new Random(seed * 10_007 + index)
      const circumstances = { ...drawCircumstances(random), isWatched: false, ...given }
      console.error(`  ${Object.values(circumstances).join(', ')}`)
      const trial = new Trial(machine, random, circumstances)
      await trial.prepare()
      await kind.run(trial)
    },
  )
})
