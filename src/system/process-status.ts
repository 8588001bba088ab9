import type { System } from './system.ts'

/** Capabilities, user ids and seccomp mode of this process: proc_pid_status(5). */
export const STATUS = '/proc/self/status'

/**
 * Reads it once.
 * @returns its value under a name, with tabs unchanged; undefined where there is none
 */
export function readProcessStatus(system: System): (name: string) => string | undefined {
  const fields = new Map<string, string>()
  for (const [, name, value] of (system.readText(STATUS) ?? '').matchAll(/^(\w+):[ \t]*(.*)$/gm)) {
    fields.set(name as string, (value as string).trimEnd())
  }
  return (name) => fields.get(name)
}
