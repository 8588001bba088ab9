import type { System } from './system.ts'

/** Capabilities, user ids and seccomp mode of this very process: proc_pid_status(5). */
export const STATUS = '/proc/self/status'

/**
 * Reads it once.
 * @returns what it says under a name, with tabs as they are; undefined where it does not say it
 */
export function readProcessStatus(system: System): (name: string) => string | undefined {
  const fields = new Map<string, string>()
  for (const [, name, value] of (system.readText(STATUS) ?? '').matchAll(/^(\w+):[ \t]*(.*)$/gm)) {
    fields.set(name as string, (value as string).trimEnd())
  }
  return (name) => fields.get(name)
}
