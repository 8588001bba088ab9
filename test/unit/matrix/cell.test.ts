import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { prepareMatrix } from '../../../src/matrix/matrix.ts'
import type { MatrixDefinition } from '../../../src/matrix/model/definition.ts'
import { shortened } from '../../../src/matrix/run/cell.ts'
import { commandOf } from '../../../src/matrix/run/command.ts'
import { kernelDirectory } from './records.ts'

const release = '6.1.0-50-cloud-amd64'

/** The words of the command of a matrix's one cell, as a shell understands them. */
function wordsOf(more: Partial<MatrixDefinition>, directory = kernelDirectory(release)): string[] | null {
  const [cell] = prepareMatrix({ from: [release], ...more }, directory).cells
  const command = commandOf(cell as never)
  if (command === null) return null
  return execFileSync('/bin/sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' })
    .trimEnd()
    .split('\n')
}

test('the command of a cell has all of its options, in the quotes of a shell', () => {
  const directory = kernelDirectory(release)
  const kernel = join(directory, release)
  const settings: Partial<MatrixDefinition> = {
    engine: 'segments',
    commandLine: `it's "two" $(words)`,
    append: ['a', 'b'],
    remove: 'quiet',
    fast: true,
    overlay: [`${release}:/etc/motd`],
    init: 'test -e /x',
    timeout: 1500,
    memory: 512,
    accelerator: 'tcg',
  }
  expect(wordsOf(settings, directory)).toEqual([
    ...['linux-kexec', 'rehearse', kernel, `--from=${kernel}`, '--engine=segments'],
    ...[`--command-line=it's "two" $(words)`, '--remove=quiet', '--append=a', '--append=b'],
    ...[`--overlay=${kernel}:/etc/motd`, '--init=test -e /x', '--memory=512', '--timeout=2', '--accelerator=tcg'],
    ...['--no-initrd', '--fast'],
  ])
  const initrd = wordsOf({ to: [{ kernel: release, initrd: release }] }, directory)
  expect(initrd).toContain(`--initrd=${kernel}`)
  expect(initrd).not.toContain('--no-initrd')
})

test('there is none where it would not be the same rehearsal', () => {
  expect(wordsOf({ qemuArguments: ['-smp', '2'] })).toBeNull()
})

test('of a long console the begin and the end are kept', () => {
  const text = Array.from({ length: 40_000 }, (_, index) => `line ${index}`).join('\n')
  const kept = shortened(text)
  expect(kept.length).toBeLessThan(132 * 1024)
  expect(kept.startsWith('line 0\n')).toBe(true)
  expect(kept.endsWith('line 39999')).toBe(true)
  const left = Number(/… (\d+) characters are left out …/.exec(kept)?.[1])
  expect(left).toBe(text.length - 128 * 1024)
  expect(shortened('short')).toBe('short')
})
