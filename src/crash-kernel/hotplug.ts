import type { System } from '../system/system.ts'

/** Whether the kernel keeps a loaded crash kernel up to date by itself when CPUs or memory come or go. */
export interface CrashHotplug {
  readonly cpu: boolean
  readonly memory: boolean
}

/**
 * A crash kernel gets a list of the memory and of the CPUs at the time of the load. Since Linux 6.6 (x86) the kernel
 * may update it: /sys/devices/system/{cpu,memory}/crash_hotplug says 1 then
 * (Documentation/ABI/testing/sysfs-devices-memory). Elsewhere the crash kernel has to be loaded again, or the dump
 * misses later memory and CPUs.
 */
export function readCrashHotplug(system: System): CrashHotplug {
  const follows = (what: string) => system.readText(`/sys/devices/system/${what}/crash_hotplug`)?.trim() === '1'
  return { cpu: follows('cpu'), memory: follows('memory') }
}

/** The action that a change of the machine requires, as a sentence; null where the kernel does it. */
export function hotplugAdvice({ cpu, memory }: CrashHotplug): string | null {
  if (cpu && memory) return null
  const what = [...(memory ? [] : ['memory']), ...(cpu ? [] : ['CPUs'])].join(' or ')
  return `This kernel does not update a crash kernel for added ${what}: load it again then.`
}
