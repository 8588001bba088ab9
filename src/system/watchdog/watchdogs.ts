import { posix } from 'node:path'
import type { Evidence } from '../../errors.ts'
import type { System } from '../system.ts'

/** Documentation/ABI/testing/sysfs-class-watchdog. The files exist with CONFIG_WATCHDOG_SYSFS. */
export const WATCHDOG_CLASS = '/sys/class/watchdog'

/** Parameters of the watchdog core: drivers/watchdog/watchdog_core.c and watchdog_dev.c. */
const PARAMETERS = '/sys/module/watchdog/parameters'

/** Far more watchdogs than a machine has, and more descriptors than PID 1 holds. */
const MAX_NAMES = 4096

/** A watchdog as the kernel shows it; null where it does not. */
export interface Watchdog {
  /** Its name in /sys/class/watchdog. */
  readonly name: string
  /** Its device file. */
  readonly device: string
  readonly identity: string | null
  /** Whether it runs: 'active' or 'inactive'. */
  readonly state: string | null
  readonly nowayout: boolean | null
  /** Seconds. */
  readonly timeout: number | null
  /** Seconds; 0 where the driver names no limit. Kernels before 5.10 do not show these two. */
  readonly minTimeout: number | null
  readonly maxTimeout: number | null
  /** Seconds. */
  readonly pretimeout: number | null
  /** Seconds until it resets the machine. */
  readonly timeLeft: number | null
  /** The module of its driver, or the driver's name where it is built in; null also for a driver without a device. */
  readonly driver: string | null
  /** The descriptor of PID 1 that holds it: root can see those. */
  readonly heldByInit: Evidence | null
  readonly evidence: readonly Evidence[]
}

/** The parameters of the watchdog core; null where this kernel has none of that name. */
export interface WatchdogCore {
  /** At a reboot 0 keeps every watchdog running, 1 stops each; -1 leaves it to the driver. */
  readonly stopOnReboot: number | null
  /** Whether the kernel feeds a watchdog that the boot loader, or the kernel before, has started. */
  readonly handleBootEnabled: boolean | null
  /** Seconds for which it does so before a program opens the watchdog; 0: for ever. */
  readonly openTimeout: number | null
  /** Whether it is a module, as on Debian: its parameters then take effect without a boot. */
  readonly isModule: boolean
}

/** Every watchdog, in order of their names. Opens none of them: that would start it. */
export function readWatchdogs(system: System): Watchdog[] {
  return system
    .list(WATCHDOG_CLASS)
    .slice(0, MAX_NAMES)
    .map((name) => readWatchdog(system, name))
}

export function readWatchdogCore(system: System): WatchdogCore {
  const parameter = (name: string) => system.readText(posix.join(PARAMETERS, name))?.trim()
  const handles = parameter('handle_boot_enabled')
  return {
    stopOnReboot: wholeNumber(parameter('stop_on_reboot')),
    handleBootEnabled: handles === undefined ? null : handles === 'Y',
    openTimeout: wholeNumber(parameter('open_timeout')),
    // Only what was loaded has a state: module_add_modinfo_attrs() of kernel/module/sysfs.c.
    isModule: system.exists('/sys/module/watchdog/initstate'),
  }
}

function readWatchdog(system: System, name: string): Watchdog {
  const text = (file: string) => system.readText(posix.join(WATCHDOG_CLASS, name, file))?.trim() ?? null
  const seconds = (file: string) => wholeNumber(text(file))
  const nowayout = text('nowayout')
  const evidence = ['identity', 'state', 'nowayout', 'timeout'].flatMap((file) => {
    const value = text(file)
    return value === null ? [] : [{ source: posix.join(WATCHDOG_CLASS, name, file), value }]
  })
  const heldByInit = holdingDescriptor(system, name)
  return {
    name,
    device: `/dev/${name}`,
    identity: text('identity'),
    state: text('state'),
    nowayout: nowayout === null ? null : nowayout === '1',
    timeout: seconds('timeout'),
    minTimeout: seconds('min_timeout'),
    maxTimeout: seconds('max_timeout'),
    pretimeout: seconds('pretimeout'),
    timeLeft: seconds('timeleft'),
    driver: driverOf(system, name),
    heldByInit,
    evidence: heldByInit === null ? evidence : [...evidence, heldByInit],
  }
}

/** By the links of its device. Drivers such as softdog have no device: drivers/watchdog/softdog.c sets no parent. */
function driverOf(system: System, name: string): string | null {
  const link = (path: string) => system.readLink(posix.join(WATCHDOG_CLASS, name, path))
  const target = link('device/driver/module') ?? link('device/driver')
  return target === undefined ? null : posix.basename(target)
}

/** Its device files: /dev/watchdog is the first one (watchdog_cdev_register() of drivers/watchdog/watchdog_dev.c). */
export function watchdogDevices(name: string): string[] {
  return name === 'watchdog0' ? ['/dev/watchdog', '/dev/watchdog0'] : [`/dev/${name}`]
}

function holdingDescriptor(system: System, name: string): Evidence | null {
  const devices = watchdogDevices(name)
  for (const descriptor of system.list('/proc/1/fd').slice(0, MAX_NAMES)) {
    const source = `/proc/1/fd/${descriptor}`
    const value = system.readLink(source)
    if (value !== undefined && devices.includes(value)) return { source, value }
  }
  return null
}

function wholeNumber(text: string | null | undefined): number | null {
  return text !== null && text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : null
}
