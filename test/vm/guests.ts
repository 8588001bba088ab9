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

/** The package as users install it; scripts/setup.mjs packs it. */
export const tarball = 'build/linux-kexec.tgz'

const progress = (message: string) => console.error(`  ${message}`)

/** A guest with Debian's two newest kernels, the older one first: it is what boots, and the newer one what it kexecs into. */
export async function debianGuest(options: Partial<GuestOptions> = {}): Promise<Guest> {
  if (!existsSync(tarball)) throw new Error(`${tarball} is missing: run the tests through \`npm test\``)
  const { architecture } = options
  const kernels = await newestKernels({ progress, ...(architecture && { architecture }) })
  // setpriv (util-linux) takes capabilities away; nothing of kexec-tools is in any guest.
  const packages = ['util-linux', ...(options.packages ?? [])]
  return buildGuest({ tarball, progress, ...options, packages, kernels })
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
