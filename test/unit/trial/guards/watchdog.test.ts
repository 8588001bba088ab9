import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { System } from '../../../../src/system/system.ts'
import { judgeWatchdogs } from '../../../../src/trial/guards/watchdog.ts'
import { knownDriver, type WatchdogDriver, watchdogDrivers } from '../../../../src/trial/guards/watchdog-drivers.ts'
import {
  type DriverKind,
  readWatchdogFacts,
  readWatchdogTarget,
  type WatchdogTarget,
} from '../../../../src/trial/guards/watchdog-facts.ts'
import { type Content, makeTree, type Tree } from '../../entries/tree.ts'

/** Attributes of a watchdog that nobody has opened, as QEMU's i6300ESB shows them. */
const idle = {
  identity: 'i6300ESB timer',
  state: 'inactive',
  nowayout: '0',
  timeout: '30',
  min_timeout: '1',
  max_timeout: '2046',
}

/** A watchdog in /sys; `module` is that of its device's driver. */
function watchdog(changes: Readonly<Record<string, string>> = {}, module?: string, name = 'watchdog0'): Tree {
  const directory = `/sys/class/watchdog/${name}`
  const files = Object.entries({ ...idle, ...changes }).map(([file, text]) => [`${directory}/${file}`, { text }])
  const driver =
    module === undefined ? {} : { [`${directory}/device/driver/module`]: { link: `../../../../module/${module}` } }
  return { ...Object.fromEntries(files), ...driver }
}

/** The parameters of the watchdog core as kernels have them that were told to keep watchdogs running. */
const kept = parameters('0')
const asBuilt = parameters('-1')

function parameters(stopOnReboot: string): Tree {
  const directory = '/sys/module/watchdog/parameters'
  return {
    [`${directory}/stop_on_reboot`]: { text: `${stopOnReboot}\n` },
    [`${directory}/handle_boot_enabled`]: { text: 'Y\n' },
    [`${directory}/open_timeout`]: { text: '0\n' },
  }
}

const manager = (...lines: readonly string[]): Tree => ({
  '/etc/systemd/system.conf': { text: ['[Manager]', ...lines, ''].join('\n') },
})

const target = (kind: DriverKind, release: string | null = '6.12.1'): WatchdogTarget => ({
  release,
  kindOf: () => kind,
})

const heldByInit: Tree = { '/proc/1/fd/40': { link: '/dev/watchdog0' } }

function judge(trees: readonly Tree[], to = target('module'), seconds = 120, init = 'systemd') {
  const facts = readWatchdogFacts(new System(makeTree(Object.assign({}, ...trees))), init)
  const [first] = judgeWatchdogs(facts, to, seconds)
  if (first === undefined) throw new Error('there is no watchdog')
  expect(first.reason).toMatch(/^[A-Z\w].*\.$/)
  return first
}

/** The fault of a watchdog that is of no use. */
function fault(...question: Parameters<typeof judge>) {
  const judgement = judge(...question)
  return judgement.guards ? 'guards' : judgement.fault
}

describe('on the way out of the running kernel', () => {
  test('the core stops what asks for that, unless it was told otherwise', () => {
    const stopped = judge([watchdog(), asBuilt])
    expect(stopped).toMatchObject({
      guards: false,
      fault: 'stopped-at-reboot',
      hint: expect.stringContaining('watchdog.stop_on_reboot=0'),
    })
    expect(stopped.evidence).toContainEqual({ source: '/sys/module/watchdog/parameters/stop_on_reboot', value: '-1' })
    const loaded: Tree = { '/sys/module/watchdog/initstate': { text: 'live\n' } }
    expect(judge([watchdog(), asBuilt, loaded])).toMatchObject({
      hint: 'modprobe -r i6300esb watchdog && modprobe watchdog stop_on_reboot=0 && modprobe i6300esb',
    })
    expect(fault([watchdog(), kept])).toBe('guards')
    // A kernel before that parameter.
    expect(judge([watchdog()])).toMatchObject({ fault: 'stopped-at-reboot', hint: null })
  })

  test('one that does not ask is stopped only where everything is', () => {
    const hpwdt = watchdog({ identity: 'HPE iLO2+ HW Watchdog Timer', max_timeout: '0' }, 'hpwdt')
    expect(fault([hpwdt, asBuilt])).toBe('guards')
    expect(fault([hpwdt])).toBe('guards')
    expect(fault([hpwdt, parameters('1')])).toBe('stopped-at-reboot')
  })

  test('a driver that stops it itself, a timer of the kernel, and a driver that nobody read', () => {
    expect(fault([watchdog({}, 'omap_wdt'), kept])).toBe('stopped-by-driver')
    expect(fault([watchdog({ identity: 'Software Watchdog' }), kept])).toBe('ends-with-the-kernel')
    expect(judge([watchdog({}, 'new_wdt'), kept]).reason).toContain('new_wdt')
    expect(fault([watchdog({ identity: 'Other' }), kept])).toBe('unknown-driver')
  })

  test('i.MX: its shutdown sets it to the most it can, however little was asked for', () => {
    const imx = watchdog({ max_timeout: '0', identity: 'imx2+ watchdog' }, 'imx2_wdt')
    expect(judge([imx, asBuilt], target('built-in'), 60)).toMatchObject({ guard: { timeout: 128, driver: null } })
    expect(fault([imx], target('module'), 200)).toBe('timeout-too-short')
    expect(judge([imx], target('built-in'), 200)).toMatchObject({ guard: { timeout: 128 } })
  })
})

describe('who feeds it', () => {
  const active = watchdog({ state: 'active' })

  test('systemd stops it before the kexec, unless KExecWatchdogSec= is set', () => {
    const held = judge([active, kept, heldByInit, manager('RuntimeWatchdogSec=30')])
    expect(held).toMatchObject({ fault: 'held', hint: expect.stringContaining('KExecWatchdogSec=120') })
    const settings = manager('RuntimeWatchdogSec=30', 'KExecWatchdogSec=3min')
    expect(judge([active, kept, heldByInit, settings])).toMatchObject({
      guards: true,
      guard: { timeout: 180, armedBy: 'systemd' },
    })
    const short = manager('KExecWatchdogSec=20')
    expect(judge([active, kept, heldByInit, short])).toMatchObject({
      fault: 'timeout-too-short',
      hint: expect.stringContaining('KExecWatchdogSec=120'),
    })
    // The driver's own 30 s.
    expect(fault([active, kept, heldByInit, manager('KExecWatchdogSec=default')])).toBe('timeout-too-short')
    expect(fault([active, asBuilt, heldByInit, settings])).toBe('stopped-at-reboot')
  })

  test('systemd sets one that it does not hold yet, and only its own', () => {
    const settings = manager('KExecWatchdogSec=3min')
    expect(judge([watchdog(), kept, settings])).toMatchObject({ guard: { armedBy: 'systemd' } })
    expect(judge([watchdog(), kept, manager('KExecWatchdogSec=3min', 'WatchdogDevice=/dev/watchdog1')])).toMatchObject({
      guard: { timeout: 120, armedBy: 'linux-kexec' },
    })
    expect(judge([watchdog(), kept, settings], target('module'), 120, 'busybox')).toMatchObject({
      guard: { armedBy: 'linux-kexec' },
    })
  })

  test('another init system, and a daemon', () => {
    expect(judge([active, kept, heldByInit], target('module'), 120, 'finit')).toMatchObject({
      fault: 'held',
      reason: 'PID 1 (finit) feeds it.',
    })
    const daemon = { '/proc/812/fd/3': { link: '/dev/watchdog' }, '/proc/812/comm': { text: 'watchdogd\n' } } as const
    const held = judge([active, kept, daemon])
    expect(held).toMatchObject({ fault: 'held', reason: 'watchdogd (process 812) feeds it.' })
    expect(held.evidence).toContainEqual({ source: '/proc/812/fd/3', value: '/dev/watchdog' })
  })

  test('one that runs and nobody holds is armed again', () => {
    expect(judge([active, kept])).toMatchObject({ guards: true, guard: { armedBy: 'linux-kexec' } })
  })

  test('nowayout: nothing could stop it after the confirmation, and only a systemd that feeds it helps', () => {
    const stuck = watchdog({ nowayout: '1', max_timeout: '600', identity: 'iTCO_wdt' }, 'iTCO_wdt')
    expect(fault([stuck, kept])).toBe('cannot-be-stopped')
    const fed = manager('RuntimeWatchdogSec=30', 'KExecWatchdogSec=2min')
    expect(judge([stuck, kept, fed])).toMatchObject({ guards: true, guard: { until: 'systemd' } })
    // i6300esb would have to be kept away, and then systemd cannot feed it.
    expect(fault([watchdog({ nowayout: '1' }), kept, fed])).toBe('cannot-be-stopped')
    const silent: Tree = { '/sys/class/watchdog/watchdog0/device/driver/module': { link: '../../iTCO_wdt' } }
    expect(fault([silent, kept])).toBe('cannot-be-stopped')
  })
})

describe('in the new kernel', () => {
  const itco = watchdog({ identity: 'iTCO_wdt', max_timeout: '0', min_timeout: '0' }, 'iTCO_wdt')

  test('a driver that stops it is kept away until the confirmation', () => {
    const judgement = judge([watchdog(), kept])
    expect(judgement).toMatchObject({
      guard: { driver: 'i6300esb', timeout: 120, latest: 120, until: 'confirmation' },
    })
    expect(judgement).toMatchObject({ parameters: [{ parameter: 'modprobe.blacklist=i6300esb' }] })
    expect(fault([watchdog(), kept], target('built-in'))).toBe('not-in-the-new-kernel')
    expect(fault([watchdog(), kept], target('absent'))).toBe('not-in-the-new-kernel')
    expect(fault([watchdog(), kept], target('unknown'))).toBe('not-in-the-new-kernel')
  })

  test('a driver that finds it running feeds it until the deadline', () => {
    const judgement = judge([itco, kept], target('module'), 90)
    expect(judgement).toMatchObject({
      guard: { timeout: 90, latest: 180, driver: 'iTCO_wdt', until: 'confirmation' },
      reason: expect.stringContaining('90 to 180 s'),
      parameters: [{ parameter: 'watchdog.handle_boot_enabled=1' }, { parameter: 'watchdog.open_timeout=90' }],
    })
    const fed = [itco, kept, manager('RuntimeWatchdogSec=20', 'KExecWatchdogSec=90')]
    expect(judge(fed, target('module'), 90)).toMatchObject({ guard: { until: 'systemd' } })
  })

  test('a release whose drivers nobody read: the driver is kept away', () => {
    for (const release of ['5.10.0-1', '6.0.9', null]) {
      expect(judge([itco, kept], target('module', release))).toMatchObject({
        parameters: [{ parameter: 'modprobe.blacklist=iTCO_wdt' }],
      })
      expect(fault([itco, kept], target('built-in', release))).toBe('not-in-the-new-kernel')
    }
    expect(judge([itco, kept], target('module', '10.0'))).toMatchObject({ guards: true })
  })

  test('hardware that counts for less than the deadline', () => {
    expect(fault([watchdog({ max_timeout: '60' }), kept])).toBe('timeout-too-short')
    expect(fault([itco, kept], target('module'), 700)).toBe('timeout-too-short')
    const raspberry = watchdog({ max_timeout: '0' }, 'bcm2835_wdt')
    expect(fault([raspberry, kept], target('module'))).toBe('timeout-too-short')
    expect(judge([raspberry, kept], target('built-in'))).toMatchObject({ guard: { timeout: 15 } })
    expect(fault([watchdog({ max_timeout: '0' }, 'sbsa_gwdt'), kept], target('built-in'))).toBe('timeout-too-short')
    expect(judge([watchdog({ min_timeout: '200' }), kept])).toMatchObject({ guard: { timeout: 200 } })
    expect(judge([watchdog(), kept], target('module'), 59.2)).toMatchObject({ guard: { timeout: 60 } })
  })

  test('the one that lasts until the confirmation comes first', () => {
    const trees = [watchdog({ identity: 'Software Watchdog' }), watchdog({}, undefined, 'watchdog1'), kept]
    expect(judge(trees)).toMatchObject({ guards: true, name: 'watchdog1' })
  })

  test('its drivers, by modules.dep and modules.builtin', () => {
    const directory = '/usr/lib/modules/6.12.1'
    const read = (tree: Tree, release: string | null = '6.12.1') => {
      const { kindOf } = readWatchdogTarget(new System(makeTree({ '/usr': 'directory', ...tree })), release)
      return ['i6300esb', 'imx2_wdt', 'iTCO_wdt', 'watchdog'].map(kindOf)
    }
    const files: Tree = {
      [`${directory}/modules.builtin`]: { text: 'kernel/drivers/watchdog/imx2-wdt.ko\nkernel/fs/ext4/ext4.ko\n' },
      [`${directory}/modules.dep`]: {
        text: 'kernel/drivers/watchdog/i6300esb.ko.xz:\nkernel/a.ko: kernel/drivers/watchdog/watchdog.ko\n',
      },
    }
    expect(read(files)).toEqual(['module', 'built-in', 'absent', 'absent'])
    const { [`${directory}/modules.dep`]: modules } = files
    expect(read({ [`${directory}/modules.dep`]: modules as Content })).toEqual([
      'module',
      'unknown',
      'unknown',
      'unknown',
    ])
    expect(read({})).toEqual(['unknown', 'unknown', 'unknown', 'unknown'])
    expect(read(files, null)).toEqual(['unknown', 'unknown', 'unknown', 'unknown'])
  })
})

test('the table has each driver once, and finds it by what the kernel shows', () => {
  const names = watchdogDrivers.flatMap(({ module, driver }) => [module, ...(driver === undefined ? [] : [driver])])
  expect(new Set(names).size).toBe(names.length)
  expect(knownDriver('qcom-wdt', null)?.module).toBe('qcom_wdt')
  expect(knownDriver('sp5100-tco', 'SP5100 TCO timer')?.module).toBe('sp5100_tco')
  expect(knownDriver(null, 'i6300ESB timer')?.module).toBe('i6300esb')
  expect(knownDriver(null, null)).toBeUndefined()
})

test('docs/trials.md lists every driver in the row of its kind', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/trials.md'), 'utf8')
  const rows = page.split('\n').filter((line) => /^\| `\w+`/.test(line))
  const documented = new Map(
    rows.flatMap((row) => {
      const [, names = '', verdict = ''] = row.split('|')
      return [...names.matchAll(/`(\w+)`/g)].map(([, name]) => [name as string, verdict.trim()] as const)
    }),
  )
  const verdictOf = ({ atReboot, atProbe, limit }: WatchdogDriver) => {
    if (limit === null) return /^no: .* is unknown$/
    if (atReboot === 'driver-stops') return /^no: the driver stops it$/
    if (atReboot === 'ends') return /^no: it ends with the kernel$/
    if (atReboot !== 'core-stops') return /^yes, unless `watchdog.stop_on_reboot=1`$/
    return atProbe === 'notices' ? /stop_on_reboot=0`$/ : /stop_on_reboot=0`, where the driver is a module$/
  }
  for (const driver of watchdogDrivers) expect(documented.get(driver.module), driver.module).toMatch(verdictOf(driver))
  const modules = new Set(watchdogDrivers.map(({ module }) => module))
  const isDriver = (name: string) => name.endsWith('_wdt')
  expect([...documented.keys()].filter((name) => isDriver(name) && !modules.has(name))).toEqual([])
})
