import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixtureFile, fixtureNames } from '../unit/entries/fixtures.ts'
import { GrubJudge } from './grub-judge.ts'

let judge: GrubJudge
beforeAll(async () => {
  judge = await GrubJudge.open()
})
afterAll(() => judge?.close())

describe('the real GRUB, with commands that print what they would load', () => {
  test.each(fixtureNames.filter((name) => existsSync(fixtureFile(name, 'disk.txt'))))('%s', async (name) => {
    const file = fixtureFile(name, 'expected.json')
    const judgement = await judge.judge(name)
    if (process.env['UPDATE_JUDGE']) writeFileSync(file, `${JSON.stringify(judgement, null, 2)}\n`)
    expect(judgement).toEqual(JSON.parse(readFileSync(file, 'utf8')))
  })
})
