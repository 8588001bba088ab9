import { memoryBytes } from '../../dist/image/bytes.js'
import { decompress } from '../../dist/image/compression/decompress.js'
import { DamagedStream } from '../../dist/image/compression/reader.js'
import { unzstd } from '../../dist/image/compression/zstd.js'
import { inspect } from '../../dist/image/inspection.js'
import { inspectNested } from '../../dist/image/nested.js'
import { containers, streams } from './image-seeds.mjs'

/** More than any input should unpack to before it is refused, bytes. */
const LIMIT = 16 * 1024 * 1024

/**
 * Kernel images and compressed streams. `read` takes the bytes as they are and tells what does not hold, one sentence each;
 * what it throws is a finding.
 */
export const imageTargets = [
  ...Object.entries(containers).map(([name, more]) => ({ name, more, read: readImage })),
  ...Object.entries(streams).map(([name, more]) => ({ name, more, read: (bytes) => readStream(name, bytes) })),
]

async function readImage(bytes) {
  const wrong = []
  const check = (holds, text) => holds || wrong.push(text)
  const { chain, contents, bytesRead } = await inspectNested(memoryBytes(bytes))
  check(chain.length >= 1 && chain.length <= 6, `the chain has ${chain.length} images`)
  check(bytesRead <= bytes.length * 8 + 1024, `${bytesRead} bytes were read of ${bytes.length}`)
  for (const { description, problems, facts } of chain) {
    for (const text of [description, ...problems]) check(isSentence(text), `no sentence: ${JSON.stringify(text)}`)
    for (const { value } of facts) check(typeof value === 'string', 'a fact is no text')
  }
  const [outermost] = contents
  for (const { offset, length, name } of outermost?.parts ?? []) {
    check(offset >= 0 && length >= 0 && offset + length <= bytes.length, `${name} lies outside of the file`)
  }
  for (const problem of outermost?.problems ?? []) check(isSentence(problem), `no sentence: ${JSON.stringify(problem)}`)
  const { verdictReason, damage, checks, kernelSize } = await inspect(bytes, { machine: 'x86_64' })
  for (const text of [verdictReason, ...damage]) check(isSentence(text), `no sentence: ${JSON.stringify(text)}`)
  for (const { passed, problem, layer } of checks) {
    check(passed === true || isSentence(problem), 'a check that did not pass does not say why')
    check(layer >= 0 && layer < chain.length, `a check is of layer ${layer}`)
  }
  check(kernelSize === null || kernelSize >= 0, `the kernel has ${kernelSize} bytes`)
  return wrong
}

async function readStream(name, bytes) {
  const source = memoryBytes(bytes)
  let size = 0
  try {
    for await (const chunk of name === 'zstd' ? unzstd(source) : decompress(name, source, LIMIT)) {
      size += chunk.length
      if (size > LIMIT) break
    }
  } catch (error) {
    if (!(error instanceof DamagedStream)) throw error
    if (!isSentence(error.message)) return [`no sentence: ${error.message}`]
  }
  return []
}

function isSentence(text) {
  return typeof text === 'string' && text !== '' && !/undefined|NaN|\[object /.test(text)
}
