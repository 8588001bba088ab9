#!/usr/bin/env node
// npm run bench [-- --rounds N]
// Sets up what is missing, then measures in QEMU, side by side with kexec-tools. Prints a table and writes
// bench/results/latest.json.
import { arch, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { endPlainly } from './failure.mjs'
import { root, say, setUp, tarball } from './setup.mjs'

endPlainly('bench')
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error('--rounds takes a whole number from 1 on')
  process.exit(2)
}

setUp()
const { bench, writeResults } = await import('../bench/bench.mjs')
const { kernel, versions, comparisons } = await bench({ root, tarball, rounds, progress: say })
const host = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${arch()}`
const file = writeResults(root, { date: new Date().toISOString(), host, kernel, versions, rounds, comparisons })

console.log(
  `\nIn QEMU on ${host}, Linux ${kernel}, ${versions.join(', ')}; medians of ${rounds} rounds, ratios round by round\n`,
)
const rows = comparisons.map(({ name, ours, theirs, oursMilliseconds, theirsMilliseconds, ratio, aim }) => [
  name,
  `${ours} ${oursMilliseconds.toFixed(0)} ms`,
  `${theirs} ${theirsMilliseconds.toFixed(0)} ms`,
  ratio.toFixed(2),
  aim === null ? '' : `≤ ${aim} ${ratio <= aim ? '✓' : '✗'}`,
])
for (const row of [['', 'ours', 'compared with', 'ratio', 'aim'], ...rows]) {
  console.log(
    [38, 32, 26, 7, 0]
      .map((width, column) => row[column].padEnd(width))
      .join('')
      .trimEnd(),
  )
}
console.log(`\nEvery sample is in ${file}`)
