import { createHash } from 'node:crypto'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { UpdateError } from './errors.mjs'
import { syncDirectoryOf } from './state.mjs'

/** What a proxy repacks could not be resumed. */
const headers = { 'accept-encoding': 'identity' }

/** The bytes of a small file. Throws when there are more than `most`. */
export async function fetchSmall(url, { most, signal }) {
  const response = await fetch(url, { headers, signal })
  if (response.status !== 200) throw new UpdateError(`${url}: the server answered ${response.status}`)
  const chunks = []
  let length = 0
  for await (const chunk of response.body) {
    length += chunk.length
    if (length > most) throw new UpdateError(`${url} has more than ${most} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * Downloads a file, or the rest of it, to `path`, and returns its bytes. They are verified in memory, after they were read
 * back: what happens to the file afterwards does not matter. An unfinished file stays as PATH.part for the next time.
 */
export async function download(url, { path, size, digest, stallAfter, signal }) {
  const finished = await readFile(path).catch(ifAbsent)
  if (finished !== undefined && isPublished(finished, { size, digest })) return finished
  const part = `${path}.part`
  await fetchRest(url, { part, size, stallAfter, signal })
  const bytes = await readFile(part)
  if (!isPublished(bytes, { size, digest })) {
    await rm(part)
    throw new UpdateError(`${url} is not the file that was published: its SHA-256 differs`)
  }
  await rename(part, path)
  await syncDirectoryOf(path)
  return bytes
}

/** In hex. */
export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}

function isPublished(bytes, { size, digest }) {
  return bytes.length === size && sha256(bytes) === digest
}

async function fetchRest(url, { part, size, stallAfter, signal }) {
  const there = (await stat(part).catch(ifAbsent))?.size ?? 0
  if (there === size) return
  const have = there < size ? there : 0
  const stall = new AbortController()
  const stalled = () => stall.abort(new UpdateError(`${url}: nothing came for ${stallAfter / 1000} s`))
  let timer = setTimeout(stalled, stallAfter)
  const output = await open(part, have === 0 ? 'w' : 'r+', 0o600)
  try {
    const range = have === 0 ? {} : { range: `bytes=${have}-` }
    const either = AbortSignal.any([signal, stall.signal])
    const response = await fetch(url, { headers: { ...headers, ...range }, signal: either })
    let at = startOf(response, have, url)
    await output.truncate(at)
    for await (const chunk of response.body) {
      clearTimeout(timer)
      timer = setTimeout(stalled, stallAfter)
      if (at + chunk.length > size) throw new UpdateError(`${url} is longer than the manifest says`)
      at += (await output.write(chunk, 0, chunk.length, at)).bytesWritten
    }
    await output.sync()
    if (at < size) throw new UpdateError(`${url} ended after ${at} of ${size} bytes; the next run goes on from there`)
  } finally {
    clearTimeout(timer)
    await output.close()
  }
}

/** Where the bytes of an answer begin: not every server gives a part of a file. */
function startOf(response, have, url) {
  if (response.status === 200) return 0
  if (response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${have}-`)) return have
  throw new UpdateError(`${url}: the server answered ${response.status}`)
}

function ifAbsent(error) {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
