import { describe, expect, test } from 'vitest'
import { System } from '../../../src/system/system.ts'
import { readSystemdWatchdog } from '../../../src/system/watchdog/systemd-settings.ts'
import { readWatchdogCore, readWatchdogs } from '../../../src/system/watchdog/watchdogs.ts'
import { makeTree, type Tree } from '../entries/tree.ts'

const systemOf = (tree: Tree) => new System(makeTree(tree))

/** Files with a line of text each, below a directory. */
function lines(directory: string, files: Readonly<Record<string, string>>): Tree {
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [`${directory}/${name}`, { text: `${text}\n` }]),
  )
}

describe('watchdogs', () => {
  test('one with all its attributes, behind a PCI device, held by PID 1', () => {
    const device = '/sys/devices/pci0000:00/0000:00:04.0'
    const system = systemOf({
      ...lines(`${device}/watchdog/watchdog0`, {
        identity: 'i6300ESB timer',
        state: 'active',
        nowayout: '0',
        timeout: '30',
        min_timeout: '1',
        max_timeout: '2046',
        pretimeout: '0',
        timeleft: '17',
      }),
      [`${device}/watchdog/watchdog0/device`]: { link: '../..' },
      [`${device}/driver`]: { link: '/sys/bus/pci/drivers/i6300esb' },
      '/sys/bus/pci/drivers/i6300esb/module': { link: '/sys/module/i6300esb' },
      '/sys/class/watchdog/watchdog0': { link: `${device}/watchdog/watchdog0` },
      '/proc/1/fd/7': { link: '/dev/watchdog' },
    })
    const [watchdog, ...others] = readWatchdogs(system)
    expect(others).toEqual([])
    expect(watchdog).toMatchObject({
      name: 'watchdog0',
      device: '/dev/watchdog0',
      identity: 'i6300ESB timer',
      state: 'active',
      nowayout: false,
      timeout: 30,
      minTimeout: 1,
      maxTimeout: 2046,
      pretimeout: 0,
      timeLeft: 17,
      driver: 'i6300esb',
      heldByInit: { source: '/proc/1/fd/7', value: '/dev/watchdog' },
    })
  })

  test('a built-in driver, a driver without a device, and a kernel that shows nothing', () => {
    const system = systemOf({
      ...lines('/sys/class/watchdog/watchdog0', { identity: 'Software Watchdog', state: 'inactive', nowayout: '1' }),
      '/sys/class/watchdog/watchdog1/device/driver': { link: '../../../../bus/platform/drivers/bcm2835-wdt' },
      '/sys/class/watchdog/watchdog2': 'directory',
      '/proc/1/fd/7': { link: '/dev/watchdog1' },
    })
    const [software, platform, silent] = readWatchdogs(system)
    expect(software).toMatchObject({ nowayout: true, driver: null, heldByInit: null, timeout: null })
    expect(platform).toMatchObject({ driver: 'bcm2835-wdt', heldByInit: { value: '/dev/watchdog1' } })
    expect(silent).toMatchObject({ identity: null, state: null, nowayout: null, driver: null, evidence: [] })
    expect(readWatchdogs(systemOf({ '/sys/class': 'directory' }))).toEqual([])
  })

  test('the parameters of the core: set, as built, and of a kernel before them', () => {
    const parameters = '/sys/module/watchdog/parameters'
    const core = { stop_on_reboot: '-1', handle_boot_enabled: 'Y', open_timeout: '0' }
    const read = (tree: Tree) => readWatchdogCore(systemOf(tree))
    const loaded = lines('/sys/module/watchdog', { initstate: 'live' })
    expect(read({ ...lines(parameters, core), ...loaded })).toEqual({
      stopOnReboot: -1,
      handleBootEnabled: true,
      openTimeout: 0,
      isModule: true,
    })
    const set = { stop_on_reboot: '0', handle_boot_enabled: 'N', open_timeout: '90' }
    expect(read(lines(parameters, set))).toMatchObject({ stopOnReboot: 0, handleBootEnabled: false, openTimeout: 90 })
    expect(read({ '/sys': 'directory' })).toEqual({
      stopOnReboot: null,
      handleBootEnabled: null,
      openTimeout: null,
      isModule: false,
    })
  })
})

describe("systemd's settings", () => {
  const manager = (...settings: readonly string[]) => ({ text: ['[Manager]', ...settings, ''].join('\n') })
  const read = (tree: Tree) => {
    const { runtime, kexec, device } = readSystemdWatchdog(systemOf({ '/etc': 'directory', ...tree }))
    return { runtime, kexec, device }
  }
  const etc = '/etc/systemd/system.conf'

  test('off, where nothing is set', () => {
    expect(read({})).toEqual({ runtime: 0, kexec: 0, device: null })
    const commented = { text: '[Manager]\n#KExecWatchdogSec=2min\n[Other]\nKExecWatchdogSec=2min\n' }
    expect(read({ [etc]: commented })).toEqual({ runtime: 0, kexec: 0, device: null })
  })

  test.each([
    ['120', 120],
    ['2min', 120],
    ['1min 30s', 90],
    ['1h30', 3630],
    ['1.5 min', 90],
    ['1500ms', 1.5],
    ['off', 0],
    ['0', 0],
    ['default', 'default'],
    ['infinity', 'default'],
    ['', 0],
    ['soon', 0],
    ['2 parsecs', 0],
    [`${'1'.repeat(60)}!`, 0],
  ])('KExecWatchdogSec=%s is %s', (text, expected) => {
    expect(read({ [etc]: manager(`KExecWatchdogSec = ${text}`) }).kexec).toBe(expected)
  })

  test('the last file wins, and a stronger directory hides a file of the same name', () => {
    const tree: Tree = {
      '/usr/lib/systemd/system.conf': manager('RuntimeWatchdogSec=1', 'KExecWatchdogSec=1'),
      [etc]: manager('RuntimeWatchdogSec=20s', 'WatchdogDevice=/dev/watchdog1'),
      '/usr/lib/systemd/system.conf.d/50-vendor.conf': manager('KExecWatchdogSec=5'),
      '/etc/systemd/system.conf.d/50-vendor.conf': manager('KExecWatchdogSec=6'),
      '/run/systemd/system.conf.d/10-first.conf': manager('KExecWatchdogSec=7', 'RuntimeWatchdogSec=nonsense'),
      '/etc/systemd/system.conf.d/90-not.txt': manager('KExecWatchdogSec=8'),
    }
    expect(read(tree)).toEqual({ runtime: 20, kexec: 6, device: '/dev/watchdog1' })
    const { evidence } = readSystemdWatchdog(systemOf(tree))
    expect(evidence).toContainEqual({
      source: '/etc/systemd/system.conf.d/50-vendor.conf KExecWatchdogSec',
      value: '6',
    })
  })

  test('the command line overrides the files', () => {
    const cmdline = {
      text: 'quiet systemd.watchdog_sec=1 systemd.watchdog_sec=40 systemd.watchdog_device=/dev/watchdog2\n',
    }
    const settings = { [etc]: manager('KExecWatchdogSec=5', 'WatchdogDevice=/dev/watchdog1') }
    expect(read({ ...settings, '/proc/cmdline': cmdline })).toEqual({
      runtime: 40,
      kexec: 40,
      device: '/dev/watchdog2',
    })
    expect(read({ ...settings, '/proc/cmdline': { text: 'systemd.watchdog_sec=never\n' } }).kexec).toBe(5)
  })
})
