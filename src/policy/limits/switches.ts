import { placeOfParameter } from '../../entries/paths/parameter-place.ts'
import type { System } from '../../system/system.ts'
import { type SysctlSetting, settingsOf } from './sysctl.ts'

/** Present when the kernel has kexec; 1 when loading is switched off until the next boot. */
export const DISABLED = '/proc/sys/kernel/kexec_load_disabled'

/** Loads still allowed, -1 for any number; since 6.3. Documentation/admin-guide/sysctl/kernel.rst */
export const LIMIT = {
  normal: '/proc/sys/kernel/kexec_load_limit_reboot',
  panic: '/proc/sys/kernel/kexec_load_limit_panic',
}

/** Loads still allowed; null for any number, and for a kernel that has no limit or does not show it. */
export function readLoadsLeft(system: System, panic: boolean): number | null {
  const text = system.readText(panic ? LIMIT.panic : LIMIT.normal)?.trim()
  return text === undefined || !/^\d+$/.test(text) ? null : Number(text)
}

/** The source that sets a switch, and how to prevent that at the next boot. */
export interface Culprit {
  /** Its place, '/etc/sysctl.d/99-x.conf:3'; empty where no file read at boot sets it. */
  readonly settings: readonly (SysctlSetting & { readonly source: string })[]
  /** As a sentence or two. */
  readonly remedy: string
}

/**
 * Finds the source that sets a switch. The kernel takes only 1 for kexec_load_disabled (kernel/kexec_core.c), so lines
 * with other values do not count; for a limit every number counts.
 */
export function whoHasSet(system: System, switchPath: string): Culprit {
  const name = `kernel.${switchPath.split('/').at(-1)}`
  const isSet = (value: string) => (switchPath === DISABLED ? /^0*1$|^0x0*1$/i.test(value) : /^\d+$/.test(value))
  const settings = settingsOf(system, name)
    .filter(({ value }) => isSet(value))
    .map((setting) => ({
      ...setting,
      source: setting.line === null ? setting.path : `${setting.path}:${setting.line}`,
    }))
  return { settings, remedy: remedyFor(system, name, settings) }
}

function remedyFor(system: System, name: string, settings: Culprit['settings']): string {
  if (settings.length === 0)
    return `Nothing that is read at boot sets it (sysctl.d, sysctl.conf, the command line), so a program has. Find it, unless it was you: grep -rs ${name.slice('kernel.'.length)} /etc. Then reboot.`
  const parts = settings.map(({ source, line, text, path }) =>
    line === null
      ? `${text} from the kernel command line${placeOf(system, text)}`
      : path.startsWith('/usr/') || path.startsWith('/lib/')
        ? `\`${text}\` from ${source} (a file of a package: a link /etc/sysctl.d/${posixName(path)} to /dev/null masks it)`
        : `\`${text}\` from ${source}`,
  )
  return `Remove ${parts.join('; and ')}, then reboot.`
}

function posixName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function placeOf(system: System, text: string): string {
  const { name, afterwards, command } = placeOfParameter(system, text.split('=')[0] as string, null)
  if (command !== null) return ` (${command(text).replace('--args=', '--remove-args=')})`
  return `, in ${name}${afterwards === '' ? '' : `, ${afterwards}`}`
}
