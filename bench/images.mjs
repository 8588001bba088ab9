// node bench/images.mjs [--rounds N]: what loading a plain kernel, a compressed one and a UKI costs beside kexec-tools, in one
// QEMU machine: bytes read of the image, bytes copied, peak memory and wall time of the whole command.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root, say, setUp, tarball } from '../scripts/setup.mjs'
import { compile, output } from './guest.mjs'
import { median } from './statistics.mjs'

/** What Debian's own initrds have, bytes. */
const INITRD = 30 * 1024 * 1024

const COMMAND_LINE = 'console=ttyS0 panic=-1 nokaslr no_timer_check'

/** System calls by which a program gets at bytes, or moves them. */
const TRACED = 'read,pread64,readv,preadv,preadv2,write,pwrite64,writev,mmap,copy_file_range,sendfile,splice'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } })
const rounds = Number(values.rounds)

setUp({ jobs: ['bench'] })
const { buildGuest, newestKernels, startVm } = await import('../dist/vm/index.js')
const kernels = await newestKernels({ progress: say })
const program = { path: '/bench/time-process', source: compile(root, 'time-process'), mode: 0o755 }
const packages = ['kexec-tools', 'strace']
const guest = await buildGuest({ kernels, tarball, files: [program, ...makeImages(kernels)], packages, progress: say })
const vm = await startVm({ guest, kernel: guest.kernels.at(-1), commandLine: COMMAND_LINE, progress: say })
try {
  await vm.booted()
  await measure(guest.kernels.at(-1).release)
} finally {
  await vm.stop()
}

async function measure(release) {
  const initrd = `/boot/initrd.img-${release}`
  const images = {
    bzImage: [`/boot/vmlinuz-${release}`, initrd],
    'bzImage, gzip': ['/bench/vmlinuz.gz', initrd],
    'bzImage, zstd': ['/bench/vmlinuz.zst', initrd],
    UKI: ['/bench/uki.efi', null],
  }
  console.log(`\nLinux ${release}, ${(await output(vm, 'kexec --version; node --version')).trim().replace('\n', ', ')}`)
  row('image', 'by', 'read of it', 'copied', 'peak memory', 'wall time')
  for (const [name, [kernel, separate]] of Object.entries(images)) {
    const ours = `linux-kexec load ${kernel} --command-line '${COMMAND_LINE}'`
    const theirs = `kexec -s -l ${kernel} --command-line='${COMMAND_LINE}'`
    await side(name, kernel, 'linux-kexec load', separate === null ? ours : `${ours} --initrd ${separate}`)
    await side(name, kernel, 'kexec -s -l', separate === null ? theirs : `${theirs} --initrd=${separate}`)
  }
}

async function side(name, image, who, command) {
  const attempt = await vm.run(`${command} 2>&1`, { deadline: 120_000 })
  if (attempt.status !== 0) {
    row(name, who, `cannot: ${attempt.stdout.trim().split('\n')[0]}`)
    return
  }
  const trace = await output(
    vm,
    `rm -f /bench/trace.*; strace -ff -y -e trace=${TRACED} -o /bench/trace ${command} >&2; cat /bench/trace.* | grep -F -e '${image}' -e memfd: || true`,
    60,
  )
  const { read, copied } = bytesMoved(trace, image)
  const samples = (
    await output(vm, `for round in $(seq 0 ${rounds}); do /bench/time-process ${command}; done`, rounds * 5)
  )
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(' ').map(Number))
  const milliseconds = median(samples.map(([nanoseconds]) => nanoseconds / 1e6))
  const peak = median(samples.map(([, kibibytes]) => kibibytes)) / 1024
  row(name, who, bytes(read), bytes(copied), `${peak.toFixed(0)} MiB`, `${milliseconds.toFixed(0)} ms`)
}

/** What was read of the image, by read(2) or by mapping it, and what was written to memory files. */
function bytesMoved(trace, image) {
  let [read, copied] = [0, 0]
  for (const line of trace.split('\n')) {
    const call = /^(?<name>\w+)\(.*= (?<result>\d+)/.exec(line)?.groups
    const mapped = /^mmap\(NULL, (?<length>\d+), .*= 0x/.exec(line)?.groups
    if (mapped !== undefined && line.includes(image)) read += Number(mapped.length)
    else if (call === undefined) continue
    else if (/^(?:p?write|copy|sendfile|splice)/.test(call.name) && line.includes('memfd:'))
      copied += Number(call.result)
    else if (/^p?read/.test(call.name) && line.includes(`<${image}>`)) read += Number(call.result)
  }
  return { read, copied }
}

/** The newest kernel compressed as some distributions ship theirs, and as a UKI. */
function makeImages(kernels) {
  const directory = join(root, 'build/bench')
  mkdirSync(directory, { recursive: true })
  const kernel = readFileSync(kernels.at(-1).image)
  const place = (name) => join(directory, name)
  writeFileSync(place('vmlinuz'), kernel)
  const run = (program, ...args) => execFileSync(program, args, { cwd: directory })
  run('gzip', '-k', '-f', 'vmlinuz')
  run('zstd', '-q', '-f', '-19', 'vmlinuz')
  writeFileSync(place('stub.c'), 'int efi_main(void) { return 0; }')
  run('gcc', '-shared', '-nostdlib', '-fPIC', '-o', 'stub.so', 'stub.c')
  run('objcopy', '-j', '.text', '--output-target=efi-app-x86_64', 'stub.so', 'stub.efi')
  writeFileSync(place('cmdline'), COMMAND_LINE)
  // Loaded, never unpacked: it only has to begin as an archive does.
  writeFileSync(place('initrd'), Buffer.concat([Buffer.from('070701'), randomBytes(INITRD)]))
  const sections = [
    ['.cmdline', 'cmdline', '0x30000'],
    ['.initrd', 'initrd', '0x40000'],
    ['.linux', 'vmlinuz', '0x2000000'],
  ]
  const adding = sections.flatMap(([name, file, address]) => [
    ...['--add-section', `${name}=${file}`],
    ...['--set-section-flags', `${name}=data,readonly`, '--change-section-vma', `${name}=${address}`],
  ])
  run('objcopy', ...adding, 'stub.efi', 'uki.efi')
  return ['vmlinuz.gz', 'vmlinuz.zst', 'uki.efi'].map((name) => ({ path: `/bench/${name}`, source: place(name) }))
}

function bytes(count) {
  return count < 1024 * 1024 ? `${(count / 1024).toFixed(0)} KiB` : `${(count / 1024 / 1024).toFixed(1)} MiB`
}

function row(...cells) {
  console.log(
    cells
      .map((cell, column) => String(cell).padEnd([16, 18, 12, 12, 13, 0][column]))
      .join('')
      .trimEnd(),
  )
}
