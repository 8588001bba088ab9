import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readElfHeader } from '../../../../src/bytes/elf.ts'
import { initConfiguration, initOverlay, newWord } from '../../../../src/rehearsal/init/init.ts'
import { initCode } from '../../../../src/rehearsal/init/init-code.ts'
import { architectureOfElf } from '../../../../src/system/architecture.ts'
import { untested } from '../../../untested.ts'

const root = join(import.meta.dirname, '../../../..')
const architectures = Object.entries(initCode)

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-init-'))
  execFileSync(process.execPath, [join(root, 'scripts/build-programs.mjs'), 'rehearsal', directory])
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('the first process', () => {
  test.for(architectures)('for %s is what its source compiles to, with the same compiler', ([name, code], { skip }) => {
    const [program = '', version] = code.compiler.split(' ')
    const own = versionOf(program)
    if (own === undefined) {
      untested(`without ${program} the first process for ${name} cannot be compiled here`)
      return skip()
    }
    if (own !== version) return skip(`it was made by ${code.compiler}, and here is ${own}`)
    expect(readFileSync(join(directory, name)).equals(Buffer.from(code.program, 'base64'))).toBe(true)
  })

  test.each(architectures)('for %s is an executable of that machine', (name, code) => {
    const header = readElfHeader(Buffer.from(code.program, 'base64'))
    expect(header && architectureOfElf(header)).toBe(name)
  })

  test('of this machine ends at once when it is not the first process', () => {
    const { program } = initCode[process.arch === 'arm64' ? 'aarch64' : 'x86_64']
    const path = join(directory, 'run')
    writeFileSync(path, Buffer.from(program, 'base64'), { mode: 0o755 })
    expect(() => execFileSync(path, { stdio: 'pipe' })).toThrow(expect.objectContaining({ status: 2 }))
  })
})

describe('its file', () => {
  test('has the word, the port, and each command with an empty string behind it', () => {
    const commands = [
      { output: 'report' as const, words: ['/bin/a', 'x y', "'"] },
      { output: 'console' as const, words: ['/bin/sh', '-c', 'exit 3'] },
    ]
    const [program, file] = initOverlay('x86_64', { word: '@w', port: '/dev/ttyS1', commands })
    expect(program).toMatchObject({ destination: '/linux-kexec-rehearsal', mode: 0o755 })
    expect(String(file?.source)).toBe("@w\0/dev/ttyS1\0/\0\0report\0/bin/a\0x y\0'\0\0console\0/bin/sh\0-c\0exit 3\0\0")
  })

  test('has the root directory of its commands, or the init that it becomes', () => {
    const text = (more: object) => String(initConfiguration({ word: '@w', port: '/dev/p', commands: [], ...more }))
    expect(text({ root: '/tools' })).toBe('@w\0/dev/p\0/tools\0\0')
    expect(text({ init: '/init' })).toBe('@w\0/dev/p\0/\0/init\0')
  })

  test('is refused where the program could not read it whole, and for other machines', () => {
    const words = ['/bin/sh', 'x'.repeat(64 * 1024)]
    const long = { word: '@w', port: '/dev/ttyS1', commands: [{ output: 'report' as const, words }] }
    expect(() => initOverlay('x86_64', long)).toThrow(RangeError)
    expect(() => initOverlay('riscv64', { ...long, commands: [] })).toThrow(RangeError)
  })

  test('begins with a word that is never the same', () => {
    expect(new Set(Array.from({ length: 100 }, newWord)).size).toBe(100)
  })
})

function versionOf(compiler: string): string | undefined {
  try {
    return execFileSync(compiler, ['-dumpfullversion'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}
