import { hasParameter, parametersNamed } from '../../cmdline/look-up.ts'
import { parseCommandLine } from '../../cmdline/parse.ts'
import { isReplaced, isRescue } from './kernel-names.ts'

/** The signs of an entry's purpose. */
interface Started {
  readonly kernel: string | null
  readonly commandLine: string | null
}

/** Whether an entry is kept only as a way back, or for repairs. select() prefers another of the same version. */
export function isSpare(entry: Started): boolean {
  return isRescue(entry.kernel) || isReplaced(entry.kernel) || isRecovery(entry)
}

/** Words that request a single user or a shell: of the kernel, systemd, sysvinit and Debian. */
const requests = new Set(['single', 's', 'S', '1', 'recovery', 'rescue', 'emergency'])

/** A shell in place of an init. */
const shell = /^\/bin\/(?:ba|da)?sh$/

/** Targets for repairs, and those that erase the system or lend out its disks: systemd.special(7). */
const target = /^(?:rescue|emergency|runlevel1|factory-reset|storage-target-mode)\.target$/

/** Whether an entry is for repairs, by its command line: GRUB's "(recovery mode)". */
export function isRecovery({ commandLine }: Pick<Started, 'commandLine'>): boolean {
  const parsed = parseCommandLine(commandLine ?? '')
  const valuesOf = (name: string) => parametersNamed(parsed, name).map(({ value }) => value ?? '')
  return (
    parsed.parameters.some(({ key, value }) => value === null && requests.has(key)) ||
    parsed.init.some((word) => requests.has(word)) ||
    hasParameter(parsed, 'rd.break') ||
    hasParameter(parsed, 'systemd.factory_reset') ||
    valuesOf('init').some((path) => shell.test(path)) ||
    ['systemd.unit', 'rd.systemd.unit'].flatMap(valuesOf).some((unit) => target.test(unit))
  )
}
