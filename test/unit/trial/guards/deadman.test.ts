import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readElfHeader } from '../../../../src/bytes/elf.ts'
import { parseCommandLine, printCommandLine } from '../../../../src/cmdline/parse.ts'
import { reuseCommandLine } from '../../../../src/cmdline/reuse.ts'
import { KexecError } from '../../../../src/errors.ts'
import { textOfBytes } from '../../../../src/exact-text.ts'
import { gatherOverlays, type InitrdOverlay } from '../../../../src/initrd/overlay.ts'
import { architectureOfElf } from '../../../../src/system/architecture.ts'
import { System } from '../../../../src/system/system.ts'
import {
  deadmanOverlay,
  findDeadman,
  fireDeadman,
  hasDeadman,
  releaseDeadman,
  startDeadman,
} from '../../../../src/trial/guards/deadman.ts'
import { deadmanCode } from '../../../../src/trial/guards/deadman-code.ts'
import { untested } from '../../../untested.ts'

// The program itself is never run here: it resets machines. test/vm/trial-deadman.test.ts runs it.

const root = join(import.meta.dirname, '../../../..')
const architectures = Object.entries(deadmanCode)
const start = { id: '0123456789abcdef', deadlineSeconds: 120, architecture: 'x86_64', nextInit: '/init' }

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-deadman-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('the program', () => {
  beforeAll(() => {
    execFileSync(process.execPath, [join(root, 'scripts/build-programs.mjs'), 'deadman', directory])
  })

  test.for(architectures)('for %s is what its source compiles to, with the same compiler', ([name, code], { skip }) => {
    const [program = '', version] = code.compiler.split(' ')
    const own = versionOf(program)
    if (own === undefined) {
      untested(`without ${program} the deadman for ${name} cannot be compiled here`)
      return skip()
    }
    if (own !== version) return skip(`it was made by ${code.compiler}, and here is ${own}`)
    expect(readFileSync(join(directory, name)).equals(Buffer.from(code.program, 'base64'))).toBe(true)
  })

  test.each(architectures)('for %s is an executable of that machine, in one part, and small', (name, code) => {
    const bytes = Buffer.from(code.program, 'base64')
    const header = readElfHeader(bytes)
    expect(header && architectureOfElf(header)).toBe(name)
    expect(header).toMatchObject({ type: 2, entry: expect.anything(), table: { count: 2 } })
    // Bytes that the kernel maps: they are in every trial's memory.
    expect(bytes.length).toBeLessThan(6 * 1024)
  })
})

describe('what is laid over the initrd', () => {
  const textOf = (overlay: readonly InitrdOverlay[]) => Buffer.from(overlay[1]?.source as Uint8Array).toString('latin1')

  test('is the program of the new kernel, and its file', () => {
    const overlay = deadmanOverlay(start)
    expect(overlay.map(({ destination, mode }) => [destination, mode])).toEqual([
      ['/linux-kexec-deadman', 0o755],
      ['/linux-kexec-trial', 0o600],
    ])
    expect(overlay[0]?.source).toEqual(Buffer.from(deadmanCode.x86_64.program, 'base64'))
    expect(textOf(overlay)).toBe('0123456789abcdef\n120\n/init\n')
    const refusals: unknown[] = []
    expect(gatherOverlays(new System(directory), overlay, (refusal) => refusals.push(refusal))).toHaveLength(2)
    expect(refusals).toEqual([])
  })

  test('has whole seconds, and the bytes of the path', () => {
    expect(textOf(deadmanOverlay({ ...start, deadlineSeconds: 0.5 }))).toContain('\n1\n')
    const { nextInit } = startDeadman(parseCommandLine(textOfBytes(Buffer.from('rdinit=/\xff', 'latin1'))))
    expect(textOf(deadmanOverlay({ ...start, nextInit }))).toContain('\n/\xff\n')
  })

  test('is refused where the program could not read it', () => {
    expect(() => deadmanOverlay({ ...start, architecture: 's390x' })).toThrow('there is no deadman for s390x')
    for (const id of ['', '0123456789ABCDEF', '0123456789abcde\n', '0123456789abcdef0'])
      expect(() => deadmanOverlay({ ...start, id })).toThrow(RangeError)
    for (const deadlineSeconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e9])
      expect(() => deadmanOverlay({ ...start, deadlineSeconds })).toThrow(RangeError)
    for (const nextInit of ['', `/${'x'.repeat(4095)}`, '/in\0it'])
      expect(() => deadmanOverlay({ ...start, nextInit })).toThrow(KexecError)
    expect(deadmanOverlay({ ...start, nextInit: `/${'x'.repeat(4094)}` })).toHaveLength(2)
  })

  test('is there for each architecture that has a program', () => {
    expect(['x86_64', 'aarch64'].map(hasDeadman)).toEqual([true, true])
    expect(['i386', 'i686', 'aarch64_be', 's390x', 'toString'].map(hasDeadman)).toEqual(Array(5).fill(false))
  })
})

describe('the parameter that starts it', () => {
  const mark = 'linux_kexec.added=rdinit=/linux-kexec-deadman'
  const startIn = (text: string) => {
    const { commandLine, nextInit } = startDeadman(parseCommandLine(text))
    return [printCommandLine(commandLine), nextInit]
  }

  test.each([
    // Before all words for init: rdinit= would make the kernel forget those before it.
    ['root=/dev/vda single -- -x', `rdinit=/linux-kexec-deadman ${mark} root=/dev/vda single -- -x`, '/init'],
    // Behind the last one: that has already made the kernel forget what is before it.
    ['a rdinit=/one b rdinit="/two" c', `a rdinit=/one b rdinit="/two" rdinit=/linux-kexec-deadman ${mark} c`, '/two'],
    // Words that are not the parameter.
    ['rdinit -- rdinit=/x', `rdinit=/linux-kexec-deadman ${mark} rdinit -- rdinit=/x`, '/init'],
    ['init=/sbin/init', `rdinit=/linux-kexec-deadman ${mark} init=/sbin/init`, '/init'],
  ])('%s', (given, expected, nextInit) => {
    expect(startIn(given)).toEqual([expected, nextInit])
    // Once or twice, and the next load takes it off.
    expect(startIn(expected)).toEqual([expected, nextInit])
    expect(printCommandLine(reuseCommandLine(expected))).toBe(given)
  })
})

describe('the deadman of the running system', () => {
  const machine = (processes: Record<string, { cmdline: string; status: string }>) => {
    const tree = mkdtempSync(join(directory, 'root-'))
    for (const [pid, files] of Object.entries(processes)) {
      mkdirSync(join(tree, 'proc', pid), { recursive: true })
      for (const [name, text] of Object.entries(files)) writeFileSync(join(tree, 'proc', pid, name), text)
    }
    return new System(tree)
  }
  const status = (parent: number, user: number) =>
    `Name:\tkexec-deadman\nPid:\t70\nPPid:\t${parent}\nTracerPid:\t0\nUid:\t${Array(4).fill(user).join('\t')}\n`
  const cmdline = '@linux-kexec-trial\0a1b2c3d4e5f60718\x00120\0'
  const init = { cmdline: '/sbin/init\0', status: status(0, 0) }

  test('is found by its name', () => {
    const system = machine({ 1: init, 2: { cmdline: '', status: status(0, 0) }, 70: { cmdline, status: status(1, 0) } })
    expect(findDeadman(system)).toEqual({ pid: 70, id: 'a1b2c3d4e5f60718' })
    expect(findDeadman(machine({ 1: init }))).toBeNull()
    expect(findDeadman(machine({}))).toBeNull()
  })

  test('is no program that only has its name', () => {
    const other = (parent: number, user: number) => ({ cmdline, status: status(parent, user) })
    const longer = { cmdline: `@linux-kexec-trials${cmdline.slice(18)}`, status: status(1, 0) }
    expect(
      findDeadman(machine({ 1: init, 60: other(1, 1000), 61: other(50, 0), self: other(1, 0), 62: longer })),
    ).toBeNull()
    expect(findDeadman(machine({ 60: other(1, 1000), 71: other(1, 0) }))).toMatchObject({ pid: 71 })
  })

  test.each([
    ['SIGUSR1', releaseDeadman],
    ['SIGUSR2', fireDeadman],
  ])('gets %s', async (name, send) => {
    const child = spawn('sleep', ['1000'])
    await once(child, 'spawn')
    send(child.pid as number)
    expect(await once(child, 'exit')).toEqual([null, name])
  })

  test('is never a group of processes, nor init', () => {
    for (const pid of [1, 0, -1, -70, Number.NaN, 70.5]) {
      expect(() => releaseDeadman(pid)).toThrow(RangeError)
      expect(() => fireDeadman(pid)).toThrow(RangeError)
    }
  })
})

function versionOf(compiler: string): string | undefined {
  try {
    return execFileSync(compiler, ['-dumpfullversion'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}
