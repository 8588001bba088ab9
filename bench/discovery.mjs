// node bench/discovery.mjs [--rounds N]: how long listing takes with 10 to 10,000 entries of each source, and what it needs
// of memory; for Boot Loader Specification entries side by side with bootctl. Needs `npm run compile`; loads nothing.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compare, median } from './statistics.mjs'

const root = join(import.meta.dirname, '..')
const head = readFileSync(join(root, 'test/fixtures/kernels/vmlinuz-6.1.0-50-cloud-amd64.head'))

/** Distinct kernels that entries name, as many as a disk full of them has. */
const KERNELS = 20

const SIZES = [10, 100, 1000, 10_000]

/** From how many entries a file of that kind, or a directory of such files, is made: path and text each. */
const sources = {
  bls: (count) =>
    range(count).map((number) => [
      `boot/loader/entries/6a98-6.1.${number}.conf`,
      `title Debian GNU/Linux 12\nversion 6.1.${number}\nmachine-id 6a98\nsort-key debian\noptions root=/dev/sda2 ro quiet number=${number}\nlinux /k/vmlinuz-${number % KERNELS}\ninitrd /k/initrd-${number % KERNELS}\n`,
    ]),
  grub: (count) => [
    [
      'boot/grub/grub.cfg',
      range(count)
        .map(
          (number) =>
            `menuentry 'Linux 6.1.${number}' --class debian $menuentry_id_option 'gnulinux-${number}' {\n\tload_video\n\tinsmod gzio\n\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi\n\techo 'Loading Linux ...'\n\tlinux /boot/k/vmlinuz-${number % KERNELS} root=/dev/sda2 ro quiet number=${number}\n\tinitrd /boot/k/initrd-${number % KERNELS}\n}\n`,
        )
        .join(''),
    ],
  ],
  extlinux: (count) => [
    [
      'boot/extlinux/extlinux.conf',
      `default l0\n${range(count)
        .map(
          (number) =>
            `label l${number}\n\tmenu label Linux 6.1.${number}\n\tlinux /boot/k/vmlinuz-${number % KERNELS}\n\tinitrd /boot/k/initrd-${number % KERNELS}\n\tappend root=/dev/sda2 ro number=${number}\n`,
        )
        .join('')}`,
    ],
  ],
  'boot-dir': (count) => range(count).map((number) => [`boot/vmlinuz-6.1.${number}`, head]),
}

const [mode, ...rest] = process.argv.slice(2)
if (mode === '--once') await once(rest[0])
else if (mode === '--beside') beside(...rest)
else await measure(Number(parseArgs({ options: { rounds: { type: 'string', default: '5' } } }).values.rounds))

async function measure(rounds) {
  const scratch = mkdtempSync(join(tmpdir(), 'linux-kexec-bench-'))
  try {
    console.log(
      'Listing in process, first call and later ones; microseconds for each further entry; memory above an empty tree\n',
    )
    row('', 'entries', 'first', 'later', 'µs/entry', 'peak memory')
    const trees = Object.fromEntries(Object.keys(sources).map((name) => [name, treesOf(name, scratch)]))
    for (const name of Object.keys(sources)) inProcess(name, trees[name], rounds)
    await besideBootctl(trees.bls, rounds)
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

function inProcess(name, trees, rounds) {
  let before = { count: 0, later: 0 }
  for (const { count, directory } of trees) {
    const runs = range(rounds).map(() =>
      JSON.parse(execFileSync(process.execPath, [import.meta.filename, '--once', directory], { encoding: 'utf8' })),
    )
    const wrong = runs.find(({ entries }) => entries !== count)
    if (wrong !== undefined) throw new Error(`${name}: ${wrong.entries} entries of ${count}`)
    const [first, later, memory] = ['first', 'later', 'memory'].map((key) => median(runs.map((run) => run[key])))
    const each = ((later - before.later) / (count - before.count)) * 1000
    row(
      name,
      count,
      `${first.toFixed(1)} ms`,
      `${later.toFixed(1)} ms`,
      each.toFixed(1),
      `${(memory / 1024).toFixed(1)} MiB`,
    )
    before = { count, later }
  }
}

/** In a process of its own: the first call is the one that a command makes. */
async function once(directory) {
  const { readBootMenu } = await import('../modules/entries/discover.js')
  const { System } = await import('../modules/system/system.js')
  const timed = async (path) => {
    const started = performance.now()
    const { entries } = await readBootMenu({ system: new System(path) })
    return { entries: entries.length, took: performance.now() - started }
  }
  const base = process.resourceUsage().maxRSS
  const { entries, took: first } = await timed(directory)
  const memory = process.resourceUsage().maxRSS - base
  const later = []
  for (let round = 0; round < 7; round++) later.push((await timed(directory)).took)
  console.log(JSON.stringify({ entries, first, later: median(later), memory }))
}

/** bootctl insists on a mount point: each tree's boot partition is copied to a tmpfs, in a mount namespace of its own. */
async function besideBootctl(trees, rounds) {
  const bootctl = await findBootctl()
  console.log('\nThe whole command, list --json, beside bootctl list --json=short, on the same boot partition\n')
  row('', 'entries', 'ours', 'bootctl', 'ratio')
  const script = 'mount -t tmpfs none "$1" && cp -r "$2/." "$1" && shift 2 && exec "$@"'
  for (const { count, directory } of trees) {
    const place = mkdtempSync(join(tmpdir(), 'linux-kexec-esp-'))
    const again = [
      process.execPath,
      import.meta.filename,
      '--beside',
      place,
      String(count),
      String(rounds),
      bootctl.program,
    ]
    const { status } = spawnSync(
      'unshare',
      ['--mount', 'sh', '-c', script, 'sh', place, join(directory, 'boot'), ...again],
      {
        stdio: 'inherit',
        env: { ...process.env, LD_LIBRARY_PATH: bootctl.libraries },
      },
    )
    rmSync(place, { recursive: true })
    if (status !== 0) throw new Error(`the comparison ended with ${status}`)
  }
}

/** This machine's, else Debian's as the harness unpacks it: to install it would put systemd-boot on the ESP. */
async function findBootctl() {
  if (spawnSync('bootctl', ['--version']).status === 0) return { program: 'bootctl', libraries: '' }
  const { DebianMirror, packageFile } = await import('../modules/vm/provision/debian.js')
  const mirror = await DebianMirror.open()
  const packages = await mirror.fetch(['systemd-boot', 'libsystemd-shared'], { dependencies: false })
  const directoryOf = (name) => packages.find((unpacked) => unpacked.name === name).directory
  const libraries = join(directoryOf('libsystemd-shared'), 'usr/lib')
  return {
    program: await packageFile(directoryOf('systemd-boot'), 'bin/bootctl'),
    libraries: join(libraries, readdirSync(libraries)[0], 'systemd'),
  }
}

function beside(place, count, rounds, bootctl) {
  const samples = range(Number(rounds) + 1)
    .map(() => ({
      ours: timeOf(process.execPath, [join(root, 'dist/linux-kexec.cjs'), 'list', '--root', place, '--json']),
      bootctl: timeOf(bootctl, ['list', '--json=short', `--esp-path=${place}`, '--no-pager']),
    }))
    .slice(1)
  const { oursMilliseconds, theirsMilliseconds, ratio } = compare('list', 'ours', 'bootctl', null, samples)
  row('bls', count, `${oursMilliseconds.toFixed(0)} ms`, `${theirsMilliseconds.toFixed(0)} ms`, ratio.toFixed(2))
}

function timeOf(program, args) {
  const started = performance.now()
  const { status, stderr } = spawnSync(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, SYSTEMD_RELAX_ESP_CHECKS: '1', SYSTEMD_RELAX_XBOOTLDR_CHECKS: '1' },
  })
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`)
  return performance.now() - started
}

function treesOf(name, scratch) {
  return SIZES.map((count) => {
    const directory = join(scratch, `${name}-${count}`)
    mkdirSync(join(directory, 'boot/k'), { recursive: true })
    if (name !== 'boot-dir') {
      for (const number of range(KERNELS)) {
        writeFileSync(join(directory, `boot/k/vmlinuz-${number}`), head)
        writeFileSync(join(directory, `boot/k/initrd-${number}`), '070701')
      }
    }
    for (const [path, content] of sources[name](count)) {
      mkdirSync(join(directory, path, '..'), { recursive: true })
      writeFileSync(join(directory, path), content)
    }
    return { count, directory }
  })
}

function range(count) {
  return Array.from({ length: count }, (_, number) => number)
}

function row(...cells) {
  console.log(
    cells
      .map((cell, column) => String(cell).padEnd(column === 0 ? 10 : 12))
      .join('')
      .trimEnd(),
  )
}
