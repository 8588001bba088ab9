// The benchmarks of `npm run bench`: ours side by side with kexec-tools, a bare system call and a firmware reboot, all in
// one machine. Everything that is compared is measured in turn, round by round.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildGuest, newestKernels, startVm } from '../dist/vm/index.js'
import { compile, output } from './guest.mjs'
import { compare } from './statistics.mjs'

/** What Debian's own initrd has beyond our guests' small one, bytes: MODULES=most gives some 30 MiB. */
const DEBIAN_INITRD = 30 * 1024 * 1024

const COMMAND_LINE = 'console=ttyS0 panic=-1 loglevel=6 nokaslr no_timer_check'

/** @returns the comparisons, each as statistics.mjs makes them */
export async function bench({ root, tarball, rounds, progress }) {
  const kernels = await newestKernels({ progress })
  const files = [
    ...['bare-load', 'time-process'].map((name) => ({
      path: `/bench/${name}`,
      source: compile(root, name),
      mode: 0o755,
    })),
    { path: '/bench/load-in-process.mjs', data: readFileSync(join(root, 'bench/load-in-process.mjs')) },
  ]
  // This guest alone has kexec-tools: it is what we compare with.
  const guest = await buildGuest({ kernels, tarball, files, packages: ['kexec-tools'], progress })
  const target = guest.kernels.at(-1)
  const options = { guest, kernel: target, bootLoader: 'grub', firmwareReboot: 'allowed', commandLine: COMMAND_LINE }
  const vm = await startVm({ ...options, progress })
  try {
    await vm.booted()
    const paths = { kernel: `/boot/vmlinuz-${target.release}`, initrd: `/boot/initrd.img-${target.release}` }
    await output(
      vm,
      `head -c ${DEBIAN_INITRD} /dev/urandom > /bench/filler; cat ${paths.initrd} /bench/filler > /bench/initrd`,
    )
    const version = await output(vm, 'kexec --version; node --version')
    const comparisons = [
      ...(await loadInProcess(vm, paths, rounds, progress)),
      await loadAsProcess(vm, 'load, whole process, initrd of 2 MiB', paths, rounds, progress),
      await loadAsProcess(vm, 'the same, initrd of 32 MiB', { ...paths, initrd: '/bench/initrd' }, rounds, progress),
      ...(await startUp(vm, rounds, progress)),
      ...(await rebootToUserspace(vm, paths, rounds, progress)),
    ]
    return { kernel: target.release, versions: version.trim().split('\n'), comparisons }
  } finally {
    await vm.stop()
  }
}

async function loadInProcess(vm, { kernel, initrd }, rounds, progress) {
  progress(`load() in process against a bare C program, ${rounds} rounds`)
  const script = `node /bench/load-in-process.mjs ${rounds} ${kernel} ${initrd} '${COMMAND_LINE}'`
  const samples = JSON.parse(await output(vm, script, rounds))
  return [
    compare('load() in process', 'load', 'bare', 1.05, samples),
    compare('loadSync() in process', 'loadSync', 'bare', 1.05, samples),
  ]
}

async function loadAsProcess(vm, name, { kernel, initrd }, rounds, progress) {
  progress(`the command against kexec -s -l, ${rounds} rounds`)
  const samples = await inTurn(vm, rounds, {
    'linux-kexec load': `linux-kexec load ${kernel} --initrd ${initrd} --command-line '${COMMAND_LINE}'`,
    'kexec -s -l': `kexec -s -l ${kernel} --initrd=${initrd} --command-line='${COMMAND_LINE}'`,
  })
  await output(vm, 'linux-kexec unload')
  return compare(name, 'linux-kexec load', 'kexec -s -l', 1.3, samples)
}

async function startUp(vm, rounds, progress) {
  progress(`start-up of the command against node -e 0, ${rounds} rounds`)
  const samples = await inTurn(vm, rounds, {
    'linux-kexec --version': 'linux-kexec --version',
    'linux-kexec list': 'linux-kexec list',
    'import of the library': `node --eval 'import("/usr/lib/node_modules/linux-kexec/dist/index.js")'`,
    'node -e 0': 'node -e 0',
  })
  return [
    compare('start-up', 'linux-kexec --version', 'node -e 0', 1.3, samples),
    compare('list', 'linux-kexec list', 'node -e 0', null, samples),
    compare('import', 'import of the library', 'linux-kexec --version', 2, samples),
  ]
}

/**
 * From the reboot to the first line of the new userland's agent, as the host sees it: once from the command on, and once from
 * the moment the old kernel says that it starts the new one, until when the machine still serves.
 */
async function rebootToUserspace(vm, { kernel, initrd }, rounds, progress) {
  const samples = []
  for (let round = 1; round <= rounds; round++) {
    progress(`reboot to userspace, round ${round} of ${rounds}`)
    // The same work in Node goes before each jump. Its code crowds the kernel's out of the emulator's translation cache, which a kernel that
    // is started again at the same address would otherwise find warm; no real machine has such a cache.
    const ways = {
      ours: [`linux-kexec load ${kernel} --initrd ${initrd} --command-line '${COMMAND_LINE}'`, 'linux-kexec exec'],
      theirs: [
        `kexec -s -l ${kernel} --initrd=${initrd} --command-line='${COMMAND_LINE}' && linux-kexec list`,
        'kexec -e -x',
      ],
      firmware: ['linux-kexec list', 'sync; reboot -f'],
    }
    const times = {}
    // What was booted before may matter, so every round begins with another.
    const order = Object.keys(ways)
    for (const way of [...order.slice(round % 3), ...order.slice(0, round % 3)]) {
      const [prepare, jump] = ways[way]
      await output(vm, prepare)
      times[way] = await untilBooted(vm, jump)
    }
    samples.push({
      'linux-kexec exec': times.ours.fromCommand,
      'kexec -e': times.theirs.fromCommand,
      'firmware and GRUB': times.firmware.fromCommand,
      'our jump': times.ours.fromJump,
      'its jump': times.theirs.fromJump,
    })
  }
  return [
    compare('command to userspace', 'linux-kexec exec', 'kexec -e', null, samples),
    compare('reboot(KEXEC) to userspace', 'our jump', 'its jump', 1, samples),
    compare('command to userspace', 'linux-kexec exec', 'firmware and GRUB', 1, samples),
  ]
}

async function untilBooted(vm, command) {
  let jumped
  let console = ''
  const end = vm.onConsole((text) => {
    console += text
    if (console.includes('Starting new kernel')) jumped ??= performance.now()
  })
  const { at } = await vm.spawn(command)
  const boot = await vm.booted()
  end()
  return { fromCommand: boot.at - at, fromJump: jumped === undefined ? Number.NaN : boot.at - jumped }
}

/** Times whole processes in turn. The first round fills caches and does not count. */
async function inTurn(vm, rounds, commands) {
  const script = Object.values(commands)
    .map((command) => `/bench/time-process ${command} || exit 1`)
    .join('\n')
  const lines = (await output(vm, `for round in $(seq 0 ${rounds}); do\n${script}\ndone`, rounds * 5))
    .trim()
    .split('\n')
  const names = Object.keys(commands)
  const samples = []
  for (let start = names.length; start < lines.length; start += names.length) {
    samples.push(
      Object.fromEntries(names.map((name, index) => [name, Number.parseInt(lines[start + index], 10) / 1e6])),
    )
  }
  return samples
}

/** Writes the results where `npm run bench` keeps them. */
export function writeResults(root, results) {
  const directory = join(root, 'bench/results')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'latest.json'), `${JSON.stringify(results, null, 2)}\n`)
  return join('bench/results', 'latest.json')
}
