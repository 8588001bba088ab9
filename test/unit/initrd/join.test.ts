import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { fileBytes, memoryBytes } from '../../../src/image/bytes.ts'
import { joinInitrds, joinInitrdsSync } from '../../../src/initrd/join.ts'
import { type SyncInitrdPart, sourcePart } from '../../../src/initrd/part.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linux-kexec-join-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
})

/** A file of the disk that is open, as an initrd. */
function opened(name: string, bytes: Buffer): { part: SyncInitrdPart; path: string; fd: number } {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  const fd = openSync(path, 'r')
  onTestFinished(() => closeSync(fd))
  return { part: sourcePart(path, fileBytes(fd, bytes.length), fd), path, fd }
}

const memory = (bytes: Buffer) => sourcePart('(bytes)', memoryBytes(bytes))
const wholeOf = (fd: number) => fileBytes(fd, fstatSync(fd).size).read(0, Number.MAX_SAFE_INTEGER)
const openDescriptors = () => readdirSync('/proc/self/fd').length

test('none, and one that is a file: nothing is copied', async () => {
  expect(await joinInitrds([])).toMatchObject({ fd: -1, size: 0 })
  const { part, fd } = opened('initrd', Buffer.from('own'))
  const joined = await joinInitrds([part])
  expect(joined).toMatchObject({ fd, size: 3 })
  joined.close()
  expect(fstatSync(fd).size).toBe(3)
  expect(joinInitrdsSync([part]).fd).toBe(fd)
})

test('one in memory gets a file of its own, without anything added', () => {
  const joined = joinInitrdsSync([memory(Buffer.from('only'))])
  onTestFinished(() => joined.close())
  expect(wholeOf(joined.fd).toString()).toBe('only')
})

describe('several', () => {
  test('each begins at a multiple of 4, behind at least 4 zeros: lz4 would take fewer for the size of a block', async () => {
    for (const length of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const first = Buffer.alloc(length, 'a')
      const joined = await joinInitrds([memory(first), memory(Buffer.from('b'))])
      const bytes = wholeOf(joined.fd)
      joined.close()
      const begin = bytes.indexOf('b')
      expect(bytes.subarray(0, length).equals(first)).toBe(true)
      expect([...bytes.subarray(length, begin)]).toEqual(Array(begin - length).fill(0))
      expect({ aligned: begin % 4, enough: begin - length >= 4, few: begin - length < 8 }).toEqual({
        aligned: 0,
        enough: true,
        few: true,
      })
    }
  })

  test('real archives of several compressors are all found again behind each other', async () => {
    const archive = (name: string, ...compressor: string[]) => {
      writeFileSync(join(folder, name), name)
      const input = execFileSync('cpio', ['-o', '-H', 'newc', '--quiet'], { input: name, cwd: folder })
      const [program, ...args] = compressor
      return program === undefined ? input : execFileSync(program, args, { input })
    }
    const parts = [
      archive('plain'),
      archive('packed', 'gzip', '-c'),
      archive('zstandard', 'zstd', '-c'),
      archive('last'),
    ]
    const joined = await joinInitrds(
      parts.map((part, index) => (index % 2 ? memory(part) : opened(`${index}`, part).part)),
    )
    const bytes = wholeOf(joined.fd)
    joined.close()
    let position = 0
    for (const part of parts) {
      while (bytes[position] === 0) position++
      expect(position % 4).toBe(0)
      expect(bytes.subarray(position, position + part.length).equals(part)).toBe(true)
      position += part.length
    }
    expect(position).toBe(bytes.length)
  })

  test('the same at once; small chunks and large ones', async () => {
    const chunks = [1, 70_000, 1024 * 1024, 3, 1024 * 1024 + 1, 999_999, 12].map((length, index) =>
      Buffer.alloc(length, index + 65),
    )
    const size = chunks.reduce((sum, { length }) => sum + length, 0)
    const part: SyncInitrdPart = { name: 'chunks', size, fd: null, chunks: () => chunks }
    const [joined, sync] = [await joinInitrds([part, part]), joinInitrdsSync([part, part])]
    const expected = Buffer.concat([...chunks, Buffer.alloc(8 - (size % 4 || 4)), ...chunks])
    expect(wholeOf(joined.fd).equals(expected)).toBe(true)
    expect(wholeOf(sync.fd).equals(expected)).toBe(true)
    expect(joined.size).toBe(expected.length)
    joined.close()
    sync.close()
  })

  test('progress counts the bytes of the parts up to the last', async () => {
    const seen: [number, number][] = []
    const part = memory(Buffer.alloc(3 * 1024 * 1024, 1))
    const joined = await joinInitrds([part, memory(Buffer.from('x'))], { onProgress: (...now) => seen.push(now) })
    joined.close()
    expect(seen.at(-1)).toEqual([part.size + 1, part.size + 1])
    expect(seen.length).toBeGreaterThan(2)
    expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((a, b) => a - b))
  })
})

describe('on every failure the memory is freed, and what failed is told', () => {
  const big = Buffer.alloc(5 * 1024 * 1024, 1)

  test('a file that became shorter, or was longer than it said', async () => {
    const { part, path } = opened('shrinking', big)
    const before = openDescriptors()
    truncateSync(path, 1024 * 1024)
    const error = { reason: 'file-changed', path, refused: true }
    await expect(joinInitrds([part, part])).rejects.toMatchObject(error)
    expect(() => joinInitrdsSync([part, part])).toThrowError(expect.objectContaining(error))
    appendFileSync(path, big)
    const lying: SyncInitrdPart = { ...part, size: 10 }
    await expect(joinInitrds([lying, part])).rejects.toMatchObject(error)
    expect(openDescriptors()).toBe(before)
  })

  test('a signal between two pieces; other work has its turn meanwhile', async () => {
    const controller = new AbortController()
    const before = openDescriptors()
    const progress: number[] = []
    const joining = joinInitrds([memory(big), memory(big)], {
      signal: controller.signal,
      onProgress: (done) => progress.push(done),
    })
    setImmediate(() => setImmediate(() => controller.abort(new Error('enough'))))
    await expect(joining).rejects.toMatchObject({ reason: 'aborted', cause: { message: 'enough' } })
    expect(progress.at(-1)).toBeLessThan(2 * big.length)
    expect(openDescriptors()).toBe(before)
    await expect(joinInitrds([], { signal: controller.signal })).rejects.toMatchObject({ reason: 'aborted' })
  })

  test('a part that throws', async () => {
    const before = openDescriptors()
    const broken: SyncInitrdPart = {
      name: 'broken',
      size: 1,
      fd: null,
      chunks: () => {
        throw Object.assign(new Error('EIO'), { code: 'EIO' })
      },
    }
    await expect(joinInitrds([broken])).rejects.toMatchObject({ reason: 'io', code: 'EIO' })
    expect(openDescriptors()).toBe(before)
  })
})
