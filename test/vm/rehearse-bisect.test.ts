import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Kernel, newestKernels } from '../../src/vm/index.ts'

// The bisection of docs/iterate-on-a-test-kernel.md, to the letter: of a repository whose commits build one of two kernels, or none.

let directory: string
let kernels: readonly [older: Kernel, newer: Kernel]
beforeAll(async () => {
  kernels = (await newestKernels({ progress: (message) => console.error(`  ${message}`) })) as unknown as typeof kernels
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-bisect-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const page = readFileSync('docs/iterate-on-a-test-kernel.md', 'utf8')
const [, commands = ''] = /## Find the commit\n\n```sh\n(.*?)```/s.exec(page) ?? []

function program(name: string, script: string): void {
  mkdirSync(join(directory, 'bin'), { recursive: true })
  writeFileSync(join(directory, 'bin', name), `#!/bin/sh\nset -e\n${script}\n`, { mode: 0o755 })
}

/** One commit for each variant. @returns their hashes */
function makeRepository(repository: string, variants: readonly string[]): string[] {
  const git = (...words: readonly string[]) => {
    const author = ['-c', 'user.name=test', '-c', 'user.email=test@localhost']
    const { status, stdout, stderr } = spawnSync('git', [...author, ...words], { cwd: repository, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return stdout.trim()
  }
  mkdirSync(repository)
  git('init', '-q')
  return variants.map((variant, number) => {
    writeFileSync(join(repository, 'variant'), `${variant} ${number}\n`)
    git('add', 'variant')
    git('commit', '-q', '-m', `${number}: ${variant}`)
    if (number === 0) git('tag', 'v7.1')
    if (number === variants.length - 1) git('tag', 'v7.2')
    return git('rev-parse', 'HEAD')
  })
}

test('git bisect finds the commit whose kernel panics, past one whose kernel is none', async () => {
  const [older, newer] = kernels
  const repository = join(directory, 'linux')
  const hashes = makeRepository(repository, ['good', 'good', 'good', 'broken', 'good', 'bad', 'bad', 'bad'])
  program(
    'make',
    `read variant number <variant; mkdir -p arch/x86/boot; rm -f arch/x86/boot/bzImage
case $variant in
good) ln -s ${newer.image} arch/x86/boot/bzImage ;;
bad) ln -s ${older.image} arch/x86/boot/bzImage ;;
broken) echo 'no kernel at all' >arch/x86/boot/bzImage ;;
esac`,
  )
  const command = `${process.execPath} ${resolve('dist/linux-kexec.cjs')}`
  program(
    'linux-kexec',
    `echo "$(cat variant)" >>${directory}/judged; exec ${command} "$@" --from ${older.image} --timeout 250`,
  )
  // It panics in the wrong kernel.
  writeFileSync(join(repository, 'run-test'), `test "$(uname -r)" = ${newer.release} || echo c >/proc/sysrq-trigger\n`)
  const { PATH, ...rest } = process.env
  const env = { ...rest, PATH: `${directory}/bin:${PATH}`, TMPDIR: directory, XDG_STATE_HOME: `${directory}/state` }
  const bisection = spawn('sh', ['-ec', commands], { cwd: repository, env })
  let output = ''
  for (const stream of [bisection.stdout, bisection.stderr]) stream.on('data', (text: Buffer) => (output += text))
  const status = await new Promise((ended) => bisection.on('close', ended))
  expect(output).toContain(`${hashes[5]} is the first bad commit`)
  expect(status, output).toBe(0)
  expect(output).toContain('panicked: ')
  // The skipped one lies in the middle, so it was tried.
  expect(readFileSync(join(directory, 'judged'), 'utf8')).toContain('broken 3')
})
