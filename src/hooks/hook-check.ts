import { execFileSync } from 'node:child_process'
import type { System } from '../system/system.ts'
import { oneLine } from '../text.ts'
import { packageVersion } from '../version.ts'
import type { Hook } from './hook.ts'
import { CHECK, isHookScript } from './hook-script.ts'

/** Time for a shell and Node to start, in milliseconds: an emulated machine takes some seconds. */
const DEADLINE = 30_000

/**
 * Makes the scripts of an installed hook print which linux-kexec they would call. A correct text does not guarantee
 * that the shell reads it, that their Node runs, or that their file system lets programs run. No other code of ours
 * starts a program.
 * @returns the obstacles to running them, one clause each
 */
export function failingScripts(system: System, { parts }: Hook): string[] {
  // A hook of another machine cannot be run here.
  if (!system.isLive) return []
  return parts.filter(isHookScript).flatMap(({ path }) => whyNot(path) ?? [])
}

function whyNot(path: string): string | undefined {
  try {
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
    const answer = execFileSync(path, [CHECK], { cwd: '/', env, stdio: 'pipe', timeout: DEADLINE, encoding: 'utf8' })
    const version = packageVersion()
    if (version === null || answer.trim() === version) return undefined
    return `${path} calls linux-kexec ${oneLine(answer.trim().slice(0, 40))}, not this one, ${version}`
  } catch (error) {
    const { code, stderr, signal } = error as NodeJS.ErrnoException & { stderr?: string; signal?: string }
    const said = stderr?.trim().split('\n')[0] || code || signal || 'it failed'
    return `${path} does not run: ${oneLine(said.slice(0, 200))}`
  }
}
