import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, type ExpectStatic, expect, test } from 'vitest'
import { buildGuest, type GuestKernel, type Kernel, startVm, type Vm } from '../../src/vm/index.ts'
import { newestOfSeries } from '../../src/vm/provision/kernels.ts'
import { untestedKernel } from '../untested.ts'
import { json, tarball } from './guests.ts'

/** Upstream series that Debian carries, from the oldest that is still maintained somewhere to the newest. */
const series = ['5.10', '6.1', '6.12', '6.17', '7.2', '7.3']

/** The old ones by their own names, since 'oldstable' is another release every two years. */
const suites = [
  ...['bullseye', 'bullseye-security', 'bookworm', 'bookworm-security', 'bookworm-backports'],
  ...['trixie', 'trixie-security', 'trixie-backports', 'testing', 'unstable', 'experimental'],
]

const progress = (message: string) => console.error(`  ${message}`)

let kernels: Map<string, Kernel>
/** One runs the oldest kernel at first, the other the newest. */
let machines: Vm[] = []

beforeAll(async () => {
  if (!existsSync(tarball)) throw new Error(`${tarball} is missing: run the tests through \`npm test\``)
  kernels = await newestOfSeries(series, { suites, progress })
  for (const missing of series.filter((each) => !kernels.has(each))) untestedKernel(missing)
  progress(`kernels: ${[...kernels.values()].map(({ release }) => release).join(', ')}`)
  const guest = await buildGuest({ kernels: [...kernels.values()], tarball, progress })
  const ends = [guest.kernels[0], guest.kernels.at(-1)] as GuestKernel[]
  machines = await Promise.all(ends.map((kernel) => startVm({ guest, kernel })))
  await Promise.all(machines.map((vm) => vm.booted()))
})
afterAll(() => Promise.all(machines.map((vm) => vm.stop())))

test.for(series)('Debian has a kernel %s', (each, { skip }) => {
  if (!kernels.has(each)) skip(`no suite of the Debian mirror has a kernel ${each}`)
  expect(kernels.get(each)?.release.startsWith(`${each}.`)).toBe(true)
})

describe('from one series to the next', () => {
  const ascending = () => [...kernels.values()].map(({ release }) => release)

  test('there are several', () => expect(kernels.size).toBeGreaterThan(1))

  test.concurrent('each into its newer neighbour', ({ expect }) => walk(expect, machines[0] as Vm, ascending()))

  // From the newest to the oldest, too: QEMU's processor has 5 levels of page tables, over which 5.10 trips when kexec_file_load
  // has loaded it, so it is the engine `segments` that does it.
  test.concurrent('each into its older neighbour, the oldest into the newest, and back', ({ expect }) => {
    const [oldest, newest] = [ascending()[0], ascending().at(-1)] as [string, string]
    return walk(expect, machines[1] as Vm, [...ascending().reverse(), newest, oldest])
  })
})

/** Kexecs through these kernels; the first one is running. */
async function walk(expect: ExpectStatic, vm: Vm, [running, ...targets]: readonly string[]): Promise<void> {
  expect((await vm.run('uname -r')).stdout.trim()).toBe(running)
  for (const release of targets) {
    const mark = `to=${release}`
    const load = await json(vm, `linux-kexec load ${release} --remove to --append ${mark}`)
    expect(load, `into ${release}`).toMatchObject({ status: 0, document: { loaded: true } })
    await vm.spawn('linux-kexec exec')
    const boot = await vm.booted()
    expect(boot.release).toBe(release)
    expect(boot.commandLine.split(' ')).toContain(mark)
  }
}
