import { loaderVariable } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'

/** TIMEOUT_MENU_FORCE of systemd's src/boot/boot.c; bootctl writes this number for `menu-force`. */
const MENU_FORCE = 2 ** 32 - 1

/** Whether the menu waits for a key by this timeout, as loader.conf(5) and the Boot Loader Interface write it. */
export function waitsForKey(timeout: string): boolean {
  return timeout === 'menu-force' || Number(timeout) >= MENU_FORCE
}

/** What a variable of the Boot Loader Interface makes of the menu; undefined where it is not set. */
export interface TimeoutVariable {
  readonly name: string
  readonly waits: boolean
}

/** The timeout of the next boot only. The menu is shown then, so 0 is a menu without an end. */
export function onceTimeout(system: System): TimeoutVariable | undefined {
  const name = 'LoaderConfigTimeoutOneShot'
  const value = loaderVariable(system, name)
  if (value === undefined) return undefined
  return { name, waits: waitsForKey(value) || value === 'menu-hidden' || /^0+$/.test(value) }
}

/** The timeout of every boot. */
export function everyTimeout(system: System): TimeoutVariable | undefined {
  const name = 'LoaderConfigTimeout'
  const value = loaderVariable(system, name)
  return value === undefined ? undefined : { name, waits: waitsForKey(value) }
}
