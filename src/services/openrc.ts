import { TRIAL_PARAMETER } from '../cmdline/reuse.ts'
import { quoted } from '../hooks/hook-script.ts'
import { type DescribeService, MARK, marking, SETTINGS, type ServiceName, titles, variables } from './service.ts'

/**
 * One service of OpenRC each (openrc-run(8)), in the runlevel `default`: OpenRC leaves it before file systems are
 * unmounted.
 */
export const openrc: DescribeService = (name, program) => {
  const [variable, preset] = variables[name]
  const path = `/etc/init.d/linux-kexec-${name}`
  const order =
    name === 'trial'
      ? '# When the machine is up. The checks are in /etc/linux-kexec/check.d.\n\tafter *'
      : `# Not \`need\`: Debian's OpenRC mounts by its boot scripts.
	after localmount mountall mountall.sh${name === 'crash' ? '' : ' linux-kexec-crash'}`
  const command = `${quoted(program.node)} ${quoted(program.command)}`
  const load = `${command} load ${name === 'crash' ? '--panic ' : ''}$${variable}`
  const text = `#!/sbin/openrc-run
${marking}
description="${titles[name]}"
[ -r ${SETTINGS} ] && . ${SETTINGS}
: "\${${variable}=${preset}}"

depend() {
	${order}
	keyword -lxc -openvz -prefix -systemd-nspawn -docker
}

${functions(name, command, load)}`
  return {
    files: [{ kind: 'file', path, mode: 0o755, text, mark: MARK }],
    enabling: [{ kind: 'link', path: `/etc/runlevels/default/linux-kexec-${name}`, target: path }],
  }
}

function functions(name: ServiceName, command: string, load: string): string {
  if (name === 'trial')
    return `start() {
	case " $(cat /proc/cmdline)" in
		*' ${TRIAL_PARAMETER}='*) ;;
		*) return 0 ;;
	esac
	ebegin "${titles.trial}"
	${command} trial confirm $${variables.trial[0]}
	eend $?
}

stop() {
	:
}
`
  if (name === 'shutdown') {
    return `start() {
	:
}

stop() {
	# Only for a reboot, and only if no kernel is loaded. Debian's OpenRC does not set RC_REBOOT, but sysvinit, which
	# starts it there, writes its runlevel into its own command line: init [6].
	case "$RC_REBOOT $(tr '\\0' ' ' </proc/1/cmdline)" in
		'YES '* | *'[6]'*) ;;
		*) return 0 ;;
	esac
	[ ! -e /nokexec ] || return 0
	read -r loaded </sys/kernel/kexec_loaded
	[ "$loaded" = 1 ] && return 0
	ebegin "Loading the kernel of the next boot"
	${load}
	eend $?
}
`
  }
  const unloading = `stop() {
	ebegin "Unloading the crash kernel"
	${command} unload --panic
	eend $?
}
`
  return `start() {
	# Not in a crash kernel, which only saves the dump.
	[ ! -e /proc/vmcore ] || return 0
	ebegin "${titles[name]}"
	${load}
	eend $?
}

${name === 'crash' ? unloading : 'stop() {\n\t:\n}\n'}`
}
