import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { heed } from '../../src/abort.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('a signal of AbortSignal.any fires although nobody else holds what it is made of', async () => {
  const signals = [
    AbortSignal.any([AbortSignal.timeout(200)]),
    AbortSignal.any([AbortSignal.any([AbortSignal.timeout(200)]), new AbortController().signal]),
    AbortSignal.timeout(200),
  ]
  for (const signal of signals) {
    heed(signal)
    heed(signal)
  }
  heed(undefined)
  for (let round = 0; round < 12; round++) {
    await pause(50)
    collectGarbage()
  }
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true])
})
