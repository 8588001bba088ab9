import { detectInit } from '../../handover/detect.ts'
import type { System } from '../../system/system.ts'
import { readSystemdWatchdog } from '../../system/watchdog/systemd-settings.ts'
import { readWatchdogs, WATCHDOG_CLASS, type Watchdog } from '../../system/watchdog/watchdogs.ts'
import type { Finding, Subject } from '../examination/check.ts'
import type { Examination } from '../examination/examination.ts'

/** Whether a hardware watchdog runs. It resets the machine when nobody feeds it while the kernels change. */
export const watchdog: Subject<'watchdog'> = {
  name: 'handover',
  ids: ['watchdog'],
  needsMachine: true,
  examine: ({ system }: Examination) => [running(system)],
}

function running(system: System): Finding<'watchdog'> {
  const id = 'watchdog'
  const all = readWatchdogs(system)
  if (all.length === 0) {
    const legacy = system.exists('/dev/watchdog')
    return legacy
      ? {
          id,
          status: 'unknown',
          summary: 'There is a watchdog; whether it is running is unknown.',
          evidence: [{ source: '/dev/watchdog', value: 'present' }],
          remedy: 'wdctl',
        }
      : {
          id,
          status: 'ok',
          summary: 'There is no watchdog.',
          evidence: [{ source: WATCHDOG_CLASS, value: 'empty or absent' }],
        }
  }
  const evidence = all.flatMap((each) => each.evidence)
  const active = all.filter(({ state }) => state === 'active')
  const isSystemds = ({ heldByInit }: Watchdog) => heldByInit !== null && disarms(system)
  const risky = active.find(({ nowayout }) => nowayout) ?? active.find((each) => !isSystemds(each))
  if (risky !== undefined) return { ...warning(risky), evidence }
  const [systemds] = active
  if (systemds !== undefined)
    return { id, status: 'ok', summary: `${systemds.name} is running; systemd stops it before the kexec.`, evidence }
  if (all.some(({ state }) => state === null)) {
    const summary = 'There is a watchdog; whether it is running is unknown (CONFIG_WATCHDOG_SYSFS is off).'
    const value = all.map(({ name }) => name).join(' ')
    return { id, status: 'unknown', summary, evidence: [{ source: WATCHDOG_CLASS, value }], remedy: 'wdctl' }
  }
  return { id, status: 'ok', summary: 'No watchdog is running.', evidence }
}

/** systemd closes its watchdog for good on the way to a kexec, unless KExecWatchdogSec= is set: systemd-system.conf(5). */
function disarms(system: System): boolean {
  return detectInit(system).name === 'systemd' && readSystemdWatchdog(system).kexec === 0
}

function warning({ name, identity, timeout, nowayout }: Watchdog): Finding<'watchdog'> {
  const seconds = timeout === null ? 'in time' : `within ${timeout} s`
  const what = identity === null ? name : `${name} (${identity})`
  const summary = `${what} runs${nowayout ? ' and cannot be stopped' : ''}: it resets the machine unless it is fed ${seconds}.`
  const detail = [
    nowayout
      ? 'nowayout is set: the new kernel must have its driver early, and a program that feeds it.'
      : 'The watchdog stops only if the program that feeds it closes it properly.',
  ]
  const remedy = nowayout
    ? 'Set a timeout longer than the kexec takes (RuntimeWatchdogSec=3min in /etc/systemd/system.conf, or the daemon that feeds it)'
    : `fuser -v /dev/${name}, and stop that service before the reboot`
  return { id: 'watchdog', status: 'warning', summary, detail, remedy }
}
