import { lastParameter } from '../cmdline/look-up.ts'
import { type CommandLine, parseCommandLine, sameKey } from '../cmdline/parse.ts'

/** A parameter for a crash kernel, and the reason. */
export interface CrashParameter {
  /** As it is written on the command line. */
  readonly raw: string
  readonly reason: string
}

/** The known facts about the kernel that would take over after a panic. */
export interface CrashKernel {
  /** As `uname -m` prints it; null when unknown. */
  readonly architecture: string | null
  /** Its release, '6.1.0-50-amd64'; null when unknown. */
  readonly version: string | null
  /** The text to append: its parameters are not added a second time. */
  readonly append: readonly string[]
  /** Initial APIC id of the CPU that booted this machine (/proc/cpuinfo); null where there is none. */
  readonly bootApic: number | null
}

/** A command line made fit for a crash kernel. */
export interface CrashCommandLine {
  readonly line: CommandLine
  /** The removed parameters, as written. */
  readonly removed: readonly string[]
  readonly added: readonly CrashParameter[]
}

/**
 * Parameters that a crash kernel must not inherit: Documentation/admin-guide/kernel-parameters.txt describes each. Most
 * take memory at boot, of which a crash kernel has little.
 */
const OF_THE_FIRST_KERNEL = [
  // Memory set aside for a crash kernel, which this one is.
  'crashkernel',
  'fadump',
  // Pools that are filled at boot.
  'hugepages',
  'hugepagesz',
  'default_hugepagesz',
  'hugetlb_cma',
  'cma',
  'vmcp_cma',
  'log_buf_len',
  // Tracking of allocations.
  'slub_debug',
  'slab_debug',
  'page_owner',
  // Places in memory: they belong to the crashed kernel, and must not be written to.
  'memmap',
  // CPUs of the crashed kernel.
  'nr_cpus',
  'maxcpus',
]

/** Bounce buffers: a number takes memory at boot, a word (force, noforce) says how the machine must be driven. */
const isSizedBuffer = (key: string, value: string | null) => sameKey(key, 'swiotlb') && /^\d/.test(value ?? '')

/**
 * Removes the parameters of the kernel that crashes, and adds those that its successor needs to boot in little memory
 * and with devices in any state. Sources: Documentation/admin-guide/kdump/kdump.rst of the kernel, the defaults of
 * Fedora's kdump-utils and of Debian's kdump-tools. A parameter that is present stays as it is.
 */
export function crashCommandLine(line: CommandLine, kernel: CrashKernel): CrashCommandLine {
  const isStale = (key: string, value: string | null) =>
    OF_THE_FIRST_KERNEL.some((name) => sameKey(name, key)) || isSizedBuffer(key, value)
  const stale = line.parameters.filter(({ key, value }) => isStale(key, value))
  const kept = line.parameters.filter((parameter) => !stale.includes(parameter))
  const present = [...kept, ...kernel.append.flatMap((text) => parseCommandLine(text).parameters)]
  const added = wantedBy(kernel, present).filter(({ raw }) => {
    const [wanted] = parseCommandLine(raw).parameters
    return !present.some(({ key }) => sameKey(key, wanted?.key ?? ''))
  })
  return {
    line: { ...line, parameters: [...kept, ...added.flatMap(({ raw }) => parseCommandLine(raw).parameters)] },
    removed: stale.map(({ raw }) => raw),
    added,
  }
}

function wantedBy(kernel: CrashKernel, present: CommandLine['parameters']): CrashParameter[] {
  const { architecture } = kernel
  const onPower = architecture?.startsWith('ppc') ?? false
  const onMainframe = architecture === 's390x'
  const lastValue = (name: string) => lastParameter({ parameters: present, init: [] }, name)?.value ?? undefined
  const cpus = lastValue('nr_cpus') ?? lastValue('maxcpus')
  return [
    // 64-bit POWER starts every CPU of a core together, for which nr_cpus= once was too few: kdump.rst names maxcpus=1.
    ...(cpus === undefined
      ? [{ raw: onPower ? 'maxcpus=1' : 'nr_cpus=1', reason: 'one CPU suffices, and takes the least memory' }]
      : []),
    ...(onMainframe
      ? []
      : [
          { raw: 'irqpoll', reason: 'handles unexpected interrupts of devices that the old kernel left running' },
          { raw: 'reset_devices', reason: 'drivers reset their devices, which the old kernel did not stop' },
        ]),
    ...(onPower ? [{ raw: 'noirqdistrib', reason: 'all interrupts go to the one CPU' }] : []),
    ...bootCpu(kernel, cpus),
    { raw: 'cgroup_disable=memory', reason: 'saves the memory that memory accounting takes' },
    { raw: 'udev.children-max=2', reason: 'udev runs only a few programs at a time: each takes memory' },
    { raw: 'noresume', reason: 'a hibernated system must not be resumed instead' },
    { raw: 'panic=10', reason: 'if it panics too, the machine restarts after 10 s instead of hanging' },
  ]
}

/**
 * The first kernel version whose crash kernel finds out by itself which CPU booted the machine: 5c5682b9f87a "x86/cpu:
 * Detect real BSP on crash kernels".
 */
const KNOWS_BOOT_CPU = 6009

/** Waking the CPU that booted the machine from another one resets the machine: kdump.rst, "Notes on loading the dump-capture kernel". */
function bootCpu({ architecture, version, bootApic }: CrashKernel, cpus: string | undefined): CrashParameter[] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? []
  const series = major === undefined ? 0 : Number(major) * 1000 + Number(minor)
  if (architecture !== 'x86_64' || bootApic === null || cpus === undefined || cpus === '1') return []
  if (series >= KNOWS_BOOT_CPU) return []
  return [
    {
      raw: `disable_cpu_apicid=${bootApic}`,
      reason: 'with several CPUs, waking the one that booted the machine would reset it',
    },
  ]
}
