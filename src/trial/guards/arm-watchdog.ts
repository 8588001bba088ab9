import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { errnoName, KexecError, type KexecErrorDetails } from '../../errors.ts'
import { native } from '../../native.ts'
import type { System } from '../../system/system.ts'
import { readWatchdogs, type Watchdog } from '../../system/watchdog/watchdogs.ts'
import type { WatchdogGuard } from '../model/trial.ts'

/** The part of a guard that arming and releasing need. */
type ArmedGuard = Pick<WatchdogGuard, 'name' | 'driver' | 'timeout'>

import { asModule, knownDriver } from './watchdog-drivers.ts'

/** Any byte but the magic one feeds it: watchdog_write() of drivers/watchdog/watchdog_dev.c. */
const FEED = 'x'

/** The magic character: closing the watchdog after it stops it. */
const STOP = 'V'

/** How the end of a watchdog's guard went. */
export type WatchdogRelease =
  /** It is stopped. */
  | { readonly outcome: 'stopped'; readonly name: string }
  /** Another process holds it, and feeds it from now on: systemd, or a daemon. */
  | { readonly outcome: 'handed-over'; readonly name: string }
  /** It runs on, and resets the machine unless a program feeds it within `timeout` seconds (null: unknown). */
  | { readonly outcome: 'runs-on'; readonly name: string; readonly timeout: number | null }
  /**
   * Its driver is not loaded, because the command line keeps it away. Load `module` with modprobe, then release the
   * watchdog again.
   */
  | { readonly outcome: 'driver-missing'; readonly module: string | null }

/**
 * Starts the watchdog of a guard, and leaves it running: it resets the machine after the guard's timeout, unless it is
 * released. A failure leaves it as it was found, or the error says that it runs.
 * @throws KexecError: 'not-found', 'not-readable', 'busy' (another process holds it), 'kernel-refused' (the driver does
 * not take the timeout, or stops when the watchdog is closed), 'io'
 */
export function armWatchdog(system: System, guard: ArmedGuard): void {
  const watchdog = readWatchdogs(system).find(({ name }) => name === guard.name)
  const device = openDevice(system, guard.name)
  try {
    const taken = native().watchdogSetTimeout(device, guard.timeout)
    if (taken < guard.timeout) throw refusedTimeout(watchdog, guard, taken)
    writeSync(device, FEED)
  } catch (error) {
    const runs = stop(device, watchdog)
    throw failure(error, guard.name, runs)
  }
  closeSync(device)
  const after = readWatchdogs(system).find(({ name }) => name === guard.name)
  if (after?.state !== 'inactive') return
  throw new KexecError(`${guard.name} stops as soon as it is closed`, {
    reason: 'kernel-refused',
    path: `/dev/${guard.name}`,
    evidence: after.evidence,
    hint: 'Let its driver keep it running: the module parameter nowayout=1',
  })
}

/**
 * Ends the guard of a watchdog: after the confirmation, or when the reboot does not come. Opens it even where it seems not to
 * run: the kernel may be feeding hardware that it found running, until watchdog.open_timeout.
 * @throws KexecError: 'not-readable', 'io'
 */
export function releaseWatchdog(system: System, guard: ArmedGuard): WatchdogRelease {
  const watchdog = findAgain(readWatchdogs(system), guard)
  if (watchdog === undefined) return { outcome: 'driver-missing', module: guard.driver }
  const { name, timeout } = watchdog
  // Opening one that cannot be stopped would start it, if it did not run.
  if (watchdog.nowayout) {
    return watchdog.heldByInit === null ? { outcome: 'runs-on', name, timeout } : { outcome: 'handed-over', name }
  }
  let device: number
  try {
    device = openDevice(system, name)
  } catch (error) {
    if (error instanceof KexecError && error.reason === 'busy') return { outcome: 'handed-over', name }
    throw error
  }
  stop(device, watchdog)
  const after = readWatchdogs(system).find((each) => each.name === name)
  return after?.state === 'active' ? { outcome: 'runs-on', name, timeout } : { outcome: 'stopped', name }
}

/** Seconds until a watchdog resets the machine that is to do so now: the least that its driver takes. */
const SOON = [1, 2, 5, 10, 30]

/**
 * Lets the watchdog of a guard reset the machine within seconds.
 * @returns false where it cannot: its driver is not loaded, or another process holds it. It goes on as it was
 */
export function fireWatchdog(system: System, guard: WatchdogGuard): boolean {
  const watchdog = findAgain(readWatchdogs(system), guard)
  if (watchdog === undefined) return false
  let device: number
  try {
    device = openDevice(system, watchdog.name)
  } catch {
    return false
  }
  try {
    const isSet = SOON.some((seconds) => native().watchdogSetTimeout(device, seconds) > 0)
    writeSync(device, FEED)
    return isSet
  } catch {
    return false
  } finally {
    closeSync(device)
  }
}

/** Whether the driver of a guard's watchdog is loaded, so that the guard can be released. */
export function isWatchdogThere(system: System, guard: WatchdogGuard): boolean {
  return findAgain(readWatchdogs(system), guard) !== undefined
}

/** The watchdog of a guard in the new kernel, which may count them otherwise: by its driver, else by its name. */
function findAgain(watchdogs: readonly Watchdog[], guard: ArmedGuard): Watchdog | undefined {
  const { driver } = guard
  if (driver === null) return watchdogs.find(({ name }) => name === guard.name)
  const moduleOf = (each: Watchdog) => knownDriver(each.driver, each.identity)?.module ?? each.driver ?? ''
  return watchdogs.find((each) => asModule(moduleOf(each)) === asModule(driver))
}

/** Opening starts it. @throws KexecError */
function openDevice(system: System, name: string): number {
  const path = `/dev/${name}`
  try {
    const stats = system.stat(path)
    if (stats !== undefined && !stats.isCharacterDevice()) throw new Error(`${path} is not a device`)
    return openSync(system.pathForWriting(path), constants.O_WRONLY | constants.O_NOFOLLOW)
  } catch (error) {
    throw openFailure(error, path)
  }
}

function openFailure(error: unknown, path: string): KexecError {
  const { code, message } = error as NodeJS.ErrnoException
  const details = { path, cause: error, syscall: 'open', ...(code !== undefined && { code }) }
  if (code === 'EBUSY') {
    const hint = `fuser -v ${path} names the process that holds it`
    return new KexecError('another process holds the watchdog', { ...details, reason: 'busy', hint })
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new KexecError('this user may not open the watchdog', {
      ...details,
      reason: 'not-readable',
      hint: 'Run it as root.',
    })
  }
  if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') {
    const hint = 'ls /sys/class/watchdog lists the watchdogs'
    return new KexecError('there is no such watchdog', { ...details, reason: 'not-found', hint })
  }
  const hint = 'The kernel log may show why: dmesg'
  return new KexecError(`the watchdog cannot be opened: ${message}`, { ...details, reason: 'io', hint })
}

/** Closes it after the magic character. @returns whether it may run nevertheless */
function stop(device: number, watchdog: Watchdog | undefined): boolean {
  try {
    writeSync(device, STOP)
    return watchdog?.nowayout !== false
  } catch {
    return true
  } finally {
    closeSync(device)
  }
}

function refusedTimeout(watchdog: Watchdog | undefined, guard: ArmedGuard, taken: number): KexecError {
  const details: KexecErrorDetails = {
    reason: 'kernel-refused',
    path: `/dev/${guard.name}`,
    ...(taken < 0 && { errno: taken, syscall: 'ioctl' }),
    evidence: watchdog?.evidence ?? [],
    hint: 'Choose a shorter deadline.',
  }
  const summary =
    taken < 0
      ? `the watchdog does not take a timeout of ${guard.timeout} s (${errnoName(taken)})`
      : `the watchdog took a timeout of ${taken} s, and ${guard.timeout} s were asked for`
  return new KexecError(summary, details)
}

/** Adds that the watchdog runs, where that may be. */
function failure(error: unknown, name: string, runs: boolean): KexecError {
  const warning = runs ? '; it may be running, and then resets the machine' : ''
  if (!(error instanceof KexecError)) {
    return new KexecError(`the watchdog could not be armed${warning}`, {
      reason: 'io',
      path: `/dev/${name}`,
      hint: 'The kernel log may show why: dmesg',
      cause: error,
    })
  }
  const { summary, reason, path, errno, syscall, hint, evidence } = error
  return new KexecError(`${summary}${warning}`, {
    reason,
    evidence,
    cause: error,
    ...(path !== undefined && { path }),
    ...(errno !== undefined && { errno }),
    ...(syscall !== undefined && { syscall }),
    ...(hint !== undefined && { hint }),
  })
}
