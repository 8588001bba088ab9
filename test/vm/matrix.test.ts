import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MatrixRecord } from '../../src/matrix/model/cell.ts'
import { type Kernel, newestKernels } from '../../src/vm/index.ts'

// The command as users have it, on this machine; the kernels load and start in QEMU alone. Three cells boot, and one is refused:
// the whole is `npm run matrix`.

let directory: string
let older: Kernel
let newer: Kernel
beforeAll(async () => {
  const [first, second] = await newestKernels({ progress: (message) => console.error(`  ${message}`) })
  older = first as Kernel
  newer = second as Kernel
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-matrix-test-'))
  writeFileSync(join(directory, 'text'), 'no kernel at all')
  const kernels = [
    { name: 'older', kernel: older.image },
    { name: 'newer', kernel: newer.image },
  ]
  const matrix = {
    ...{ name: 'Two <kernels>', from: kernels, to: [...kernels, { name: 'text', kernel: 'text' }] },
    ...{ engine: ['file', 'segments'], commandLine: 'console=ttyS0', timeout: 250_000 },
    except: [
      { from: 'older', to: 'older' },
      { from: 'newer', to: ['newer', 'text'] },
      { from: 'newer', engine: 'segments' },
      { to: 'text', engine: 'segments' },
    ],
  }
  writeFileSync(join(directory, 'kernels.json'), JSON.stringify(matrix))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Ended {
  readonly status: number | string | null
  readonly record: MatrixRecord
  readonly stderr: string
}

/** @param ended called with each line of a cell that has ended */
function matrix(words: readonly string[], ended?: (line: string, pid: number) => void): Promise<Ended> {
  const args = ['dist/linux-kexec.cjs', 'matrix', join(directory, 'kernels.json'), '--json', ...words]
  return new Promise((resolve) => {
    const env = { ...process.env, TMPDIR: directory, XDG_STATE_HOME: join(directory, 'state') }
    const child = execFile(process.execPath, args, { env, maxBuffer: 1e8 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : (error.code ?? error.signal ?? null)
      resolve({ status, stderr, record: JSON.parse(stdout) as MatrixRecord })
    })
    child.stderr?.on('data', (text: string) => {
      for (const line of text.match(/^\d+\/\d+ .*/gm) ?? []) ended?.(line, child.pid as number)
    })
  })
}

const results = () => readFileSync(join(directory, 'kernels.results.jsonl'), 'utf8').trimEnd().split('\n').length

const outcomes = ({ cells }: MatrixRecord) =>
  cells.map(({ from, to, engine, outcome }) => `${from} ${to} ${engine} ${outcome.kind}`)

test('an interruption keeps the cells that have ended, and leaves nothing behind', async () => {
  const { status, record, stderr } = await matrix(['--jobs', '1'], (line, pid) => {
    if (line.startsWith('1/4 passed')) process.kill(pid, 'SIGINT')
  })
  expect(record.interrupted, stderr).toBe(true)
  expect(status).toBe(1)
  expect(outcomes(record)[0]).toBe('older newer file passed')
  expect(outcomes(record)[3]).toBe('older newer segments not-run')
  expect(results()).toBe(record.counts.all - record.counts.notRun)
  expect(readdirSync(directory).filter((name) => name.startsWith('linux-kexec-rehearsal-'))).toEqual([])
})

test('the next run does the rest, beside each other, and the one after it nothing', async () => {
  const before = results()
  const second = await matrix(['--junit', join(directory, 'junit.xml'), '--jobs', '2'])
  const expected = [
    'older newer file passed',
    'older text file refused',
    'newer older file passed',
    'older newer segments passed',
  ]
  expect(outcomes(second.record), second.stderr).toEqual(expected)
  // One cell did not pass.
  expect(second).toMatchObject({
    status: 1,
    record: { interrupted: false, counts: { passed: 3, failed: 1, kept: before } },
  })
  const [first, text, back] = second.record.cells
  expect(first).toMatchObject({ report: { release: newer.release }, loadedBy: 'file' })
  expect(first?.console).toContain(`Linux version ${newer.release}`)
  expect(text?.outcome).toMatchObject({ error: { reason: 'not-a-kernel' } })
  expect(back).toMatchObject({ report: { release: older.release }, command: expect.stringContaining('rehearse') })
  const page = readFileSync(join(directory, 'kernels.html'), 'utf8')
  expect(page).toContain('<title>Two &lt;kernels&gt;: 3 of 4 passed</title>')
  expect(page).toContain(`Linux version ${newer.release}`)
  expect(readFileSync(join(directory, 'junit.xml'), 'utf8')).toContain('tests="4" failures="1"')
  const third = await matrix([])
  expect(third.stderr).toContain('0 cells to rehearse, 4 kept of earlier runs')
  expect(outcomes(third.record)).toEqual(expected)
})
