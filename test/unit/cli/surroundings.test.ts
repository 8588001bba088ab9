import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { denyKexec, program } from './cli.ts'

const run = promisify(execFile)

/** Calls the command in a directory that was removed. */
async function inRemovedDirectory(...words: string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-gone-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
  const call = [denyKexec, '1', '--', process.execPath, program, ...words]
  return run('sh', ['-c', script, '-', directory, ...call]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
}

test('a current directory that was removed is no fault of the program, and only relative paths need one', async () => {
  const relative = await inRemovedDirectory('plan', './vmlinuz', '--no-initrd', '--command-line', 'x')
  expect(relative).toMatchObject({ code: 3, stderr: expect.stringContaining('the current directory does not exist') })
  for (const words of [
    ['plan', 'newest'],
    ['load', './vmlinuz'],
    ['kexec', '-l', 'vmlinuz'],
    ['list', '--root', '.'],
  ]) {
    const { stderr } = await inRemovedDirectory(...words)
    expect(stderr, words.join(' ')).not.toContain('fault in linux-kexec')
  }
  const absolute = await inRemovedDirectory('inspect', resolve('package.json'))
  expect(absolute.stderr).not.toContain('current directory')
})

test('nothing warns of descriptors in a worker thread', async () => {
  const work = `(async () => {
    const { MemoryFile } = await import(${JSON.stringify(resolve('modules/system/memory-file.js'))})
    const memory = new MemoryFile('test', 'for a test')
    memory.write(Buffer.from('HdrS'))
    memory.close()
    const { status, loadedImages, inspectFile } = await import(${JSON.stringify(resolve('dist/index.js'))})
    status()
    loadedImages()
    inspectFile(${JSON.stringify(resolve('package.json'))})
    console.log('done')
  })()`
  const script = `new (require('node:worker_threads').Worker)(${JSON.stringify(work)}, { eval: true })`
  const { stdout, stderr } = await run(denyKexec, ['1', '--', process.execPath, '--eval', script])
  expect({ stdout, stderr }).toEqual({ stdout: 'done\n', stderr: '' })
})
