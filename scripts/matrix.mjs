#!/usr/bin/env node
// npm run matrix [-- [--series 6.1,6.12,…] [--jobs N] [--again]]
// Every pair of Debian's kernels with both engines: fetches them (cached), writes build/matrix/debian.json, and calls `linux-kexec
// matrix`. Results are kept in build/matrix, so a second run goes on. Exit status 0 when all cells of this machine's architecture passed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { endPlainly } from './failure.mjs'
import { markdownTables } from './matrix-tables.mjs'
import { fail, root, say, setUp } from './setup.mjs'

/** By Debian's names; the series that the issue names, of which a mirror may lack some. */
const SERIES = { amd64: ['5.10', '6.1', '6.12', '6.17', '7.2', '7.3'], arm64: ['6.1', '6.12', '7.2'] }
const RELEASES = ['bullseye', 'bookworm', 'trixie']
const SUITES = [
  ...RELEASES.flatMap((each) => [each, `${each}-security`, `${each}-backports`]),
  ...['testing', 'unstable', 'experimental'],
]

endPlainly('matrix')
const { values } = parseArgs({
  options: { series: { type: 'string' }, jobs: { type: 'string' }, again: { type: 'boolean', default: false } },
})
const wanted = values.series?.split(',')
for (const each of wanted ?? [])
  if (!/^\d+\.\d+$/.test(each)) fail(`--series takes versions such as 6.1,6.12, not '${each}'`)

setUp()
const { newestOfSeries } = await import('../dist/vm/index.js')
const from = []
const missing = []
for (const [architecture, all] of Object.entries(SERIES)) {
  for (const series of all.filter((each) => wanted?.includes(each) ?? true)) {
    const kernel = await kernelOf(architecture, series)
    if (kernel === undefined) missing.push(`${series} for ${architecture}`)
    else
      from.push({
        name: `${kernel.release.replace(`-cloud-${architecture}`, '')} ${architecture}`,
        kernel: kernel.image,
      })
  }
}
for (const each of missing) say(`NOT RUN: no suite of the Debian mirror has a kernel ${each}`)
if (from.length === 0) fail('There are no kernels to rehearse.')

const directory = join(root, 'build/matrix')
mkdirSync(directory, { recursive: true })
const file = join(directory, 'debian.json')
const commandLine = `console=${process.arch === 'arm64' ? 'ttyAMA0' : 'ttyS0'}`
// A busy machine takes ten times as long.
const definition = { name: "Debian's kernels", from, engine: ['file', 'segments'], commandLine, timeout: 300_000 }
writeFileSync(file, `${JSON.stringify(definition, null, 2)}\n`)

const options = ['--json', '--junit', join(directory, 'debian.xml')]
if (values.jobs !== undefined) options.push('--jobs', values.jobs)
if (values.again) options.push('--again')
const child = spawn(process.execPath, [join(root, 'dist/linux-kexec.cjs'), 'matrix', file, ...options], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
// Ctrl-C reaches the command, too, which keeps what is done; its report comes then.
process.on('SIGINT', () => {})
let text = ''
child.stdout.setEncoding('utf8').on('data', (chunk) => {
  text += chunk
})
const [status] = await once(child, 'close')
const record = text === '' ? {} : JSON.parse(text)
if (record.cells === undefined) process.exit(status || 1)
const tables = markdownTables(record, missing)
writeFileSync(join(directory, 'debian.md'), tables)
console.log(`\n${tables}\nThe report is ${record.report}`)
const own = record.cells.filter(({ outcome }) => outcome.kind !== 'not-run' || record.interrupted)
process.exit(own.length > 0 && own.every(({ outcome }) => outcome.kind === 'passed') ? 0 : 1)

/** A suite whose lists name packages that it no longer has fails alone. */
async function kernelOf(architecture, series) {
  for (const suites of [SUITES, ...SUITES.map((suite) => [suite])]) {
    try {
      const found = (await newestOfSeries([series], { architecture, suites })).get(series)
      if (found !== undefined) return found
    } catch (error) {
      if (error.name !== 'ProvisionError') throw error
    }
  }
  return undefined
}
