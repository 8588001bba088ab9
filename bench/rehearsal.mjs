// node bench/rehearsal.mjs [--rounds N] [--kept DIR]: a rehearsal beside bare QEMU with the same kernel and initrd, where its time goes, and
// making a guest's image beside GNU cpio (only that, with the files of an earlier `rehearse --keep DIR`). Needs `npm run compile`; kernels load and start in QEMU alone.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { newestKernels, writeCpio } from '../dist/vm/index.js'
import { compare, median } from './statistics.mjs'

const root = join(import.meta.dirname, '..')

/** As src/vm/machine/ has them for x86_64; the console and the port of the report go to files. */
const machine = (directory, memory) => [
  ...[
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    '-nic',
    'none',
    '-machine',
    'pc',
    '-cpu',
    'max,-erms,-fsrm,-cx16',
  ],
  ...['-accel', 'tcg,thread=single,tb-size=128', '-m', memory, '-smp', '1', '-action', 'reboot=shutdown,panic=none'],
  ...['-serial', `file:${directory}/bare-console`, '-serial', `file:${directory}/bare-report`],
]

const LOADING = 'console=ttyS0 panic=-1 loglevel=6 nokaslr rdinit=/linux-kexec-rehearsal no_timer_check'

async function main() {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, kept: { type: 'string' } } })
  const rounds = Number(values.rounds)
  const scratch = mkdtempSync(join(tmpdir(), 'linux-kexec-bench-'))
  try {
    const image = async (kept) =>
      compare('image, wall time', 'image', 'cpio', 1, await images(kept, scratch, 4 * rounds + 1))
    if (values.kept !== undefined) return report(await image(values.kept))
    const [older, newer] = await newestKernels()
    const samples = []
    for (let round = 0; round < rounds; round++)
      samples.push(beside(older.image, newer.image, join(scratch, `${round}`)))
    console.table(samples.map(({ phases, ...rest }) => ({ ...rest, ...phases })))
    report(compare('rehearsal, processor time', 'ours', 'bare', 1.1, samples))
    report(compare('rehearsal, wall time', 'oursWall', 'bareWall', 1.1, samples))
    report(await image(join(scratch, '0')))
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

function report({ name, oursMilliseconds, theirsMilliseconds, ratio, aim }) {
  const [ours, theirs] = [oursMilliseconds, theirsMilliseconds].map((time) => `${time.toFixed(0)} ms`)
  console.log(`${name}: ${ours} to ${theirs}, ${ratio.toFixed(2)} (aim ${aim})`)
}

/** A rehearsal as users have it, then QEMU alone with the files that it kept. */
function beside(from, kernel, kept) {
  const command = join(root, 'dist/linux-kexec.cjs')
  const words = [
    'rehearse',
    kernel,
    '--no-initrd',
    '--command-line',
    'console=ttyS0',
    '--from',
    from,
    '--accelerator',
    'tcg',
  ]
  const ours = timed(process.execPath, [command, ...words, '--timeout', '600', '--keep', kept, '--json'])
  const { outcome, phases } = JSON.parse(ours.stdout)
  if (outcome.kind !== 'passed') throw new Error(JSON.stringify(outcome))
  const loading = ['-kernel', from, '-initrd', join(kept, 'loading-initrd'), '-append', LOADING]
  const bare = timed('qemu-system-x86_64', [...machine(kept, '1024'), ...loading])
  if (!readFileSync(join(kept, 'bare-report'), 'utf8').includes(' done '))
    throw new Error('bare QEMU did not come to the end of the new kernel')
  const rounded = Object.fromEntries(Object.entries(phases).map(([phase, time]) => [phase, Math.round(time)]))
  return { ours: ours.processor, bare: bare.processor, oursWall: ours.wall, bareWall: bare.wall, phases: rounded }
}

/** The processor time is that of the program and of all that it waited for: other work on the machine changes it little. */
function timed(program, args) {
  const started = performance.now()
  const script = 'TIMEFORMAT="%U %S"; { time "$@" 2>/dev/null; } 2>&1'
  const { stdout, status } = spawnSync('bash', ['-c', script, 'bash', program, ...args], {
    encoding: 'utf8',
    maxBuffer: 1e9,
  })
  if (status !== 0) throw new Error(`${program} ended with status ${status}: ${stdout.slice(-2000)}`)
  const wall = performance.now() - started
  const [, output, user, system] = /^(.*?)([\d.]+) ([\d.]+)\n$/s.exec(stdout)
  return { stdout: output, wall, processor: 1000 * (Number(user) + Number(system)) }
}

/** The initrd of a rehearsal, unpacked, and packed again by each. */
async function images(kept, scratch, rounds) {
  const tree = join(scratch, 'tree')
  mkdirSync(tree)
  // Devices are left out: only root can make them.
  execFileSync('bsdtar', ['-xf', join(kept, 'loading-initrd'), '-C', tree, '--exclude', 'dev/*'])
  const names = readdirSync(tree, { recursive: true }).toSorted()
  const entries = names.map((name) => {
    const stats = statSync(join(tree, name))
    const kind = stats.isDirectory() ? { directory: true } : { source: join(tree, name) }
    return { path: `/${name}`, mode: stats.mode & 0o7777, ...kind }
  })
  const samples = []
  for (let round = 0; round < rounds; round++) {
    const [mine, theirs] = [join(scratch, `image-${round}`), join(scratch, `cpio-${round}`)]
    const begin = performance.now()
    await writeCpio(mine, entries)
    const image = performance.now() - begin
    const started = performance.now()
    const options = ['-o', '-H', 'newc', '--quiet', '--io-size', '1048576', '-F', theirs]
    execFileSync('cpio', options, { cwd: tree, input: `${names.join('\n')}\n` })
    samples.push({ image, cpio: performance.now() - started })
    for (const file of [mine, theirs]) rmSync(file)
  }
  const bytes = entries.reduce((sum, { source }) => sum + (source === undefined ? 0 : statSync(source).size), 0)
  const medians = ['image', 'cpio'].map((key) => `${median(samples.map((sample) => sample[key])).toFixed(0)} ms`)
  console.log(`image of ${entries.length} files, ${(bytes / 2 ** 20).toFixed(0)} MiB: ${medians.join(' to ')}`)
  return samples
}

await main()
