import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')

/** Runs a script that has `MemoryWatch` and `Coverage`, in a process of its own: its memory is looked at. */
function run(script: string): Promise<string> {
  const imports = `
    import { MemoryWatch } from ${JSON.stringify(join(root, 'test/fuzz/memory.mjs'))}
    import { Coverage } from ${JSON.stringify(join(root, 'test/fuzz/coverage.mjs'))}`
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--input-type=module', '-e', `${imports}\n${script}`], (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim())
      else reject(new Error(stderr))
    })
  })
}

test('an input that takes much memory is found, and one that comes after it is not blamed', async () => {
  const script = `
    const memory = new MemoryWatch()
    const modest = () => Buffer.alloc(1024, 1)
    const greedy = () => Buffer.alloc(600 * 1024 ** 2, 1).length
    const isHigh = [memory.isHigh()]
    greedy()
    isHigh.push(memory.isHigh())
    const told = [await memory.explain(greedy), await memory.explain(modest)]
    isHigh.push(memory.isHigh())
    console.log(JSON.stringify({ isHigh, told }))`
  const { isHigh, told } = JSON.parse(await run(script))
  expect(isHigh).toEqual([false, true, false])
  expect(told).toEqual([[expect.stringMatching(/^it takes (?:59|60|61)\d MB$/)], []])
})

test('coverage knows functions by module and name, and only those that ran', async () => {
  const script = `
    const coverage = new Coverage('/test/fuzz/')
    const { mutate, wordsOf } = await import(${JSON.stringify(join(root, 'test/fuzz/mutate.mjs'))})
    wordsOf([Buffer.from('a word')])
    coverage.take()
    const asked = [['mutate', 'wordsOf'], ['mutate', 'changeOnce'], ['muta', 'wordsOf'], ['memory', 'wordsOf']]
    console.log(JSON.stringify(asked.map(([module, name]) => coverage.ran(module, name))))`
  expect(JSON.parse(await run(script))).toEqual([true, false, false, false])
})
