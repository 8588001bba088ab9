import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Boot, type Guest, startVm, type Vm, type VmOptions } from '../../src/vm/index.ts'
import { initWithChecksum, makeOverlay } from './checksum-init.ts'
import { BOOT, coldMemory, guestOfSeries, isWholeRun, json, kexecsInARow } from './guests.ts'

/** Of a cold boot's, how much the new kernel's memory may differ. */
const TOLERANCE = 0.01

/** Added to a command line: what could get lost, or come twice, where it is taken over again and again. */
const AWKWARD = 'console=tty0 quoted="two words" systemd.unit=none -- init words'

let guest: Guest
let older: string
let newer: string
let newest: string

beforeAll(async () => {
  // kexec-tools is what the memory map is compared with; zstd unpacks what a bzImage holds.
  guest = await guestOfSeries({ packages: ['kexec-tools', 'zstd'], modules: ['efivarfs'] })
  const releases = guest.kernels.map(({ release }) => release)
  ;[older, newer] = releases as [string, string]
  newest = releases.at(-1) as string
})

/** One machine for the tests of a group. */
function machineFor(options: () => Partial<VmOptions>) {
  const machine = {} as { vm: Vm; cold: Boot; map: string[] }
  beforeAll(async () => {
    const vm = await startVm({ guest, ...options() })
    const cold = await vm.booted()
    Object.assign(machine, { vm, cold, map: await memoryMap(vm) })
  })
  afterAll(() => machine.vm?.stop())
  return machine
}

/** The map as the running kernel was given it, in the words of kernels before 6.19. */
async function memoryMap(vm: Vm): Promise<string[]> {
  const { stdout } = await vm.run(`dmesg | sed -n 's/^.*BIOS-e820: //p'`)
  const lines = stdout
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('[gap'))
  return lines.map((line) =>
    line.replace(/ +/g, ' ').replace('System RAM', 'usable').replace('device reserved', 'reserved'),
  )
}

/** Loads, jumps, and returns what came up. */
async function kexec(vm: Vm, target: string, options = '', engine = 'segments') {
  const load = await json(vm, `linux-kexec load ${target} --engine ${engine} ${options}`)
  expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { engine } } })
  await vm.spawn('linux-kexec exec')
  return { boot: await vm.booted(BOOT), planned: load.document.plan.commandLine as string }
}

/** Gives what a bzImage unpacks to the end of a pipe. Debian's are packed with zstd since 6.12. */
async function unpackVmlinux(vm: Vm, release: string, pipe: string): Promise<void> {
  const { document } = await json(vm, `linux-kexec inspect /boot/vmlinuz-${release}`)
  const { offset, length, compression } = document.kernel.setupHeader.payload
  // Behind what is packed comes its size.
  const cut = `tail -c +${offset + 1} /boot/vmlinuz-${release} | head -c ${length - 4}`
  expect(await vm.run(`${cut} | ${compression} -dc ${pipe}`)).toMatchObject({ status: 0, stderr: '' })
}

function expectAllMemory(boot: Boot, cold: Pick<Boot, 'memTotal'>): void {
  expect(Math.abs(boot.memTotal / cold.memTotal - 1)).toBeLessThan(TOLERANCE)
}

describe('1 GiB, two processors', () => {
  const machine = machineFor(() => ({ cpus: 2, append: AWKWARD }))

  test('what is loaded is seen as loaded, and can be unloaded', async () => {
    expect(await machine.vm.run('linux-kexec load newest --engine segments')).toMatchObject({ status: 0 })
    expect((await json(machine.vm, 'linux-kexec status')).document).toMatchObject({ loaded: true })
    expect(await machine.vm.run('linux-kexec unload')).toMatchObject({ status: 0 })
    expect((await json(machine.vm, 'linux-kexec status')).document).toMatchObject({ loaded: false })
  })

  test('as a library, at once', async () => {
    const { stdout } = await machine.vm.run(`cat > /root/sync.mjs <<'END'
import { plan, status, unload } from '/usr/lib/node_modules/linux-kexec/dist/index.js'
const made = await plan({ entry: 'newest', engine: 'segments' })
made.loadSync()
const { loaded } = status()
unload()
console.log(JSON.stringify({ loaded, after: status().loaded }))
END
node /root/sync.mjs`)
    expect(JSON.parse(stdout)).toEqual({ loaded: true, after: false })
  })

  test('who may not see addresses gets a plan without the map, and is told so', async () => {
    const { status, stdout } = await machine.vm.run(`su tester -c 'linux-kexec plan newest --engine segments --json'`)
    expect(status).toBe(0)
    const unchecked = [{ code: 'segments', text: expect.stringContaining('shows zeros') }]
    expect(JSON.parse(stdout)).toMatchObject({ segments: null, unchecked })
  })

  describe('many kexecs in a row, first through segments, each release into each other, then through a file', () => {
    const FILES = isWholeRun ? 10 : 3
    const rounds: { target: string; boot: Boot; planned: string; processors: string; map: string[] }[] = []

    test('each comes up', async () => {
      const files = Array.from({ length: FILES }, (_, index) => (index % 2 === 0 ? newer : older))
      const targets = [...kexecsInARow(guest).map((target) => ({ target, engine: 'segments' }))]
      targets.push(...files.map((target) => ({ target, engine: 'file' })))
      for (const [index, { target, engine }] of targets.entries()) {
        const options = `--append quiet --append round=${index} --remove round`
        const { boot, planned } = await kexec(machine.vm, target, options, engine)
        expect(boot.release, `round ${index}`).toBe(target)
        const processors = (await machine.vm.run('nproc')).stdout.trim()
        rounds.push({ target, boot, planned, processors, map: await memoryMap(machine.vm) })
      }
      expect(new Set(rounds.map(({ boot }) => boot.bootId)).size).toBe(targets.length)
      // A deadline for what hangs: on a busy machine each takes half a minute.
    }, 1_800_000)

    test('the command line is the one of the first, with what was added last', () => {
      for (const [index, { boot, planned }] of rounds.entries()) {
        expect(boot.commandLine, `round ${index}`).toBe(planned)
        expect(planned, `round ${index}`).toBe(machine.cold.commandLine.replace(' -- ', ` quiet round=${index} -- `))
      }
      expect(rounds).toHaveLength(kexecsInARow(guest).length + FILES)
    })

    test('each has all memory', async () => {
      const cold = await coldMemory(guest, { cpus: 2 })
      for (const { target, boot } of rounds) expectAllMemory(boot, { memTotal: cold.get(target) as number })
      expect(rounds).toHaveLength(kexecsInARow(guest).length + FILES)
    })

    test('each has both processors', () => {
      expect(rounds.map(({ processors }) => processors)).toEqual(rounds.map(() => '2'))
      expect(rounds).not.toEqual([])
    })

    test('each that came through segments has the firmware’s map', () => {
      const through = kexecsInARow(guest)
      expect(rounds.slice(0, through.length).map(({ map }) => map)).toEqual(through.map(() => machine.map))
    })
  })

  test.each([
    ['vmlinux', ''],
    ['vmlinux.gz', ' | gzip -1'],
  ])('a %s, which kexec_file_load does not take, goes through kexec_load by itself', async (name, pack) => {
    const { vm, cold, map } = machine
    await unpackVmlinux(vm, newer, `${pack} > /root/${name}`)
    const load = await json(
      vm,
      `linux-kexec load /root/${name} --initrd /boot/initrd.img-${newer} --reuse-cmdline --remove elf --append elf=${name}`,
    )
    expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { engine: 'segments' } } })
    await vm.spawn('linux-kexec exec')
    const boot = await vm.booted()
    expect(boot).toMatchObject({ release: newer, commandLine: load.document.plan.commandLine })
    expectAllMemory(boot, cold)
    expect(await memoryMap(vm)).toEqual(map)
    expect((await vm.run('nproc')).stdout.trim()).toBe('2')
  })

  test('kexec-tools gives the same map, but for the first KiB, which it leaves out', async () => {
    const load = await machine.vm.run(
      `kexec -c -l /boot/vmlinuz-${older} --initrd=/boot/initrd.img-${older} --reuse-cmdline && cat /sys/kernel/kexec_loaded`,
    )
    expect(load).toMatchObject({ status: 0, stdout: '1\n' })
    await machine.vm.spawn('linux-kexec exec')
    expect((await machine.vm.booted()).release).toBe(older)
    const theirs = (await memoryMap(machine.vm)).map((line) => line.replace('0x0000000000000400', '0x0000000000000000'))
    expect(theirs).toEqual(machine.map)
  })

  // Last: there is no way back within this boot.
  test('under lockdown it is refused beforehand; and the kernel, asked all the same, says so', async () => {
    await machine.vm.run('echo integrity > /sys/kernel/security/lockdown')
    const before = await json(machine.vm, 'linux-kexec load newest --engine segments')
    expect(before).toMatchObject({ status: 3, document: { error: { reason: 'lockdown', code: 'EPERM' } } })
    const asked = await json(machine.vm, 'linux-kexec load newest --engine segments --try-anyway')
    expect(asked).toMatchObject({ status: 1, document: { error: { reason: 'lockdown', syscall: 'kexec_load' } } })
  })
})

describe('8 GiB, two processors', () => {
  const machine = machineFor(() => ({ cpus: 2, memory: 8192 }))

  test('the initrd arrives as it was, and all memory is seen', async () => {
    const sum = await makeOverlay(machine.vm, '/root/overlay', 50_000_000)
    const { boot } = await kexec(machine.vm, newest, '--overlay /root/overlay:/')
    expect(boot.release).toBe(newest)
    expect((await machine.vm.run('dmesg | grep payload')).stdout).toContain(`payload ${sum}`)
    expectAllMemory(boot, machine.cold)
    expect(await memoryMap(machine.vm)).toEqual(machine.map)
  })

  test('--fast takes segments by itself, and the initrd that it unpacked is the one that was packed', async () => {
    const made = await machine.vm.run(`
      mkdir /root/fast && head -c 30000000 /dev/urandom > /root/fast/payload
      cat > /root/fast/init <<'END'
${initWithChecksum}
END
      chmod 755 /root/fast/init && cd /root/fast && printf 'init\npayload\n' | cpio -o -H newc > /root/added.cpio
      sha256sum </root/fast/payload; rm -r /root/fast
      cat /boot/initrd.img-${older} /root/added.cpio | gzip -1 > /root/initrd.gz; rm /root/added.cpio`)
    const [sum] = made.stdout.split(' ')
    const load = await json(machine.vm, `linux-kexec load ${older} --fast --initrd /root/initrd.gz`)
    expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { engine: 'segments' } } })
    const measures = load.document.plan.decisions.filter(({ subject }: { subject: string }) => subject === 'fast')
    expect(measures.map(({ choice }: { choice: string }) => choice)).toContain('the initrd is unpacked in advance')
    await machine.vm.spawn('linux-kexec exec')
    expect((await machine.vm.booted()).release).toBe(older)
    const { stdout } = await machine.vm.run('dmesg | grep -e payload -e "initramfs"')
    expect(stdout).toContain(`payload ${sum}`)
  })
})

describe('UEFI', () => {
  const machine = machineFor(() => ({ bootLoader: 'shim', firmware: { secureBoot: false } }))
  const firmware = 'cat /sys/firmware/efi/systab /sys/firmware/efi/runtime-map/*/* && ls /sys/firmware/acpi/tables'

  test('after two kexecs the kernel still has its firmware: tables, runtime services, variables', async () => {
    const before = await machine.vm.run(firmware)
    expect(before.stdout).toContain('ACPI20=')
    for (const target of [newer, older]) {
      const { boot } = await kexec(machine.vm, target)
      expect(boot.release).toBe(target)
      expectAllMemory(boot, machine.cold)
      expect(await machine.vm.run(firmware)).toEqual(before)
      const variables = await machine.vm.run('ls /sys/firmware/efi/efivars | grep -c . && dmesg | grep "ACPI: RSDP"')
      expect(Number(variables.stdout.split('\n', 1)[0])).toBeGreaterThan(10)
      expect(await memoryMap(machine.vm)).toEqual(machine.map)
    }
  })
})
