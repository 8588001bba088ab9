import { existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { arm64Image } from '../image/tools.ts'
import { kernelDirectory } from '../matrix/records.ts'
import { cli, json } from './cli.ts'

const release = '6.1.0-50-cloud-amd64'

/** A file with this content, in a directory with a kernel of each architecture. */
function fileOf(content: unknown): string {
  const directory = kernelDirectory(release)
  writeFileSync(join(directory, 'Image'), arm64Image())
  const file = join(directory, 'kernels.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

/** One that this machine cannot rehearse. */
const foreign = process.arch === 'arm64' ? release : 'Image'

describe('the words of the call', () => {
  test.each([
    [['--jobs', '0'], "--jobs takes a whole number of at least 1, not '0'"],
    [['--jobs', 'many'], "--jobs takes a whole number of at least 1, not 'many'"],
    [['--again=passed'], "--again takes failed, not 'passed'"],
    [['--parallel'], 'matrix has no option --parallel'],
  ])('%j is a wrong call', async (words, message) => {
    const { status, stderr, stdout } = await cli(['matrix', 'kernels.json', ...words])
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
  })

  test.each(['--report', '--junit'])('%s cannot take the place of the matrix', async (option) => {
    const file = fileOf({ from: [foreign] })
    for (const path of [file, file.replace('/kernels', '/./kernels')]) {
      const { status, stderr } = await cli(['matrix', file, option, path])
      expect([status, stderr]).toEqual([2, expect.stringContaining('would replace')])
    }
  })
})

test.each([
  ['{"form": []}', 'invalid-argument', "has no option 'form'"],
  ['{', 'invalid-argument', 'is not JSON'],
  ['{"from": ["nowhere"]}', 'not-found', 'nowhere'],
])('%s is a wrong file: status 2, and no report', async (content, reason, message) => {
  const file = fileOf(content)
  const { status, document, stderr } = await json(['matrix', file])
  expect([status, document.error.reason]).toEqual([2, reason])
  expect(stderr).toContain(message)
  expect(existsSync(file.replace('.json', '.html'))).toBe(false)
})

test('cells of another architecture are not run, and the reports say why', async () => {
  const file = fileOf({ name: 'Both <kernels>', from: [foreign], engine: ['file', 'segments'] })
  const junit = join(file, '../junit.xml')
  const { status, stdout, stderr } = await cli(['matrix', file, '--junit', junit])
  expect(status).toBe(1)
  expect(stderr).toContain('0 cells to rehearse, 0 kept of earlier runs, 2 not for this machine')
  expect(stdout).toMatch(/^passed: 0 of 2 cells; 0 did not, and 2 were not run\n/)
  const page = readFileSync(file.replace('.json', '.html'), 'utf8')
  expect(page).toContain('<h1>Both &lt;kernels&gt;</h1>')
  expect(page).toContain('– not run')
  expect(page).toMatch(/a rehearsal of \w+ kernels needs an \w+ machine, and this is \w+/)
  expect(readFileSync(junit, 'utf8')).toContain('tests="2" failures="0" errors="0" skipped="2"')
})

test('a report goes through a link, which stays', async () => {
  const file = fileOf({ from: [foreign] })
  const link = join(file, '../link')
  symlinkSync('target', link)
  await cli(['matrix', file, '--report', link, '--junit', link])
  expect(lstatSync(link).isSymbolicLink()).toBe(true)
  expect(readFileSync(join(file, '../target'), 'utf8')).toContain('<testsuites')
})
