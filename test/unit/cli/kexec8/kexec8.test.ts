import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { kexecOptions } from '../../../../src/cli/kexec8/options.ts'
import { cli, denyKexec, program } from '../cli.ts'

const directory = mkdtempSync(join(tmpdir(), 'kexec8-'))
const link = join(directory, 'kexec')
symlinkSync(program, link)
afterAll(() => rmSync(directory, { recursive: true }))

/** Calls us as /sbin/kexec is called: by the name of a link. */
function asKexec(...words: string[]): string {
  return execFileSync(denyKexec, ['1', '--', link, ...words], { encoding: 'utf8' })
}

test('called by the name of kexec it is kexec', async () => {
  const version = asKexec('--version')
  expect(version).toMatch(/^kexec-tools \d+\.\d+\.\d+ \(by linux-kexec \d+\.\d+\.\d+\)\n$/)
  expect(await cli(['kexec', '--version'])).toMatchObject({ status: 0, stdout: version })
})

test('help tells of every option, what becomes of it, and goes to standard output', async () => {
  const { status, stdout, stderr } = await cli(['kexec', '-h'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/^Usage: kexec \[OPTION\]\.\.\. \[KERNEL\]$/m)
  for (const { name } of kexecOptions) expect(stdout).toMatch(new RegExp(`^ .* --${name}\\b`, 'm'))
})

test('what is wrong is told on standard error, with what to do', async () => {
  const { status, stdout, stderr } = await cli(['kexec', '-l', '--dtb=x', 'vmlinuz'])
  expect({ status, stdout }).toEqual({ status: 255, stdout: '' })
  expect(stderr).toMatch(/^error: --dtb is not supported .*\n {2}Omit it/)
})

test.each([
  [['-l', '/nowhere/vmlinuz'], 1, 'no such file'],
  [['-l', '/'], 1, 'this is a directory'],
  [['-l', '/etc/passwd'], 255, 'this is a text file'],
  [['-l', '--initrd=/nowhere/initrd', program], 255, 'no such file'],
  // For load it is the running kernel's own.
  [['-l', '--initrd=running', program], 255, 'no such file'],
])('%j: exit status %i', async (words, status, text) => {
  const result = await cli(['kexec', ...words])
  expect(result).toMatchObject({ status, stdout: '' })
  expect(result.stderr).toContain(text)
})

test('-d tells what would be loaded, and why', async () => {
  const { stderr } = await cli(['kexec', '-ld', '/etc/passwd', '--append=a  "b'])
  expect(stderr).toContain('a  "b')
  expect(stderr).toContain('used verbatim')
})

test('docs/kexec8.md names every option, in the row of what becomes of it', () => {
  const page = readFileSync('docs/kexec8.md', 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('|'))
  const what = { ignored: /no effect|nothing to do/, refused: /refused by name/, done: /^/ }
  for (const { name, letter, treatment } of kexecOptions) {
    const names = [`--${name}`, ...(letter === undefined ? [] : [`-${letter}`])]
    const lines = treatment === 'done' ? page.split('\n') : rows
    const found = lines.filter((line) => names.some((each) => new RegExp(`\`(kexec )?${each}\\b`).test(line)))
    expect(
      found.filter((line) => what[treatment].test(line)),
      name,
    ).not.toEqual([])
  }
})
