// node bench/downtime.mjs [--rounds N] [--size MIB…] [--compression NAME…] [--way NAME…] [--architecture arm64] [--plot] [--report]
// How long the machine is down: from reboot(KEXEC), when the devices are shut down, to the first line of the new init, by who
// loaded and how, for the same kernel and initrds, in one QEMU machine. Ways take turns, round by round. Prints a table, writes
// bench/results/downtime-ARCHITECTURE.json and, with --plot, the picture docs/downtime-ARCHITECTURE.svg. All initrds take an hour
// and a half: each is kept in that file once it is measured, beside those measured before; --report measures nothing and shows
// them.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { arch, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root, say, setUp, tarball } from '../scripts/setup.mjs'
import { drawDowntime } from './downtime-plot.mjs'
import { output } from './guest.mjs'
import { median } from './statistics.mjs'

/**
 * What is booted on each architecture. arm64 kernels are not packed, say nothing before their console works without being told
 * where it is, and have no kexec_file_load at Debian's; GRUB's part is measured on amd64 alone.
 */
const machines = {
  amd64: {
    commandLine: 'console=ttyS0 panic=-1 loglevel=7 nokaslr no_timer_check earlyprintk=ttyS0',
    boot: { bootLoader: 'grub', firmwareReboot: 'allowed' },
    without: [],
  },
  arm64: {
    // Not nokaslr: kexec-tools takes the device tree only of a kernel that has wiped its seed, and puts the kernel over the
    // tables of an ITS.
    commandLine: 'console=ttyAMA0 panic=-1 loglevel=7 earlycon',
    boot: { qemuArguments: ['-machine', 'its=off'] },
    without: ['firmware and GRUB', 'kexec-tools -s', 'ours, file'],
  },
}

/** MiB: an initrd of 100 MiB is there packed and unpacked, twice at times. */
const MEMORY = 2048

/** What /init of these initrds says first. */
const FIRST_LINE = 'the new init begins'

const compressors = {
  gzip: ['gzip', '-c'],
  zstd: ['zstd', '-q', '-3', '-c'],
  xz: ['xz', '--check=crc32', '-1', '-c'],
}

/** What the console says when a phase begins, in order; each is looked for behind the one before it. */
const marks = [
  // The devices are shut down: kernel_kexec and kernel_restart_prepare of kernel/.
  { phase: 'purgatory, copying, firmware', begins: /Starting new kernel|Restarting system/ },
  // The first that the decompressor has to say, of `nokaslr`, with earlyprintk; a kernel that was unpacked before has none.
  { phase: 'kernel decompression', begins: /KASLR disabled|Decompressing Linux/ },
  { phase: 'kernel', begins: /Linux version/ },
  { phase: 'initrd unpacking', begins: /Trying to unpack rootfs image/ },
  { phase: 'kernel, then init', begins: /Freeing initrd memory/ },
]

const SECTOR = 512

/** Seconds that unpacking 100 MiB may take under emulation, where Node has no zstd of its own; see `output`. */
const PREPARATION = 60

/** Who loads, and how. */
const loaders = {
  'firmware and GRUB': () => 'true',
  'kexec-tools -s': (kernel, initrd) => kexecTools('-s', kernel, initrd),
  'kexec-tools -c': (kernel, initrd) => kexecTools('-c', kernel, initrd),
  'kexec-tools -c -i': (kernel, initrd) => kexecTools('-c -i', kernel, initrd),
  'ours, file': (kernel, initrd) => ours('--engine file', kernel, initrd),
  'ours, segments': (kernel, initrd) => ours('--engine segments', kernel, initrd),
  'ours, --fast': (kernel, initrd) => ours('--fast', kernel, initrd),
}

function kexecTools(options, kernel, initrd) {
  return `kexec ${options} -l ${kernel} --initrd=${initrd} --command-line='${machine.commandLine}'`
}

function ours(options, kernel, initrd) {
  return `linux-kexec load ${kernel} --initrd ${initrd} --command-line '${machine.commandLine}' ${options}`
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    size: { type: 'string', multiple: true, default: ['0', '30', '100'] },
    plot: { type: 'boolean', default: false },
    compression: { type: 'string', multiple: true, default: Object.keys(compressors) },
    way: { type: 'string', multiple: true, default: Object.keys(loaders) },
    architecture: { type: 'string', default: 'amd64' },
    report: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const host = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${arch()}`
const { architecture } = values
const machine = machines[architecture]
const ways = values.way.filter((way) => !machine.without.includes(way))
const kept = join(root, `bench/results/downtime-${architecture}.json`)

if (!values.report) await measureAll()
report(JSON.parse(readFileSync(kept, 'utf8')))

async function measureAll() {
  setUp({ jobs: ['bench'], architectures: architecture === 'amd64' ? [] : [architecture] })
  const { buildGuest, newestKernels, startVm } = await import('../dist/vm/index.js')
  const kernels = await newestKernels({ architecture, progress: say })
  const guest = await buildGuest({ architecture, kernels, tarball, packages: ['kexec-tools'], progress: say })
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-downtime-'))
  try {
    for (const size of values.size.map(Number)) {
      // How a small one is packed makes no difference.
      const compressions = size === 0 ? values.compression.slice(0, 1) : values.compression
      for (const compression of compressions) {
        const target = guest.kernels.at(-1)
        const path = await makeInitrd(directory, target, size, compression)
        say(`an initrd of ${size} MiB in ${compression}, ${rounds} rounds of ${ways.length} ways`)
        keep(target.release, { size, compression, samples: await measure(startVm, guest, target, path) })
      }
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** One machine for each initrd, which it has on a disk: each new kernel finds it there. */
async function measure(startVm, guest, target, path) {
  const grubInitrd = `(hd2)0+${statSync(path).size / SECTOR}`
  const { boot, commandLine } = machine
  const disks = [{ path, serial: 'initrd' }]
  const options = { guest, kernel: target, ...boot, grubInitrd, disks, commandLine, memory: MEMORY }
  const vm = await startVm({ ...options, progress: say })
  const samples = []
  try {
    await vm.booted()
    for (let round = 0; round < rounds; round++) samples.push(await oneRound(vm, target, round))
  } finally {
    await vm.stop()
  }
  return samples
}

async function oneRound(vm, target, round) {
  const times = {}
  const shift = round % ways.length
  for (const way of [...ways.slice(shift), ...ways.slice(0, shift)]) {
    await output(
      vm,
      `for d in /sys/block/*; do [ "$(cat $d/serial)" = initrd ] && cat /dev/\${d##*/} > /root/initrd; done`,
    )
    await output(vm, loaders[way](`/boot/vmlinuz-${target.release}`, '/root/initrd'), PREPARATION)
    times[way] = await downtime(vm, way)
    say(`  round ${round + 1}, ${way}: ${times[way].down.toFixed(0)} ms`)
  }
  return times
}

/** @returns milliseconds: `down` in all, and of each phase, 0 where the console does not show it */
async function downtime(vm, way) {
  const seen = new Map()
  let arrived
  const init = new Promise((resolve) => {
    arrived = resolve
  })
  let [text, began] = ['']
  const end = vm.onConsole((more) => {
    text += more
    const now = performance.now()
    for (const { phase, begins } of marks.slice(marks.findLastIndex(({ phase }) => seen.has(phase)) + 1))
      if (begins.test(text)) seen.set(phase, now)
    if (!text.includes(FIRST_LINE)) return
    began ??= now
    arrived()
  })
  await output(vm, 'dmesg -n 8')
  await vm.spawn(way === 'firmware and GRUB' ? 'reboot -f' : 'linux-kexec exec --no-sync')
  await Promise.all([vm.booted({ deadline: 300_000 }), init])
  end()
  const times = { down: began - seen.get(marks[0].phase) }
  const found = marks.filter(({ phase }) => seen.has(phase))
  for (const [index, { phase }] of found.entries()) {
    const next = found[index + 1]
    times[phase] = (next === undefined ? began : seen.get(next.phase)) - seen.get(phase)
  }
  return times
}

/** The guest's initrd with as much of Node's own program as makes it that large once it is compressed. */
async function makeInitrd(directory, target, size, compression) {
  const { stageOne } = await import('../modules/vm/initramfs/scripts.js')
  const build = join(directory, 'build')
  const file = join(directory, `${size}-${compression}`)
  const [program, ...options] = compressors[compression]
  mkdirSync(build, { recursive: true })
  writeFileSync(join(build, 'init'), `#!/bin/sh\necho "${FIRST_LINE}" >/dev/console\n${stageOne}`, { mode: 0o755 })
  // Programs compress to about a third. Several copies are too far apart for the compressors to see that they are the same.
  const unpacked = size * 3 * 2 ** 20
  const part = Buffer.alloc(Math.min(unpacked, 90 * 2 ** 20))
  readSync(openSync(process.execPath), part, 0, part.length, 0)
  for (let index = 0; index * part.length < unpacked; index++) writeFileSync(join(build, `payload-${index}`), part)
  const script = `set -e; cd ${build}; { cat ${target.initrd}; ls | cpio -o -H newc --quiet; } | ${[program, ...options].join(' ')} > ${file}`
  execFileSync('sh', ['-c', script])
  // GRUB reads whole sectors, and the kernel skips zeros.
  truncateSync(file, Math.ceil(statSync(file).size / SECTOR) * SECTOR)
  rmSync(build, { recursive: true })
  return file
}

/** Beside what was measured before of the same kernel on the same machine. */
function keep(kernel, result) {
  const before = existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : { results: [] }
  const isSame = before.kernel === kernel && before.host === host
  const others = isSame ? before.results.filter((other) => nameOf(other) !== nameOf(result)) : []
  const results = [...others, result].sort((one, other) => one.size - other.size)
  mkdirSync(join(root, 'bench/results'), { recursive: true })
  writeFileSync(kept, `${JSON.stringify({ date: new Date().toISOString(), host, kernel, results }, null, 2)}\n`)
}

function nameOf({ size, compression }) {
  return `${size === 0 ? 'small' : `${size} MiB`}, ${compression}`
}

function report({ host, kernel, results }) {
  console.log(`\nIn QEMU (${architecture}) on ${host}, Linux ${kernel}; medians of the rounds, ratios round by round\n`)
  const phases = marks.map(({ phase }) => phase)
  console.log(`| initrd | by | rounds | down | of kexec-tools -s | of kexec-tools -c -i | ${phases.join(' | ')} |`)
  console.log(`| --- | --- | --- | --- | --- | --- |${' --- |'.repeat(phases.length)}`)
  for (const { size, compression, samples } of results) {
    const measured = Object.keys(loaders).filter((way) => way in samples[0])
    for (const way of measured) {
      const ratio = (other) =>
        measured.includes(other)
          ? median(samples.map((sample) => sample[way].down / sample[other].down)).toFixed(2)
          : ''
      const seconds = (phase) => (median(samples.map((sample) => sample[way][phase] ?? 0)) / 1000).toFixed(2)
      const cells = [
        way,
        samples.length,
        `${seconds('down')} s`,
        ratio('kexec-tools -s'),
        ratio('kexec-tools -c -i'),
        ...phases.map(seconds),
      ]
      console.log(`| ${nameOf({ size, compression })} | ${cells.join(' | ')} |`)
    }
  }
  if (values.plot) writeFileSync(join(root, `docs/downtime-${architecture}.svg`), drawDowntime(results, ways, phases))
}
