import type { FileHandle } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { KexecError } from '../../errors.ts'
import { isObject, type OptionKind } from '../../options.ts'

/**
 * The forms of a kernel or an initrd: a path or a `file:` URL; its bytes, which must not change until they are loaded; a
 * Blob or File; a file that is open for reading, which stays the caller's; the Response of a fetch(), or a stream
 * (Readable, ReadableStream or any other), which is read to its end.
 */
export type ImageInput =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  | FileHandle
  | Response
  | AsyncIterable<Uint8Array>

/** The same in the forms that can be opened. */
export type HeldInput = string | Uint8Array | FileHandle | AsyncIterable<Uint8Array>

export const imageInput: OptionKind = {
  what: 'a path, a file: URL, bytes, a Blob, an open FileHandle, a Response or a stream of bytes',
  accepts: (value) =>
    typeof value === 'string'
      ? value !== '' && !value.includes('\0')
      : isObject(value) &&
        (value instanceof URL ||
          isBytes(value) ||
          isBlob(value) ||
          isStream(value) ||
          isHandle(value) ||
          isResponse(value)),
}

/**
 * Keeps a reference to a stream that is read only later: a runtime may end one when nothing refers to its source, as
 * Node 20 does with the body of a response of fetch().
 * @throws KexecError 'invalid-argument' for a URL of another protocol and for a body that was read already; 'not-found' or
 *   'io' for a response that is an error
 */
export function holdInput(input: ImageInput): HeldInput {
  if (typeof input === 'string' || input instanceof Uint8Array) return input
  if (input instanceof URL) return pathOfUrl(input)
  if (input instanceof ArrayBuffer) return new Uint8Array(input)
  if (isResponse(input)) return heldStream(bodyOf(input))
  if (isBlob(input)) return heldStream(input.stream() as unknown as AsyncIterable<Uint8Array>)
  return isStream(input) ? heldStream(input) : input
}

function heldStream(stream: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = stream[Symbol.asyncIterator]()
  return { [Symbol.asyncIterator]: () => iterator }
}

// By their members, as far as a runtime or a library may bring classes of its own.

function isBytes(value: object): value is Uint8Array | ArrayBuffer {
  return value instanceof Uint8Array || value instanceof ArrayBuffer
}

function isStream(value: object): value is AsyncIterable<Uint8Array> {
  return Symbol.asyncIterator in value
}

function isBlob(value: object): value is Blob {
  return 'stream' in value && typeof value.stream === 'function' && 'size' in value
}

function isResponse(value: object): value is Response {
  return 'body' in value && 'ok' in value && 'status' in value
}

function isHandle(value: object): value is FileHandle {
  return 'fd' in value && typeof value.fd === 'number'
}

function bodyOf(response: Response): AsyncIterable<Uint8Array> {
  const { body, bodyUsed, ok, status, statusText, url } = response
  const evidence = [{ source: url === '' ? 'the response' : url, value: `${status} ${statusText}`.trim() }]
  if (!ok) {
    throw new KexecError(`the server did not send the file: it answered ${status} ${statusText}`.trim(), {
      reason: status === 404 || status === 410 ? 'not-found' : 'io',
      hint: 'Check the address, and `response.ok` before a response is given here.',
      evidence,
      refused: true,
    })
  }
  if (body === null || bodyUsed) {
    throw new KexecError(`the response has no body${bodyUsed ? ' any more: it was read already' : ''}`, {
      reason: 'invalid-argument',
      hint: 'Give a fresh response, or the bytes that were read from it.',
      evidence,
      refused: true,
    })
  }
  return body as unknown as AsyncIterable<Uint8Array>
}

function pathOfUrl(url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new KexecError(`${url.href} is not the URL of a file of this machine`, {
      reason: 'invalid-argument',
      hint: url.protocol === 'file:' ? 'Give a path.' : 'Give the response of fetch() for it.',
      refused: true,
      cause,
    })
  }
}
