import { join } from 'node:path'
import { expect, test } from 'vitest'
import { debian, kernelOf, makeMachine, older } from '../plan/debian.ts'
import { cli, json } from './cli.ts'

test('a kernel, for people', async () => {
  const root = makeMachine()
  const file = join(root, `boot/vmlinuz-${older}`)
  const { status, stdout } = await cli(['inspect', file])
  expect(status).toBe(0)
  expect(stdout).toMatch(/^architecture +x86_64$/m)
  expect(stdout).toMatch(/^version +6\.1\.0-50-cloud-amd64$/m)
  expect(stdout).toMatch(/^size +13\.5 MiB$/m)
  expect(stdout).toMatch(/^command line +at most 2016 bytes$/m)
  // The signed kernel's head alone: the rest is zeros, where the signature should be.
  expect(stdout).toMatch(/^signature +DAMAGED/m)
  expect(stdout).toMatch(/^kexec_file_load +takes it$/m)
})

test('a kernel, as JSON; a relative file is looked for from the working folder', async () => {
  const root = makeMachine()
  const { document } = await json(['inspect', `vmlinuz-${older}`], { cwd: join(root, 'boot') })
  expect(document).toMatchObject({
    path: `vmlinuz-${older}`,
    size: 14_148_096,
    format: 'bzImage',
    bootable: true,
    architecture: 'x86_64',
    version: older,
    maxCommandLine: 2016,
    signature: 'present',
    memoryNeeded: expect.any(Number),
    minimumSize: 14_148_096,
    problems: [],
  })
})

test('a truncated kernel is named, and is no failure to inspect', async () => {
  const root = makeMachine({ '/cut': { file: kernelOf(older) } })
  const { status, document } = await json(['inspect', join(root, 'cut')])
  expect(status).toBe(0)
  expect(document.bootable).toBe(false)
  expect(document.problems.join()).toContain('the file has 20480 bytes where its header asks for 14148096')
})

test.each([
  ['folder', '/boot', 'a directory'],
  ['empty file', '/none', 'an empty file'],
  ['compressed data', '/gzip', 'gzip-compressed data'],
  ['text', '/text', 'a text file'],
  ['FIFO', '/fifo', 'a FIFO'],
])('a %s is named for what it is', async (_name, path, description) => {
  const root = makeMachine({ ...debian, '/none': 'empty', '/gzip': 'gzip', '/text': { text: 'text' }, '/fifo': 'fifo' })
  const { status, document } = await json(['inspect', join(root, path)])
  expect(status).toBe(0)
  expect(document).toMatchObject({ bootable: false, description })
})

test('a file that is not there', async () => {
  const { status, stdout, stderr } = await cli(['inspect', '/nowhere/vmlinuz'])
  expect({ status, stdout }).toEqual({ status: 3, stdout: '' })
  expect(stderr).toMatch(/^refused: ENOENT: no such file, open '\/nowhere\/vmlinuz'\n {2}Check the path/)
})
