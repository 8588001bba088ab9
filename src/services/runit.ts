import { posix } from 'node:path'
import type { HookPart } from '../hooks/hook.ts'
import type { System } from '../system/system.ts'
import { bootScript, withoutShutdown } from './at-boot.ts'
import { type DescribeService, MARK, type ServiceName } from './service.ts'

/** Where services are described: Artix, then Void and Debian. */
const DESCRIBED = ['/etc/runit/sv', '/etc/sv']

/** The services that runsvdir(8) starts: Void, Artix and Debian; runit's own. */
const STARTED = ['/etc/runit/runsvdir/default', '/etc/service']

/**
 * A directory each, with a run script, and a link to it among the services that are started. runit starts a service again
 * when it ends, so the script asks runsv(8) first to start it only once. Stopping does not run it, so none loads at shutdown.
 */
export const runit: DescribeService = (name, program, system) => {
  if (name === 'shutdown') return { files: [], enabling: [], unavailable: withoutShutdown('runit') }
  const described = firstDirectory(system, DESCRIBED) ?? '/etc/sv'
  const started = firstDirectory(system, STARTED) ?? (STARTED[0] as string)
  const directory = `${described}/linux-kexec-${name}`
  const text = bootScript(name, program, onlyOnce(name, started))
  return {
    files: [
      { kind: 'file', path: `${directory}/run`, mode: 0o755, text, mark: MARK },
      ...superviseLink(system, described, name),
    ],
    enabling: [{ kind: 'link', path: `${started}/linux-kexec-${name}`, target: directory }],
  }
}

function firstDirectory(system: System | undefined, paths: readonly string[]): string | undefined {
  return paths.find((path) => system?.stat(path)?.isDirectory())
}

/** runit starts all services at once. `sv check` waits until each is in the state that was asked for. */
function onlyOnce(name: ServiceName, started: string): string {
  const waiting = `for service in ${started}/*; do
  case $service in */linux-kexec-*) ;; *) set -- "$@" "$service" ;; esac
done
# When the machine is up, as far as runit knows.
[ $# = 0 ] || sv -w 20 check "$@" >/dev/null
`
  return `exec 2>&1
# Not again when it ends. Where that cannot be asked for, it does not end.
sv once "$PWD" >/dev/null || trap 'exec sleep 2147483647' EXIT
${name === 'trial' ? waiting : ''}`
}

/** runsv keeps its state in the directory; where others have a link in its place, /etc may be read-only. */
function superviseLink(system: System | undefined, described: string, name: ServiceName): HookPart[] {
  for (const neighbour of system?.list(described) ?? []) {
    if (neighbour.startsWith('linux-kexec-')) continue
    const target = system?.readLink(posix.join(described, neighbour, 'supervise'))
    if (target === undefined || !posix.basename(target).includes(neighbour)) continue
    const own = posix.join(
      posix.dirname(target),
      posix.basename(target).replace(neighbour, () => `linux-kexec-${name}`),
    )
    return [{ kind: 'link', path: `${described}/linux-kexec-${name}/supervise`, target: own }]
  }
  return []
}
