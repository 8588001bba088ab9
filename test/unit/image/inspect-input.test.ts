import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { type ImageInput, inspect, KexecError } from '../../../src/index.ts'

const path = join(import.meta.dirname, '../../fixtures/kernels/vmlinuz-6.1.0-50-cloud-amd64.head')
const bytes = readFileSync(path)

/** The bytes in memory of their own, as another program would have them. */
const buffer = () => new Uint8Array(bytes).buffer

test.each<[string, () => ImageInput, string]>([
  ['a path', () => path, path],
  ['a file: URL', () => pathToFileURL(path), path],
  ['a Uint8Array', () => new Uint8Array(bytes), '(bytes)'],
  ['an ArrayBuffer', buffer, '(bytes)'],
  ['a Blob', () => new Blob([buffer()]), '(stream)'],
  ['a Response', () => new Response(buffer()), '(stream)'],
  ['a ReadableStream', () => new Blob([buffer()]).stream() as unknown as AsyncIterable<Uint8Array>, '(stream)'],
])('%s is taken as a kernel', async (_, input, name) => {
  expect(await inspect(input())).toMatchObject({ path: name, size: bytes.length, format: 'bzImage' })
})

async function refusal(input: ImageInput): Promise<KexecError> {
  return inspect(input).then(
    () => new KexecError('taken', { reason: 'io' }),
    (error) => error,
  )
}

test('a URL that is no file of this machine is refused, with what would do', async () => {
  expect(await refusal(new URL('https://example.org/vmlinuz'))).toMatchObject({
    reason: 'invalid-argument',
    hint: 'Give the response of fetch() for it.',
  })
  expect(await refusal(new URL('file://elsewhere/vmlinuz'))).toMatchObject({
    reason: 'invalid-argument',
    hint: 'Give a path.',
  })
})

test('a response of a real server is read, and one that is an error is none of its pages', async () => {
  const server = createServer(({ url }, response) => {
    if (url !== '/vmlinuz') response.statusCode = url === '/gone' ? 410 : 503
    response.end(url === '/vmlinuz' ? bytes : 'a page about the error')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    expect(await inspect(await fetch(`${base}/vmlinuz`))).toMatchObject({ format: 'bzImage', size: bytes.length })
    expect(await refusal(await fetch(`${base}/gone`))).toMatchObject({
      reason: 'not-found',
      evidence: [{ source: `${base}/gone`, value: '410 Gone' }],
    })
    expect(await refusal(await fetch(`${base}/late`))).toMatchObject({ reason: 'io', kind: 'machine' })
  } finally {
    server.close()
  }
})

test('a body that was read already, or is none, is refused', async () => {
  const read = new Response('x')
  await read.text()
  expect(await refusal(read)).toMatchObject({
    reason: 'invalid-argument',
    summary: expect.stringMatching(/read already/),
  })
  expect(await refusal(new Response(null))).toMatchObject({ reason: 'invalid-argument' })
})
