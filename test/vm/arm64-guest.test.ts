import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Guest, type GuestKernel, startVm, type Vm, type VmOptions } from '../../src/vm/index.ts'
import { BOOT, debianGuest, json } from './guests.ts'

// Machines of another architecture than this one's, whose kernels have kexec_load alone: that they boot and that our command
// runs there. What it loads there is in test/vm/segments-arm64.test.ts.

let guest: Guest
beforeAll(async () => {
  guest = await debianGuest({ architecture: 'arm64' })
})

/** One after another: each machine is stopped before the next test. */
async function withMachine(options: Partial<VmOptions>, body: (vm: Vm) => Promise<void>): Promise<void> {
  await using vm = await startVm({ guest, ...options })
  await body(vm)
}

test('the newer kernel comes up with its whole memory and two processors', async () => {
  const kernel = guest.kernels.at(-1) as GuestKernel
  await withMachine({ kernel, cpus: 2, memory: 2048 }, async (vm) => {
    const { release, uname, commandLine, memTotal } = await vm.booted(BOOT)
    expect(release).toBe(kernel.release)
    expect(uname).toContain('aarch64')
    expect(commandLine).toBe('console=ttyAMA0 panic=-1 loglevel=6 nokaslr')
    expect(memTotal).toBeGreaterThan(1900 * 1024 * 1024)
    expect((await vm.run('nproc')).stdout).toBe('2\n')
  })
})

describe('with a device tree, as QEMU loads it', () => {
  let vm: Vm
  beforeAll(async () => {
    vm = await startVm({ guest })
    await vm.booted(BOOT)
  })
  afterAll(() => vm?.stop())

  test('our command runs, with the addon that the package has for arm64', async () => {
    expect(await vm.run('linux-kexec --version')).toMatchObject({ status: 0, stderr: '' })
    expect(await json(vm, 'linux-kexec status')).toMatchObject({ status: 4, document: { loaded: false } })
  })

  test('kexec_file_load is missing, kexec_load is there, and `policy` says so', async () => {
    const { document } = await json(vm, 'linux-kexec policy')
    expect(document).toMatchObject({
      mode: 'unsupported',
      kernel: { release: guest.kernels[0]?.release, architecture: 'aarch64' },
      kexecFileLoad: { mode: 'unsupported', reason: 'no-kexec-support', code: 'ENOSYS' },
      kexecLoad: { mode: 'unchecked' },
    })
  })

  test('`list` has both kernels', async () => {
    const { document } = await json(vm, 'linux-kexec list')
    expect(document.entries.map(({ version }: { version: string }) => version)).toEqual(
      guest.kernels.map(({ release }) => release).reverse(),
    )
  })

  test('what passes the control channel is what was sent', async () => {
    const { stdoutBytes, stderr } = await vm.run(
      'head -c 100000 /dev/urandom >/tmp/bytes; cat /tmp/bytes; sha256sum </tmp/bytes >&2',
    )
    const { createHash } = await import('node:crypto')
    expect(stderr).toContain(createHash('sha256').update(stdoutBytes).digest('hex'))
  })

  test('its devices are those of /sys/firmware/fdt', async () => {
    const { stdout } = await vm.run('cd /sys/firmware; ls -d fdt efi acpi 2>/dev/null; cat devicetree/base/compatible')
    expect(stdout).toBe('fdt\nlinux,dummy-virt\0')
  })
})

describe('with UEFI firmware', () => {
  test.each([
    ['devices from ACPI tables', [], ['acpi/tables/APIC', 'efi/systab']],
    ['devices from a device tree', ['-machine', 'acpi=off'], ['devicetree/base/compatible', 'efi/systab']],
  ])('%s', async (_, qemuArguments, files) => {
    await withMachine({ bootLoader: 'uefi', qemuArguments }, async (vm) => {
      await vm.booted(BOOT)
      const { stdout } = await vm.run(
        'cd /sys/firmware; ls acpi/tables/APIC efi/systab devicetree/base/compatible 2>/dev/null',
      )
      expect(stdout.trim().split('\n').sort()).toEqual([...files].sort())
    })
  })
})
