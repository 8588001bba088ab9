import { closeSync, ftruncateSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readContents, readContentsSync } from '../../../src/engine/contents.ts'

/** More than is read at a time. */
const LONG = 5 * 2 ** 20

let directory: string
let fd: number
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-contents-'))
  fd = openSync(join(directory, 'initrd'), 'w+')
})
afterEach(() => {
  closeSync(fd)
  rmSync(directory, { recursive: true })
})

const openFiles = () => readdirSync('/proc/self/fd').length

describe('the contents of a descriptor', () => {
  test.each([0, 3, LONG])('of %i bytes, from the start, wherever the descriptor stands', async (size) => {
    ftruncateSync(fd, size)
    if (size > 0) writeSync(fd, 'end', size - 3)
    for (const bytes of [readContentsSync(fd, 'kernel'), await readContents(fd, 'kernel')]) {
      expect(bytes.length).toBe(size)
      expect(bytes.toString('latin1', Math.max(0, size - 3))).toBe(size > 0 ? 'end' : '')
    }
  })

  test('that become shorter while they are read are refused, and nothing stays open', async () => {
    ftruncateSync(fd, LONG)
    const before = openFiles()
    const reading = readContents(fd, 'initrd')
    ftruncateSync(fd, 10)
    await expect(reading).rejects.toMatchObject({
      reason: 'file-changed',
      refused: true,
      summary: 'the initrd became shorter while it was read',
      hint: expect.stringContaining('plan again'),
    })
    expect(openFiles()).toBe(before)
  })

  test.each([
    ['initrd', 'initrd-too-large'],
    ['kernel', 'not-a-kernel'],
  ])('of 4 GiB are too large for the %s', async (what, reason) => {
    ftruncateSync(fd, 4 * 2 ** 30)
    const refusal = {
      reason,
      refused: true,
      summary: expect.stringMatching(new RegExp(`^the ${what} has 4294967296 bytes`)),
      hint: `Use a smaller ${what}.`,
    }
    const before = openFiles()
    await expect(readContents(fd, what)).rejects.toMatchObject(refusal)
    expect(() => readContentsSync(fd, what)).toThrow(expect.objectContaining(refusal))
    expect(openFiles()).toBe(before)
  })

  test('are not read to the end when it is called off', async () => {
    ftruncateSync(fd, LONG)
    await expect(readContents(fd, 'initrd', AbortSignal.abort())).rejects.toMatchObject({ reason: 'aborted' })
  })
})
