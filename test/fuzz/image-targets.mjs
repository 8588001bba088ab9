import { memoryBytes } from '../../modules/bytes/bytes.js'
import { decompress } from '../../modules/compression/decompress.js'
import { DamagedStream } from '../../modules/compression/reader.js'
import { unzstd } from '../../modules/compression/zstd.js'
import { inspect } from '../../modules/image/inspect/inspection.js'
import { inspectNested } from '../../modules/image/unpack/nested.js'
import { containers, streams } from './image-seeds.mjs'
import { isSentence } from './sentence.mjs'

/** More than any input should unpack to before it is refused, bytes. */
const LIMIT = 16 * 1024 * 1024

/** Kernel images, each with the function that shows that its format was read. */
const images = {
  fit: ['image/formats/fit', 'configurationsOf'],
  uimage: ['image/formats/uimage', 'headerProblems'],
  android: ['image/formats/android', 'layOut'],
  'unified-image': ['image/formats/uki', 'partOfSection'],
  zboot: ['image/formats/zboot', 'unpack'],
  'linux-image': ['image/formats/linux-images', 'textOffset'],
  vmlinux: ['image/formats/elf', 'extentOf'],
  'compressed-image': ['image/formats/compressed', 'unpack'],
  s390: ['image/formats/linux-images', 's390Version'],
}

const decoders = {
  gzip: ['compression/node-zlib', 'through'],
  bzip2: ['compression/bzip2', 'runs'],
  xz: ['compression/xz', 'lzma2'],
  lzma: ['compression/lzma', 'decode'],
  lz4: ['compression/lz4', 'unpackBlock'],
  zstd: ['compression/zstd', 'decode'],
}

export const imageTargets = [
  ...Object.entries(images).map(([name, [parser, reaches]]) => {
    return { name, more: () => containers()[name], parser, reaches, read: readImage }
  }),
  ...Object.entries(decoders).map(([name, [parser, reaches]]) => {
    return { name, more: () => streams(name), parser, reaches, read: (bytes) => readStream(name, bytes) }
  }),
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
