import { appendFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { prepareMatrix } from '../../../src/matrix/matrix.ts'
import type { MatrixCell } from '../../../src/matrix/model/cell.ts'
import { needsOf } from '../../../src/matrix/run/limits.ts'
import { runBesideEachOther } from '../../../src/matrix/run/pool.ts'
import { ResultsFile } from '../../../src/matrix/run/results-file.ts'
import { kernelDirectory, newDirectory, result } from './records.ts'

describe('tasks beside each other', () => {
  interface Task {
    readonly processors: number
    readonly memory: number
  }

  /** How many ran at a time at most, and the most processors and memory; each takes some turns of the event loop. */
  async function most(tasks: readonly Task[], limits: { jobs: number; processors: number; memory: number }) {
    const running = new Set<Task>()
    const seen = { jobs: 0, processors: 0, memory: 0, done: 0 }
    await runBesideEachOther(
      tasks,
      limits,
      (task) => task,
      async (task) => {
        running.add(task)
        const sum = (key: keyof Task) => [...running].reduce((all, each) => all + each[key], 0)
        seen.jobs = Math.max(seen.jobs, running.size)
        seen.processors = Math.max(seen.processors, sum('processors'))
        seen.memory = Math.max(seen.memory, sum('memory'))
        for (let turns = 0; turns < 5; turns++) await turn()
        running.delete(task)
        seen.done += 1
      },
    )
    return seen
  }

  const eight = Array.from({ length: 8 }, () => ({ processors: 1, memory: 1000 }))
  const unlimited = Number.POSITIVE_INFINITY

  test.each([
    [{ jobs: 3, processors: unlimited, memory: unlimited }, 3],
    [{ jobs: unlimited, processors: 2, memory: unlimited }, 2],
    [{ jobs: unlimited, processors: unlimited, memory: 4999 }, 4],
    [{ jobs: unlimited, processors: unlimited, memory: unlimited }, 8],
  ])('within %j', async (limits, jobs) => {
    expect(await most(eight, limits)).toMatchObject({ jobs, done: 8 })
  })

  test('what needs more than there is runs alone', async () => {
    const tasks = [
      ...eight.slice(0, 2),
      { processors: 4, memory: 9000 },
      ...eight.slice(0, 2).map((each) => ({ ...each })),
    ]
    expect(await most(tasks, { jobs: unlimited, processors: 2, memory: 4000 })).toMatchObject({
      memory: 9000,
      processors: 4,
      done: 5,
    })
  })

  test('after a failure or a signal no more are begun, and those that run are waited for', async () => {
    const ended: number[] = []
    const need = () => ({ processors: 1, memory: 1 })
    const limits = { jobs: 2, processors: 9, memory: 9 }
    const failing = runBesideEachOther([0, 1, 2, 3], limits, need, async (task) => {
      if (task === 0) throw new Error('first')
      await turn()
      ended.push(task)
    })
    await expect(failing).rejects.toThrow('first')
    expect(ended).toEqual([1])
    const abort = new AbortController()
    const run = async (task: number) => {
      if (task === 5) abort.abort()
      ended.push(task)
    }
    await runBesideEachOther([4, 5, 6, 7], { ...limits, jobs: 1 }, need, run, abort.signal)
    expect(ended).toEqual([1, 4, 5])
  })
})

test('a cell needs memory for all that is added to its initrd, too', () => {
  const release = '6.1.0-50-cloud-amd64'
  const directory = kernelDirectory(release)
  mkdirSync(join(directory, 'modules/kernel'), { recursive: true })
  for (const name of ['modules/kernel/a.ko', 'tool']) {
    writeFileSync(join(directory, name), '')
    truncateSync(join(directory, name), 2 ** 28)
  }
  const needs = (overlay: readonly string[]) =>
    needsOf(prepareMatrix({ from: [release], overlay }, directory).cells[0] as MatrixCell).memory
  expect(needs([])).toBe(1024 + 256)
  // The kernel's copies, and those of the archive: src/rehearsal/machine/memory.ts.
  expect(needs(['modules:/lib/modules'])).toBeGreaterThan(7 * 256)
  expect(needs(['modules:/lib/modules', 'tool:/bin/'])).toBeGreaterThan(14 * 256)
})

describe('the file of the results', () => {
  test('has what was added, and of a key the last', () => {
    const path = join(newDirectory(), 'results.jsonl')
    const file = new ResultsFile(path)
    expect(file.find('a')).toBeUndefined()
    file.add(result({ key: 'a', milliseconds: 1 }))
    file.add(result({ key: 'b', console: 'two\nlines' }))
    file.add(result({ key: 'a', milliseconds: 2 }))
    for (const each of [file, new ResultsFile(path)]) {
      expect(each.find('a')).toEqual(result({ key: 'a', milliseconds: 2 }))
      expect(each.find('b')?.console).toBe('two\nlines')
    }
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(4)
  })

  test('a line that was cut off is passed over, and harms neither the one before nor the one behind', () => {
    const path = join(newDirectory(), 'results.jsonl')
    new ResultsFile(path).add(result({ key: 'a' }))
    const whole = readFileSync(path, 'utf8')
    for (const length of [1, 20, whole.length - 2]) {
      writeFileSync(path, whole)
      appendFileSync(path, whole.replace('"key":"a"', '"key":"b"').slice(0, length))
      const file = new ResultsFile(path)
      expect(file.find('b')).toBeUndefined()
      file.add(result({ key: 'c' }))
      const again = new ResultsFile(path)
      expect([again.find('a')?.key, again.find('b'), again.find('c')?.key]).toEqual(['a', undefined, 'c'])
    }
  })

  test('lines of another version, or of something else, are not results', () => {
    const path = join(newDirectory(), 'results.jsonl')
    const other = [{ ...result({ key: 'a' }), schemaVersion: 2 }, { schemaVersion: 1, key: 'a' }, null, 'text', [1]]
    writeFileSync(path, other.map((each) => `${JSON.stringify(each)}\n`).join(''))
    expect(new ResultsFile(path).find('a')).toBeUndefined()
  })

  test('one that cannot be written is an error', () => {
    expect(() => new ResultsFile('/nowhere/results').add(result())).toThrow(expect.objectContaining({ reason: 'io' }))
    expect(() => new ResultsFile('/')).toThrow(expect.objectContaining({ reason: 'io' }))
  })
})
