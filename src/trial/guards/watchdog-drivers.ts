/** What becomes of a running watchdog on the way into a kexec: kernel_restart_prepare() of kernel/reboot.c. */
export type AtReboot =
  /** It calls watchdog_stop_on_reboot(): the watchdog core stops it, unless the kernel has watchdog.stop_on_reboot=0. */
  | 'core-stops'
  /** Its own .shutdown stops it, whatever the parameter. */
  | 'driver-stops'
  /** Nothing stops it. */
  | 'runs'
  /** Its .shutdown feeds it once more, and sets it to the longest time. */
  | 'extends'
  /** A timer of the old kernel: it ends with it. */
  | 'ends'

/** What the driver of the new kernel does with a watchdog that runs when it is loaded. */
export type AtProbe =
  /** It sets WDOG_HW_RUNNING: the watchdog core feeds it until watchdog.open_timeout. */
  | 'notices'
  /** It stops it. */
  | 'stops'
  /** It sets it to a time of its own, and nothing feeds it. */
  | 'restarts'

export interface WatchdogDriver {
  /** The module, as modprobe takes it. */
  readonly module: string
  /** Its name among the drivers, where that differs: a built-in driver shows only this one. */
  readonly driver?: string
  /** What the watchdog calls itself: the only sign of a driver that names no device as its parent. */
  readonly identity?: string
  readonly atReboot: AtReboot
  readonly atProbe: AtProbe
  /**
   * The longest that the hardware counts by itself, in seconds, where sysfs does not show it as max_timeout; null where
   * it depends on a clock. Beyond it the running kernel feeds the hardware in between, and that ends with the kernel.
   */
  readonly limit?: number | null
  /** Whether the hardware may count down a second time before it resets the machine. */
  readonly countsTwice?: true
}

/**
 * The first release in which each of `watchdogDrivers` was read; the other was 6.12. An older kernel may do anything
 * with a running watchdog.
 */
export const READ_SINCE = { major: 6, minor: 1 }

/**
 * Each read in drivers/watchdog/MODULE.c of Linux 6.1 and 6.12: its probe, its .shutdown, its calls of the core. dw_wdt
 * stops at a reboot in the newer of them only.
 */
export const watchdogDrivers: readonly WatchdogDriver[] = [
  // esb_initdevice() writes 0 to ESB_LOCK_REG.
  { module: 'i6300esb', identity: 'i6300ESB timer', atReboot: 'core-stops', atProbe: 'stops' },
  // iTCO_wdt_set_running(); 0x3ff ticks of 0.6 s (iTCO_wdt_set_timeout). After the first time the TCO of version 2 only
  // raises an SMI, and with firmware that does nothing then, QEMU's among them, the second time resets the machine.
  { module: 'iTCO_wdt', atReboot: 'core-stops', atProbe: 'notices', limit: 613, countsTwice: true },
  { module: 'wdat_wdt', identity: 'wdat_wdt', atReboot: 'core-stops', atProbe: 'notices' },
  // sp5100_tco_timer_init() calls tco_timer_stop().
  { module: 'sp5100_tco', driver: 'sp5100-tco', atReboot: 'core-stops', atProbe: 'stops' },
  { module: 'it87_wdt', identity: 'IT87 WDT', atReboot: 'core-stops', atProbe: 'notices' },
  // w83627hf_init() writes the default of 60 s without WDOG_HW_RUNNING.
  { module: 'w83627hf_wdt', identity: 'W83627HF Watchdog', atReboot: 'core-stops', atProbe: 'restarts' },
  { module: 'f71808e_wdt', atReboot: 'core-stops', atProbe: 'notices' },
  // HPWDT_MAX_TICKS of 128 ms.
  { module: 'hpwdt', atReboot: 'runs', atProbe: 'notices', limit: 8388 },
  // PM_WDOG_TIME_SET of 2^20 - 1 ticks, 65536 a second.
  { module: 'bcm2835_wdt', driver: 'bcm2835-wdt', atReboot: 'core-stops', atProbe: 'notices', limit: 15 },
  { module: 'dw_wdt', atReboot: 'core-stops', atProbe: 'notices', limit: null },
  { module: 'sbsa_gwdt', driver: 'sbsa-gwdt', atReboot: 'core-stops', atProbe: 'notices', limit: null },
  // imx2_wdt_shutdown() sets IMX2_WDT_MAX_TIME and feeds it.
  { module: 'imx2_wdt', driver: 'imx2-wdt', atReboot: 'extends', atProbe: 'notices', limit: 128 },
  { module: 'sunxi_wdt', driver: 'sunxi-wdt', atReboot: 'core-stops', atProbe: 'notices' },
  { module: 'mtk_wdt', driver: 'mtk-wdt', atReboot: 'core-stops', atProbe: 'notices', limit: 31 },
  // GXBB_WDT_TCNT_SETUP_MASK of 65535 ms.
  { module: 'meson_gxbb_wdt', driver: 'meson-gxbb-wdt', atReboot: 'runs', atProbe: 'notices', limit: 65 },
  { module: 'qcom_wdt', atReboot: 'runs', atProbe: 'notices' },
  { module: 'omap_wdt', atReboot: 'driver-stops', atProbe: 'notices' },
  { module: 's3c2410_wdt', driver: 's3c2410-wdt', atReboot: 'driver-stops', atProbe: 'notices' },
  { module: 'orion_wdt', atReboot: 'driver-stops', atProbe: 'notices' },
  { module: 'mt7621_wdt', atReboot: 'driver-stops', atProbe: 'notices' },
  { module: 'softdog', identity: 'Software Watchdog', atReboot: 'ends', atProbe: 'stops' },
]

/** The driver of a watchdog, by the names that the kernel shows; undefined for one that is not in the table. */
export function knownDriver(driver: string | null, identity: string | null): WatchdogDriver | undefined {
  if (driver === null) return watchdogDrivers.find((each) => each.identity !== undefined && each.identity === identity)
  return watchdogDrivers.find((each) => asModule(each.module) === asModule(driver) || each.driver === driver)
}

/** modprobe takes `-` and `_` for the same. */
export function asModule(name: string): string {
  return name.replaceAll('-', '_')
}
