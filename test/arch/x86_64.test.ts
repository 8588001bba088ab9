import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Boot, buildGuest, startVm, type Vm } from '../../src/vm/index.ts'
import { newestOfSeries } from '../../src/vm/provision/kernels.ts'
import { makeOverlay } from '../vm/checksum-init.ts'
import { json, tarball } from '../vm/guests.ts'

// What takes too long for each change (test/vm/segments.test.ts has the rest): ten kexecs in a row, of bzImage and vmlinux files
// with a large initrd, on a machine of 8 GiB with two processors.

const suites = [
  ...['bookworm', 'bookworm-security', 'trixie', 'trixie-security', 'trixie-backports'],
  ...['testing', 'unstable', 'experimental'],
]

/** Ten rounds: releases as both kinds of image. */
const rounds = [
  ...['6.12', '7.2', '6.1', '7.2 vmlinux', '6.12 vmlinux'],
  ...['7.2 vmlinux', '6.1', '6.12', '7.2', '6.1'],
] as const

/** Of a cold boot's, how much the new kernel's memory may differ: releases reserve more or less for themselves. */
const TOLERANCE = 0.01

const progress = (message: string) => console.error(`  ${message}`)

let vm: Vm
let cold: Boot
let releases: Map<string, string>

beforeAll(async () => {
  if (!existsSync(tarball)) throw new Error(`${tarball} is missing: run the tests through \`npm run test:arch\``)
  const kernels = await newestOfSeries(['6.1', '6.12', '7.2'], { suites, progress })
  releases = new Map([...kernels].map(([series, { release }]) => [series, release]))
  const guest = await buildGuest({ kernels: [...kernels.values()], tarball, packages: ['zstd'], progress })
  vm = await startVm({ guest, cpus: 2, memory: 8192 })
  cold = await vm.booted()
})
afterAll(() => vm?.stop())

/** The kernel's file in the machine: the bzImage, or what it unpacks, where it is packed with zstd. */
async function imageOf(release: string, asVmlinux: boolean): Promise<string> {
  const image = `/boot/vmlinuz-${release}`
  if (!asVmlinux) return image
  const { document } = await json(vm, `linux-kexec inspect ${image}`)
  const { offset, length, compression } = document.kernel.setupHeader.payload
  if (compression !== 'zstd') return image
  // Behind what is packed comes its size.
  const made = await vm.run(
    `tail -c +${offset + 1} ${image} | head -c ${length - 4} | zstd -dc > /root/vmlinux; wc -c < /root/vmlinux`,
  )
  expect(Number(made.stdout)).toBeGreaterThan(length)
  return '/root/vmlinux'
}

test('ten kexecs in a row: initrd, memory, processors and command line are there each time', async () => {
  for (const [round, wanted] of rounds.entries()) {
    const [series = '', kind] = wanted.split(' ')
    const release = releases.get(series)
    if (release === undefined) {
      progress(`NOT TESTED: no suite of the Debian mirror has a kernel ${series}`)
      continue
    }
    const image = await imageOf(release, kind === 'vmlinux')
    await vm.run('rm -rf /root/overlay')
    const sum = await makeOverlay(vm, '/root/overlay', 40_000_000)
    const load = await json(
      vm,
      `linux-kexec load ${image} --engine segments --initrd /boot/initrd.img-${release} --overlay /root/overlay:/ \
        --reuse-cmdline --remove round --append round=${round}`,
    )
    expect(load, `${wanted}: ${load.stderr}`).toMatchObject({ status: 0, document: { plan: { engine: 'segments' } } })
    await vm.spawn('linux-kexec exec')
    const boot = await vm.booted()
    expect(boot).toMatchObject({ release, commandLine: load.document.plan.commandLine })
    expect((await vm.run('dmesg | grep payload')).stdout).toContain(`payload ${sum}`)
    expect((await vm.run('nproc')).stdout.trim()).toBe('2')
    expect(Math.abs(boot.memTotal / cold.memTotal - 1), `${wanted}: memory`).toBeLessThan(TOLERANCE)
    progress(`${round + 1}: ${wanted} (${release})`)
  }
})
