import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { prepareMatrix } from '../../../src/matrix/matrix.ts'
import type { MatrixDefinition } from '../../../src/matrix/model/definition.ts'
import { CellKeys } from '../../../src/matrix/run/key.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree } from '../entries/tree.ts'
import { kernelDirectory } from './records.ts'

const loading = '5.10.0-46-cloud-amd64'
const loaded = '6.1.0-50-cloud-amd64'
const tools = { linuxKexec: '0.1.0', node: 'v20', qemu: 'QEMU 7.2' }

const matrix: MatrixDefinition = {
  from: [loading],
  to: [{ kernel: loaded, initrd: 'initrd' }],
  engine: 'file',
  overlay: ['files:/etc'],
  rootImage: 'disk',
  init: 'true',
  timeout: 1000,
}

function directoryOfAll(): string {
  const directory = kernelDirectory(loading, loaded)
  mkdirSync(join(directory, 'files/inner'), { recursive: true })
  for (const name of ['initrd', 'disk', 'files/inner/motd']) writeFileSync(join(directory, name), `content of ${name}`)
  return directory
}

/** The keys of the one cell before and after a change of its files, with the same memory of what was read. */
async function keysAround(change: (directory: string) => void): Promise<[string, string]> {
  const directory = directoryOfAll()
  const keys = await CellKeys.of(tools)
  const key = () => keys.keyOf(prepareMatrix(matrix, directory).cells[0] as never)
  const before = await key()
  expect(await key()).toBe(before)
  change(directory)
  return [before, await key()]
}

test.each([loading, loaded, 'initrd', 'disk', 'files/inner/motd'])(
  'one changed byte of %s is another cell',
  async (name) => {
    const [before, after] = await keysAround((directory) => {
      const bytes = readFileSync(join(directory, name))
      // In the middle, so that length, head and end stay.
      const middle = bytes.length >> 1
      bytes[middle] = (bytes[middle] as number) ^ 1
      writeFileSync(join(directory, name), bytes)
    })
    expect(after).not.toBe(before)
  },
)

test('so are other permissions, and another name, of a file that is added', async () => {
  const [before, after] = await keysAround((directory) => chmodSync(join(directory, 'files/inner/motd'), 0o755))
  expect(after).not.toBe(before)
  const [, named] = await keysAround((directory) => writeFileSync(join(directory, 'files/empty'), ''))
  expect(named).not.toBe(before)
})

test('the same bytes written again are the same cell', async () => {
  const [before, after] = await keysAround((directory) => {
    for (const name of [loading, 'initrd']) writeFileSync(join(directory, name), readFileSync(join(directory, name)))
  })
  expect(after).toBe(before)
})

test.each<[string, Partial<MatrixDefinition>]>([
  ['engine', { engine: 'segments' }],
  ['command line', { commandLine: 'quiet' }],
  ['append', { append: 'quiet' }],
  ['init', { init: 'false' }],
  ['timeout', { timeout: 1001 }],
  ['memory', { memory: 2048 }],
  ['initrds', { to: [loaded] }],
  ['overlay', { overlay: ['files:/usr'] }],
])('another %s is another cell', async (_, change) => {
  const directory = directoryOfAll()
  const keys = await CellKeys.of(tools)
  const key = (given: MatrixDefinition) => keys.keyOf(prepareMatrix(given, directory).cells[0] as never)
  expect(await key({ ...matrix, ...change })).not.toBe(await key(matrix))
})

test('other names, and another order of the options, are the same cell; another QEMU is not', async () => {
  const directory = directoryOfAll()
  const keys = await CellKeys.of(tools)
  const key = (given: MatrixDefinition, by = keys) => by.keyOf(prepareMatrix(given, directory).cells[0] as never)
  const { init, timeout, ...rest } = matrix
  const renamed = { timeout, init, ...rest, name: 'other', variants: [{ name: 'v' }] } as MatrixDefinition
  expect(await key({ ...renamed, from: [{ kernel: loading, name: 'old' }] })).toBe(await key(matrix))
  expect(await key(matrix, await CellKeys.of({ ...tools, qemu: 'QEMU 8' }))).not.toBe(await key(matrix))
})

test('a machine whose kernel uses 5 levels of page tables has other cells: such a processor is rehearsed there', async () => {
  const directory = directoryOfAll()
  const keyOn = async (flags: string) => {
    const machine = new System(makeTree({ '/proc/cpuinfo': { text: `flags\t\t: ${flags}\n` } }))
    return (await CellKeys.of(tools, machine)).keyOf(prepareMatrix(matrix, directory).cells[0] as never)
  }
  expect(await keyOn('fpu la57')).not.toBe(await keyOn('fpu'))
})
