import { generateKeyPairSync, sign } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

// The parts of examples/updater that start nothing; test/vm/examples.test.ts runs the whole.
const example = join(import.meta.dirname, '../../../examples/updater')
const { verifiedManifest } = await import(join(example, 'manifest.mjs'))
const { download, fetchSmall, sha256 } = await import(join(example, 'download.mjs'))
const { readState, writeState } = await import(join(example, 'state.mjs'))
const { reasonAgainst, verdictOf } = await import(join(example, 'verdict.mjs'))
const { serve } = await import(join(import.meta.dirname, '../../vm/examples/update-server.mjs'))

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-updater-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('the manifest', () => {
  const keys = generateKeyPairSync('ed25519')
  const file = (name: string) => ({ file: `${name}-7`, size: 10, sha256: 'ab'.repeat(32) })
  const manifest = { schemaVersion: 1, product: 'box', version: 7, kernel: file('kernel'), initrd: file('initrd') }
  const publicKey = keys.publicKey.export({ type: 'spki', format: 'pem' })
  const options = { publicKey, product: 'box', maxBytes: 100 }
  const read = (contents: object, how = {}) => {
    const bytes = Buffer.from(JSON.stringify(contents))
    return verifiedManifest(bytes, sign(null, bytes, keys.privateKey), { ...options, ...how })
  }

  test('that is signed is read', () => {
    expect(read(manifest)).toEqual(manifest)
  })

  test('of which one bit is another, or of another key, is refused', () => {
    const bytes = Buffer.from(JSON.stringify(manifest))
    const signature = sign(null, bytes, keys.privateKey)
    const foreign = sign(null, bytes, generateKeyPairSync('ed25519').privateKey)
    const flipped = Buffer.from(bytes)
    flipped[20] = (flipped[20] as number) ^ 1
    for (const [contents, its] of [
      [flipped, signature],
      [bytes, foreign],
      [bytes, Buffer.alloc(0)],
    ])
      expect(() => verifiedManifest(contents, its, options)).toThrow('the signature of the manifest is wrong')
  })

  test.each([
    ['another product', { product: 'other' }, 'for another product'],
    ['a later format', { schemaVersion: 2 }, 'a version that this updater does not know'],
    ['no version', { version: '7' }, 'not a positive whole number'],
    ['a path in place of a name', { kernel: { ...file('kernel'), file: '../kernel' } }, 'does not describe the kernel'],
    ['no digest', { initrd: { ...file('initrd'), sha256: '' } }, 'does not describe the initrd'],
    ['too large a file', { initrd: { ...file('initrd'), size: 101 } }, 'at most 100 are allowed'],
  ])('with %s is refused, although it is signed', (_, change, message) => {
    expect(() => read({ ...manifest, ...change })).toThrow(message)
  })
})

describe('a download', () => {
  const contents = Buffer.from(Array.from({ length: 50_000 }, (_, index) => index % 251))
  let server: Server
  let url: string
  let path: string
  const options = () => ({
    ...{ path, size: contents.length, digest: sha256(contents) },
    ...{ stallAfter: 20_000, signal: AbortSignal.timeout(60_000) },
  })
  const requests = () => readFileSync(join(directory, 'requests'), 'utf8').trim().split('\n')

  beforeEach(async () => {
    server = serve(directory)
    await new Promise((resolve) => server.once('listening', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`
    path = join(directory, 'downloaded')
    writeFileSync(join(directory, 'file'), contents)
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  test('gives the bytes, and is not made again', async () => {
    expect(contents.equals(await download(url, options()))).toBe(true)
    expect(contents.equals(await download(url, options()))).toBe(true)
    expect(requests()).toHaveLength(1)
  })

  test('that is cut off goes on where it ended', async () => {
    writeFileSync(join(directory, 'stop'), '20000')
    const cut = expect(download(url, options())).rejects.toThrow()
    await vi.waitUntil(() => existsSync(`${path}.part`) && statSync(`${path}.part`).size > 0, 20_000)
    server.closeAllConnections()
    await cut
    expect(existsSync(path)).toBe(false)
    const have = statSync(`${path}.part`).size
    expect(contents.equals(await download(url, options()))).toBe(true)
    expect(requests()).toEqual(['GET file', `GET file bytes=${have}-`])
  })

  test('with another digest leaves nothing', async () => {
    await expect(download(url, { ...options(), digest: sha256(Buffer.from('other')) })).rejects.toThrow('its SHA-256')
    expect([existsSync(path), existsSync(`${path}.part`)]).toEqual([false, false])
  })

  test('that was damaged on the disk is made again', async () => {
    await download(url, options())
    writeFileSync(path, Buffer.alloc(contents.length))
    expect(contents.equals(await download(url, options()))).toBe(true)
  })

  test('that is longer than published ends', async () => {
    await expect(download(url, { ...options(), size: 1000 })).rejects.toThrow('longer than the manifest says')
    await expect(fetchSmall(url, { most: 1000, signal: AbortSignal.timeout(60_000) })).rejects.toThrow('more than 1000')
  })

  test('that is not there, or stalls, or takes too long, fails', async () => {
    await expect(download(`${url}-absent`, options())).rejects.toThrow('the server answered 404')
    server.removeAllListeners('request')
    server.on('request', (_, response) => response.write('a'))
    await expect(download(url, { ...options(), stallAfter: 100 })).rejects.toThrow('nothing came for 0.1 s')
    await expect(download(url, { ...options(), signal: AbortSignal.timeout(100) })).rejects.toThrow('timeout')
  })
})

describe('the state', () => {
  test('is kept; one that is damaged is not guessed', async () => {
    const first = await readState(directory)
    expect(first).toMatchObject({ installed: 0, attempt: null, reports: [] })
    await writeState(directory, { ...first, installed: 3, reports: Array.from({ length: 30 }, (_, index) => index) })
    const { installed, reports } = await readState(directory)
    expect([installed, reports.length, reports.at(-1)]).toEqual([3, 20, 29])
    writeFileSync(join(directory, 'state.json'), '{')
    await expect(readState(directory)).rejects.toThrow('is damaged')
  })

  test('says which versions are not tried', () => {
    const state = { installed: 5, failures: { 7: 1 } }
    expect(reasonAgainst(5, state, {})).toContain('not newer than version 5')
    expect(reasonAgainst(6, state, {})).toBeUndefined()
    expect(reasonAgainst(6, state, { version: 8 })).toContain('not newer than version 8')
    expect(reasonAgainst(7, state, {})).toContain('was taken back')
    expect(reasonAgainst(7, state, { tries: 2 })).toBeUndefined()
  })
})

describe('what became of an attempt', () => {
  const attempt = { trial: 'aa', loaded: true }
  const record = (times: object, id = 'aa') => ({ id, times, reason: null })
  const started = { planned: '1', loaded: '2', started: '3' }
  test.each([
    ['its kernel runs', 'running', record(started), true, 'running'],
    ['it was confirmed', 'confirmed', record(started), true, 'confirmed'],
    ['it was confirmed before a reset', 'confirmed', record(started), false, 'confirmed'],
    ['it came back', 'taken-back', record(started), false, 'taken-back'],
    ['a check failed, and it came back', 'failed', record(started), false, 'taken-back'],
    ['a check failed, and it is about to come back', 'failed', record(started), true, 'waiting'],
    ['it expired, and is about to come back', 'expired', record(started), true, 'waiting'],
    ['the reboot has begun', 'started', record(started), false, 'waiting'],
    ['the load did not end', 'planned', record({ planned: '1' }), false, 'not-tried'],
    ['the load failed', 'failed', record({ planned: '1' }), false, 'not-tried'],
    ['it was not started', 'loaded', record({ loaded: '2' }), false, 'not-tried'],
    ['something else rebooted', 'taken-back', record({ loaded: '2' }), false, 'not-tried'],
    ['it was cancelled', 'cancelled', record({ loaded: '2' }), false, 'not-tried'],
    ['its record is gone', 'none', null, false, 'taken-back'],
    ['another trial has taken its place', 'taken-back', record(started, 'bb'), false, 'taken-back'],
    ['the record is damaged', 'unreadable', null, false, 'unknown'],
    ['the running trial has no record', 'unrecorded', null, false, 'unknown'],
  ])('%s', (_, outcome, its, isRunning, verdict) => {
    expect(verdictOf(attempt, { outcome, record: its, isRunning, problem: null })).toMatchObject({ verdict })
  })

  test('a power cut before there was a record', () => {
    expect(verdictOf({ ...attempt, loaded: false }, { outcome: 'none', record: null })).toEqual({
      verdict: 'not-tried',
    })
  })
})
