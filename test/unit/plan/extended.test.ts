import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { extendedPlan, plan } from '../../../src/plan/plan.ts'
import { emptyArchive } from '../entries/tree.ts'
import { debian, makeMachine, newer } from './debian.ts'

test('a plan of streams, which can be read only once, is extended: its bytes, and the additions', async () => {
  const root = makeMachine(debian)
  const kernel = readFileSync(join(root, `boot/vmlinuz-${newer}`))
  const given = { root, commandLine: 'quiet a=1 -- last', append: 'b=2', engine: 'file' } as const
  using bare = await plan({ ...given, kernel: Readable.from([kernel]), initrds: [Readable.from([emptyArchive])] })
  const overlay = [{ source: Buffer.from('#!'), destination: '/first' }]
  using extended = await extendedPlan(bare, { append: ['rdinit=/first'], overlay })
  expect(extended.refusals).toEqual([])
  expect(extended.commandLine).toBe('quiet a=1 b=2 rdinit=/first -- last')
  expect(bare.commandLine).toBe('quiet a=1 b=2 -- last')

  await extended.prepare()
  const loaded = extended.preparedBytes()
  expect(Buffer.from(loaded.kernel.read(0, loaded.kernel.size)).equals(kernel)).toBe(true)
  const initrd = Buffer.from(loaded.initrd?.read(0, loaded.initrd.size) ?? [])
  expect(initrd.subarray(0, emptyArchive.length).equals(emptyArchive)).toBe(true)
  expect(initrd.includes('first')).toBe(true)

  // The proof is of the plan itself, without the additions.
  using same = await plan({ ...given, kernel, initrds: [emptyArchive] })
  expect(await bare.rehearsedPlan({})).toEqual(await same.rehearsedPlan({}))
})

test('an addition that is not possible is a refusal of the extended plan alone', async () => {
  using bare = await plan({ root: makeMachine(debian), entry: newer })
  using extended = await extendedPlan(bare, { append: [], overlay: [{ source: '/nowhere', destination: '/x' }] })
  expect(extended.refusals.map(({ reason }) => reason)).toEqual(['not-found'])
  expect(bare.refusals).toEqual([])
})
