import { endianness } from 'node:os'
import { describe, expect, test } from 'vitest'
import { hasKexecFileLoad, readRunningMachine } from '../../../../src/plan/context/running-machine.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'

const read = (tree: Tree) => readRunningMachine(new System(makeTree(tree)))
const release = (text: string): Tree => ({ '/proc/sys/kernel/osrelease': { text: `${text}\n` } })
const architecture = (text: string): Tree => ({ '/proc/sys/kernel/arch': { text: `${text}\n` } })

test('the release counts by its first two numbers', () => {
  expect(read(release('6.12.107+deb12-cloud-amd64'))).toMatchObject({
    series: 6012,
    release: '6.12.107+deb12-cloud-amd64',
  })
  expect(read(release('5.4'))).toMatchObject({ series: 5004 })
  expect(read(release('10.100.1')).series).toBe(10_100)
  for (const odd of ['6', 'linux-6.12', '.6.12']) expect(read(release(odd)).series, odd).toBeNull()
  expect(read({})).toMatchObject({ series: null, release: null, architecture: null })
})

test('the flags are those of the first CPU, as words', () => {
  const cpus = 'processor\t: 0\nflags\t\t: fpu la57 lm\n\nprocessor\t: 1\nflags\t\t: fpu sev\n'
  expect([...read({ '/proc/cpuinfo': { text: cpus } }).flags]).toEqual(['fpu', 'la57', 'lm'])
  expect(read({ '/proc/cpuinfo': { text: 'bogoflags\t: la57\n' } }).flags.has('la57')).toBe(false)
  expect(read({}).flags.size).toBe(0)
})

describe.runIf(endianness() === 'LE' && process.arch.endsWith('64'))('the page size', () => {
  const vector = (...words: bigint[]): Tree => ({
    '/proc/self/auxv': { file: Buffer.from(new BigUint64Array(words).buffer) },
  })

  test('is under its key, wherever that is, and never the value of another', () => {
    expect(read(vector(6n, 4096n, 0n, 0n)).pageSize).toBe(4096)
    expect(read(vector(16n, 6n, 3n, 6n, 6n, 65_536n, 0n, 0n)).pageSize).toBe(65_536)
    expect(read(vector(16n, 6n, 0n, 0n)).pageSize).toBeNull()
    expect(read(vector(16n, 0n, 6n)).pageSize).toBeNull()
    expect(read({}).pageSize).toBeNull()
  })

  test('is evidence with the release and the architecture; what is unknown is none', () => {
    expect(read({ ...architecture('x86_64'), ...release('6.1.0'), ...vector(6n, 4096n) }).evidence).toEqual([
      { source: '/proc/sys/kernel/arch', value: 'x86_64' },
      { source: '/proc/sys/kernel/osrelease', value: '6.1.0' },
      { source: '/proc/self/auxv AT_PAGESZ', value: '4096' },
    ])
    expect(read({}).evidence).toEqual([])
  })
})

test('kexec_file_load exists where some kernel of the architecture has it, and where nothing is known', () => {
  for (const name of ['x86_64', 'aarch64', 's390x', 'ppc64le', 'riscv64'])
    expect(hasKexecFileLoad(read(architecture(name))), name).toBe(true)
  for (const name of ['armv7l', 'mips64']) expect(hasKexecFileLoad(read(architecture(name))), name).toBe(false)
  expect(hasKexecFileLoad(read({}))).toBe(true)
})
