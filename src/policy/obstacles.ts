import { lastParameter } from '../cmdline/look-up.ts'
import type { Evidence } from '../errors.ts'
import type { System } from '../system/system.ts'
import { isAtLeast } from './signature-check.ts'
import type { KernelConfiguration } from './survey/configuration.ts'
import type { PolicyReason } from './survey/survey.ts'

const CPUS = '/proc/device-tree/cpus'
const POSSIBLE = '/sys/devices/system/cpu/possible'

/** Loads that firmware, processor or hypervisor are known to make impossible. */
export interface LoadObstacle {
  readonly name: 'xen' | 'spin-table' | 'no-cpu-hotplug' | 'protected-kvm' | 'tdx-erratum'
  /** Whether the obstacle is certain, or only possible. */
  readonly certain: boolean
  /** The errno of a load that it refuses; null where a load succeeds but the new kernel would not start. */
  readonly code: string | null
  /** Whether it affects crash kernels as well. */
  readonly concernsCrash: boolean
  /** A sentence without capital and full stop. */
  readonly summary: string
  readonly remedy: string
  readonly evidence: readonly Evidence[]
}

/** The facts in which obstacles are sought. */
export interface Platform {
  readonly system: System
  readonly architecture: string | null
  readonly release: string | null
  readonly configuration: Pick<KernelConfiguration, 'quote'>
  readonly hypervisor: string | null
  readonly reasons: readonly PolicyReason[]
}

/** The certain ones first. */
export function findObstacles(platform: Platform): LoadObstacle[] {
  const found = [xen, stuckProcessors, protectedKvm, tdxErratum].flatMap((look) => look(platform) ?? [])
  return found.sort((one, other) => Number(other.certain) - Number(one.certain))
}

/** The hypervisor below is asked to start the kernel, and does not. A load gives no sign of it. */
function xen({ hypervisor, reasons }: Platform): LoadObstacle | undefined {
  if (hypervisor !== 'xen-dom0' && hypervisor !== 'xen-pv') return undefined
  const known = reasons.filter(({ subject }) => subject === 'hypervisor')
  return {
    name: 'xen',
    certain: true,
    code: null,
    concernsCrash: true,
    summary: known[0]?.text ?? `this is ${hypervisor}`,
    remedy: hypervisor === 'xen-pv' ? 'Reboot as usual, or have the guest run as PVH or HVM.' : 'Reboot as usual.',
    evidence: known.map(({ source, value }) => ({ source, value })),
  }
}

/**
 * arm64 refuses when it could not stop its other processors: cpus_are_stuck_in_kernel of arch/arm64/kernel/smp.c. It
 * asks whether CPUs can die at all, which needs CONFIG_HOTPLUG_CPU and firmware with PSCI.
 */
function stuckProcessors({ architecture, system, configuration }: Platform): LoadObstacle | undefined {
  if (architecture !== 'aarch64' || !hasSeveralProcessors(system)) return undefined
  const common = { certain: true, code: 'EBUSY', concernsCrash: false } as const
  const possible = { source: POSSIBLE, value: system.readText(POSSIBLE)?.trim() ?? '' }
  const method = system
    .list(CPUS)
    .filter((name) => name.startsWith('cpu@'))
    .map((name) => `${CPUS}/${name}/enable-method`)
    .find((path) => system.readText(path)?.replaceAll('\0', '') === 'spin-table')
  if (method !== undefined)
    return {
      ...common,
      name: 'spin-table',
      summary:
        'the firmware starts processors by spin table, which cannot be stopped: the kernel refuses every load (EBUSY)',
      remedy: 'Boot with nr_cpus=1, or install firmware with PSCI.',
      evidence: [{ source: method, value: 'spin-table' }, possible],
    }
  // Only a configuration that says so counts: shortened ones leave it out.
  const built = configuration.quote('HOTPLUG_CPU')
  if (built.value !== '# CONFIG_HOTPLUG_CPU is not set') return undefined
  return {
    ...common,
    name: 'no-cpu-hotplug',
    summary:
      'the running kernel cannot stop processors (it was built without CONFIG_HOTPLUG_CPU): it refuses every load (EBUSY)',
    remedy: 'Boot with nr_cpus=1, or a kernel built with CONFIG_HOTPLUG_CPU=y.',
    evidence: [built, possible],
  }
}

function hasSeveralProcessors(system: System): boolean {
  return /[-,]/.test(system.readText(POSSIBLE)?.trim() ?? '')
}

/** The same function counts the protected mode of KVM, since 5.16; of several kvm-arm.mode= the last one counts. */
function protectedKvm({ architecture, system }: Platform): LoadObstacle | undefined {
  const mode = lastParameter(system.runningCommandLine(), 'kvm-arm.mode')
  if (architecture !== 'aarch64' || mode?.value !== 'protected') return undefined
  return {
    name: 'protected-kvm',
    certain: false,
    code: 'EBUSY',
    concernsCrash: false,
    summary: 'protected KVM was asked for: where it is active, the kernel refuses every load (EBUSY)',
    remedy: 'Boot without kvm-arm.mode=protected.',
    evidence: [{ source: '/proc/cmdline', value: mode.raw }],
  }
}

/** machine_kexec_prepare of arch/x86/kernel/machine_kexec_64.c, from 6.18 on; since 7.2 the kernel shuts TDX down first. */
function tdxErratum({ system, release }: Platform): LoadObstacle | undefined {
  const bugs = /^bugs\s*:(.*)$/m.exec(system.readText('/proc/cpuinfo') ?? '')?.[1]?.split(' ') ?? []
  if (!bugs.includes('tdx_pw_mce') || isAtLeast(release, 7, 2) === true) return undefined
  return {
    name: 'tdx-erratum',
    certain: false,
    code: 'EOPNOTSUPP',
    concernsCrash: true,
    summary:
      'TDX is on and this processor has its partial write erratum: kernels from 6.18 to 7.1 may refuse every load (EOPNOTSUPP)',
    remedy: 'If the load is refused, switch TDX off in the firmware setup.',
    evidence: [{ source: '/proc/cpuinfo bugs', value: 'tdx_pw_mce' }],
  }
}
