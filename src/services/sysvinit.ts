import { TRIAL_PARAMETER } from '../cmdline/reuse.ts'
import type { HookPart } from '../hooks/hook.ts'
import { quoted } from '../hooks/hook-script.ts'
import type { System } from '../system/system.ts'
import { type DescribeService, MARK, marking, SETTINGS, type ServiceName, titles, variables } from './service.ts'

/**
 * A script each with a header by the Linux Standard Base, in /etc/init.d; links in the directories of the runlevels
 * enable it.
 */
export const sysvinit: DescribeService = (name, program, system) => {
  const path = `/etc/init.d/linux-kexec-${name}`
  const command = `${quoted(program.node)} ${quoted(program.command)}`
  return {
    files: [{ kind: 'file', path, mode: 0o755, text: script(name, command), mark: MARK }],
    enabling: links(name, system),
  }
}

/**
 * Late at boot, when everything is mounted; first in a reboot, while everything still is. Where insserv has found
 * another place in the order, or made links in more runlevels, these are the links.
 */
function links(name: ServiceName, system: System | undefined): HookPart[] {
  const target = `../init.d/linux-kexec-${name}`
  const wanted = name === 'shutdown' ? [[6, 'K01']] : [2, 3, 4, 5].map((runlevel) => [runlevel, 'S99'])
  const isOurs = new RegExp(`^[SK]\\d\\dlinux-kexec-${name}$`)
  const present = (directory: string) => (system?.list(directory) ?? []).filter((each) => isOurs.test(each))
  const paths = [0, 1, 2, 3, 4, 5, 6].flatMap((runlevel) => {
    const directory = `/etc/rc${runlevel}.d`
    const there = present(directory)
    const own = wanted.filter(([each]) => each === runlevel && there.length === 0)
    return [...there, ...own.map(([, order]) => `${order}linux-kexec-${name}`)].map((each) => `${directory}/${each}`)
  })
  return paths.map((path) => ({ kind: 'link', path, target }))
}

function script(name: ServiceName, command: string): string {
  const [variable, preset] = variables[name]
  const load = `${command} load ${name === 'crash' ? '--panic ' : ''}$${variable}`
  const required = name === 'trial' ? '$all' : '$local_fs'
  const [start, stop] = name === 'shutdown' ? ['', '6'] : ['2 3 4 5', name === 'crash' ? '0 1 6' : '']
  return `#!/bin/sh
${marking}
### BEGIN INIT INFO
# Provides:          linux-kexec-${name}
# Required-Start:    ${required}
# Required-Stop:     $local_fs
# Should-Start:      ${name === 'crash' || name === 'trial' ? '' : 'linux-kexec-crash'}
# Default-Start:     ${start}
# Default-Stop:      ${stop}
# Short-Description: ${titles[name]}
### END INIT INFO
PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ -r ${SETTINGS} ] && . ${SETTINGS}
: "\${${variable}=${preset}}"

${body(name, command, load)}`
}

function body(name: ServiceName, command: string, load: string): string {
  if (name === 'trial') return trialBody(command)
  const [onStart, onStop] =
    name === 'shutdown'
      ? ['    ;;', `    load_unless_chosen\n    ;;`]
      : [`    load\n    ;;`, `${stopping(name, command)}    ;;`]
  return `load() {
  # Not in a crash kernel, which only saves the dump.
  [ ! -e /proc/vmcore ] || return 0
  ${load}
}

load_unless_chosen() {
  # With these files an administrator makes a reboot go through the firmware.
  for file in /nokexec /tmp/no-kexec-reboot; do
    [ ! -e "$file" ] || return 0
  done
  read -r loaded </sys/kernel/kexec_loaded || return 1
  [ "$loaded" = 1 ] || load
}

case $1 in
  start)
${onStart}
  stop)
${onStop}
  restart | force-reload)
    load
    ;;
  status)
    ${command} status
    ;;
  *)
    echo "Usage: $0 start|stop|restart|force-reload|status" >&2
    exit 3
    ;;
esac
`
}

function trialBody(command: string): string {
  return `case $1 in
  start | restart | force-reload)
    # The checks are in /etc/linux-kexec/check.d.
    case " $(cat /proc/cmdline)" in
      *' ${TRIAL_PARAMETER}='*) ${command} trial confirm $${variables.trial[0]} ;;
    esac
    ;;
  stop)
    ;;
  status)
    ${command} trial status
    ;;
  *)
    echo "Usage: $0 start|stop|restart|force-reload|status" >&2
    exit 3
    ;;
esac
`
}

function stopping(name: ServiceName, command: string): string {
  return name === 'crash' ? `    ${command} unload --panic\n` : ''
}
