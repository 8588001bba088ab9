import type { System } from '../../system/system.ts'

/** The control groups of systemd's services, under the unified hierarchy and under the older ones. */
const SLICES = ['/sys/fs/cgroup/system.slice', '/sys/fs/cgroup/systemd/system.slice']

/** More services than a machine has. */
const MAX_SERVICES = 2000

/**
 * The services that have not been stopped: systemd removes a service's control group when its last process has ended.
 * Needs neither D-Bus nor a privilege.
 */
export function servicesRunning(system: System): string[] {
  const slice = SLICES.find((path) => system.stat(path)?.isDirectory())
  if (slice === undefined) return []
  const names = system.list(slice).filter((name) => name.endsWith('.service'))
  return names.slice(0, MAX_SERVICES).filter((name) => isPopulated(system, `${slice}/${name}`))
}

/** Documentation/admin-guide/cgroup-v2.rst, cgroup.events; the older hierarchies have only the list of processes. */
function isPopulated(system: System, group: string): boolean {
  const events = system.readText(`${group}/cgroup.events`)
  if (events !== undefined) return /^populated 1$/m.test(events)
  return (system.readText(`${group}/cgroup.procs`) ?? '') !== ''
}
