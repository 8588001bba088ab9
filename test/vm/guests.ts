import { existsSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import {
  buildGuest,
  type Guest,
  type GuestOptions,
  newestKernels,
  startVm,
  type Vm,
  type VmOptions,
} from '../../src/vm/index.ts'
import { newestOfSeries } from '../../src/vm/provision/kernels.ts'

/** The package as users install it; scripts/setup.mjs packs it. */
export const tarball = 'build/linux-kexec.tgz'

const progress = (message: string) => console.error(`  ${message}`)

/**
 * A guest with Debian's two newest kernels, where no others are given; the older one first: it is what boots, and the newer one
 * what it kexecs into.
 */
export async function debianGuest(options: Partial<GuestOptions> = {}): Promise<Guest> {
  if (!existsSync(tarball)) throw new Error(`${tarball} is missing: run the tests through \`npm test\``)
  const { architecture } = options
  const kernels = options.kernels ?? (await newestKernels({ progress, ...(architecture && { architecture }) }))
  // setpriv (util-linux) takes capabilities away; nothing of kexec-tools is in any guest.
  const packages = ['util-linux', ...(options.packages ?? [])]
  return buildGuest({ tarball, progress, ...options, packages, kernels })
}

/** Debian's two newest stable releases' series and the newest that all its architectures have. */
const SERIES = ['6.1', '6.12', '7.2']

const SUITES = ['bookworm', 'bookworm-security', 'trixie', 'trixie-security', 'testing', 'unstable']

/** A guest with a kernel of each of these upstream series, the oldest first; one that no suite has is left out, and said. */
export async function guestOfSeries(options: Partial<GuestOptions> = {}): Promise<Guest> {
  const { architecture } = options
  const found = await newestOfSeries(SERIES, { suites: SUITES, progress, ...(architecture && { architecture }) })
  for (const missing of SERIES.filter((each) => !found.has(each))) {
    progress(`\n*** NOT TESTED: no suite of the Debian mirror has a kernel ${missing} ***\n`)
  }
  return debianGuest({ ...options, kernels: [...found.values()] })
}

/** Whether repetitions and variants run in full, as by `npm run test:whole`. Otherwise a part does: docs/testing.md says which. */
export const isWholeRun = process.env['LINUX_KEXEC_WHOLE'] === '1'

/** Of a list of like things: all in a whole run, else every second, and those that are needed in any case. */
export function everySecond<T>(list: readonly T[], isNeeded: (item: T) => boolean = () => false): T[] {
  return list.filter((item, index) => isWholeRun || index % 2 === 0 || isNeeded(item))
}

/**
 * Targets of kexecs in a row, the first from the oldest kernel: each release goes into each other one at least once. With three
 * releases these are six; ten in a whole run.
 */
export function kexecsInARow({ kernels }: Guest): string[] {
  const releases = kernels.map(({ release }) => release)
  const pairs = releases.flatMap((one, index) => releases.slice(index + 1).flatMap((other) => [one, other]))
  const round = [...pairs.slice(1), ...pairs.slice(0, 1)]
  return Array.from({ length: isWholeRun ? 10 : round.length }, (_, index) => round[index % round.length] as string)
}

/** Bytes of memory by release, as a cold boot of each of the guest's kernels sees it: they reserve more or less for themselves. */
export async function coldMemory(guest: Guest, options: Partial<VmOptions>): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for (const kernel of guest.kernels) {
    const vm = await startVm({ guest, kernel, ...options })
    try {
      sizes.set(kernel.release, (await vm.booted(BOOT)).memTotal)
    } finally {
      await vm.stop()
    }
  }
  return sizes
}

/** What one `--json` call of our CLI in the guest gave. */
export interface CliResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  // biome-ignore lint/suspicious/noExplicitAny: the tests assert its shape
  readonly document: any
}

/** Calls our CLI in the guest with --json. @param options.deadline milliseconds, for what unpacks much under emulation */
export async function json(vm: Vm, command: string, options: { deadline?: number } = {}): Promise<CliResult> {
  const result = await vm.run(`${command} --json`, options)
  return { ...result, document: result.stdout === '' ? undefined : JSON.parse(result.stdout) }
}

/** Milliseconds for a boot where many others work on the same machine: an init system has a lot to start. */
export const BOOT = { deadline: 280_000 }

/** One machine for all tests of a file: booted before them, stopped after them. */
export function machineForFile(options: Partial<VmOptions> = {}, guestOptions: Partial<GuestOptions> = {}) {
  const machine = {} as { vm: Vm; guest: Guest; older: string; newer: string }
  beforeAll(async () => {
    const guest = await debianGuest(guestOptions)
    const vm = await startVm({ guest, ...options })
    await vm.booted(BOOT)
    const [older, newer] = guest.kernels.map(({ release }) => release)
    Object.assign(machine, { vm, guest, older, newer })
  })
  afterAll(() => machine.vm?.stop())
  return machine
}
