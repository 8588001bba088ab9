/**
 * Unpacks a kernel in a process of its own and tells, as JSON, what came of it and what it took:
 * `node unpack-in-child.mjs FILE [LIMIT]`. Peaks are of resident memory, above what Node with all code loaded has.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { fileBytes, memoryBytes } from '../../../modules/bytes/bytes.js'
import { decompressHead } from '../../../modules/compression/decompress.js'
import { extractKernel } from '../../../modules/image/unpack/extract.js'
import { inspectNested } from '../../../modules/image/unpack/nested.js'

const [file, limit] = process.argv.slice(2)
const fd = openSync(file)
const source = fileBytes(fd, fstatSync(fd).size)
const status = (field) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024

// All code loaded and run once, before the baseline.
const warm = await extractKernel(memoryBytes(gzipSync(Buffer.alloc(16_000_000))))
warm.close()
for (const name of ['xz', 'lzma', 'lz4', 'bzip2', 'zstd']) await decompressHead(name, memoryBytes(Buffer.alloc(64)), 10)
const baseline = status('VmRSS')

let longest = 0
let last = performance.now()
const beat = setInterval(() => {
  longest = Math.max(longest, performance.now() - last)
  last = performance.now()
}, 5)
const started = performance.now()
const chain = (await inspectNested(source)).chain.map(({ format }) => format)
const inspected = performance.now()
let result
try {
  const kernel = await extractKernel(source, limit === undefined ? {} : { limit: Number(limit) })
  const hash = createHash('sha256')
  const piece = Buffer.alloc(1 << 20)
  const peak = status('VmHWM')
  for (let offset = 0; offset < kernel.size; ) {
    const count = readSync(kernel.fd, piece, 0, piece.length, offset)
    hash.update(piece.subarray(0, count))
    offset += count
  }
  result = { size: kernel.size, sha256: hash.digest('hex'), peak: peak - baseline }
  kernel.close()
} catch (error) {
  result = { reason: error.reason ?? null, message: error.message, peak: status('VmHWM') - baseline }
}
const seconds = (performance.now() - inspected) / 1000
clearInterval(beat)
closeSync(fd)
console.log(
  JSON.stringify({ ...result, chain, inspection: (inspected - started) / 1000, seconds, stall: longest / 1000 }),
)
