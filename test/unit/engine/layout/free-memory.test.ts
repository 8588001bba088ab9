import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { longestFreeRange } from '../../../../src/engine/layout/segments/free-memory.ts'
import { System } from '../../../../src/system/system.ts'

const PAGE = 4096
const root = mkdtempSync(join(tmpdir(), 'linux-kexec-free-'))
afterAll(() => rmSync(root, { recursive: true }))

/** /proc/kpageflags of as many pages as there are letters: f for a free one, u for one in use. */
function machineOf(pages: string): System {
  mkdirSync(join(root, 'proc'), { recursive: true })
  writeFileSync(join(root, 'proc/kpageflags'), machineFlags(pages))
  return new System(root)
}

function machineFlags(pages: string): Buffer {
  const flags = Buffer.alloc(pages.length * 8)
  for (const [index, page] of [...pages].entries()) flags.writeUInt32LE(page === 'f' ? 1 << 10 : 1 << 5, index * 8)
  return flags
}

const range = (first: number, last: number) => ({ start: first * PAGE, end: last * PAGE })

test('the longest run of free pages, inside of what is usable', () => {
  const system = machineOf('ffffuffuuffffffuff')
  expect(longestFreeRange(system, [range(0, 18)], PAGE)).toEqual(range(9, 15))
  expect(longestFreeRange(system, [range(0, 11)], PAGE)).toEqual(range(0, 4))
  expect(longestFreeRange(system, [range(1, 7), range(12, 18)], PAGE)).toEqual(range(1, 4))
})

test('memory that the file does not reach is none that is free', () => {
  expect(longestFreeRange(machineOf('uff'), [range(0, 1000)], PAGE)).toEqual(range(1, 3))
})

test('null where nothing is free, or the kernel does not tell', () => {
  expect(longestFreeRange(machineOf('uuuu'), [range(0, 4)], PAGE)).toBeNull()
  rmSync(join(root, 'proc'), { recursive: true })
  expect(longestFreeRange(new System(root), [range(0, 4)], PAGE)).toBeNull()
})

test('the first 32 GiB of pages are looked at, however many ranges they are spread over', () => {
  const bound = 8 * 2 ** 20
  const system = machineOf('')
  const flags = join(root, 'proc/kpageflags')
  // All in use, without taking room on the disk; the one free page lies behind the bound.
  truncateSync(flags, bound * 8)
  writeFileSync(flags, machineFlags('uf'), { flag: 'a' })
  expect(longestFreeRange(system, [range(0, bound), range(bound, bound + 2)], PAGE)).toBeNull()
  expect(longestFreeRange(system, [range(1, bound), range(bound, bound + 2)], PAGE)).toBeNull()
  expect(longestFreeRange(system, [range(2, bound), range(bound, bound + 2)], PAGE)).toEqual(
    range(bound + 1, bound + 2),
  )
})
