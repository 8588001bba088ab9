import { execFileSync } from 'node:child_process'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { arm64Image } from '../image/tools.ts'
import { debian, kernelOf, makeMachine, older } from '../plan/debian.ts'
import { cli, json, shown } from './cli.ts'

test('a kernel, for people: the verdict first, then what it is, within the terminal', async () => {
  const file = join(makeMachine({ '/signed': { file: kernelOf(older) } }), 'signed')
  truncateSync(file, 14_148_096)
  expect((await cli(['inspect', file])).status).toBe(0)
  const stdout = await shown(`inspect ${file}`)
  // The signed kernel's head alone: the rest is zeros, where the signature should be.
  expect(stdout).toMatch(/^it is damaged: do not load it\n\nProblems\n {2}problem /)
  expect(stdout).toMatch(/^ {2}architecture +x86_64$/m)
  expect(stdout).toMatch(/^ {2}version +6\.1\.0-50-cloud-amd64$/m)
  expect(stdout).toMatch(/^ {2}flags +loaded-high, .+\n {21}efi-handover-64, /m)
  expect(stdout).toMatch(/^ {2}size +13\.5 MiB$/m)
  expect(stdout).toMatch(/^ {2}command line +at most 2016 bytes$/m)
  expect(stdout).toMatch(/^ {2}EFI stub +64 bits, handover protocol for firmware of 32 and 64 bits$/m)
  expect(stdout).toMatch(/^ {2}boot protocol +2\.15$/m)
  expect(stdout).toMatch(/^ {2}signature +DAMAGED/m)
  for (const line of stdout.split('\n')) if (!line.includes(file)) expect(line.length).toBeLessThanOrEqual(80)
})

test('a container, for people: one line a layer, and every part with its hashes', async () => {
  const root = makeMachine({ ...debian, '/image.its': { text: fitSource } })
  writeFileSync(join(root, 'kernel.gz'), gzipSync(arm64Image()))
  execFileSync('mkimage', ['-f', 'image.its', 'image.itb'], { cwd: root, stdio: 'pipe' })
  const { stdout } = await cli(['inspect', 'image.itb'], { cwd: root })
  expect(stdout).toMatch(/^it is built for aarch64, and this machine is|^kexec_file_load does not take it as it is/)
  expect(stdout).toContain(
    'Nesting\n  1                  FIT\n  2                  arm64 Image, from its part kernel-1, gzip\n',
  )
  expect(stdout).toMatch(/^ {2}part +kernel-1: kernel, [\d.]+ KiB, gzip, "the kernel", sha256 verified$/m)
  expect(stdout).toMatch(/^ {2}choice +conf-1 "the board" \(default\): kernel-1; for acme,board$/m)
  expect(stdout).toMatch(/^ {2}sha256 +FIT, kernel-1: verified\n {2}gzip +FIT, kernel-1: unpacks$/m)
  expect(stdout).toMatch(/^ {2}built +6\.6\.1-test \(me@here\) #1 SMP$/m)
})

const fitSource = `/dts-v1/; / { description = "Board"; #address-cells = <1>; images { kernel-1 { description = "the kernel";
  data = /incbin/("kernel.gz"); type = "kernel"; arch = "arm64"; os = "linux"; compression = "gzip"; load = <0>; entry = <0>;
  hash-1 { algo = "sha256"; }; }; }; configurations { default = "conf-1"; conf-1 { description = "the board";
  kernel = "kernel-1"; compatible = "acme,board"; }; }; };`

test('a kernel, as JSON; a relative file is looked for from the working directory', async () => {
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
    signature: 'absent',
    memoryNeeded: expect.any(Number),
    minimumSize: 14_148_096,
    problems: [],
    nested: [{ format: 'bzImage' }],
    kernel: { format: 'bzImage', version: older },
    kernelSize: 14_148_096,
  })
})

test('a truncated kernel is named, and is no failure to inspect', async () => {
  const root = makeMachine({ '/cut': { file: kernelOf(older) } })
  const { status, document } = await json(['inspect', join(root, 'cut')])
  expect(status).toBe(0)
  expect(document).toMatchObject({ bootable: false, verdict: 'damaged' })
  expect(document.problems.join()).toContain('the file has 20480 bytes where its header asks for 14148096')
})

test.each([
  ['directory', '/boot', 'a directory'],
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
