import { TRIAL_PARAMETER } from '../cmdline/reuse.ts'
import { KexecError } from '../errors.ts'
import { quoted } from '../hooks/hook-script.ts'
import type { Program } from '../program.ts'
import { marking, SETTINGS, type ServiceName, variables } from './service.ts'

/** A script that is run once at boot, where the service manager has no form of its own. @param first shell before the task */
export function bootScript(name: ServiceName, { node, command }: Program, first = ''): string {
  const [variable, preset] = variables[name]
  const call = `${quoted(node)} ${quoted(command)}`
  const task =
    name === 'trial'
      ? `# The checks are in /etc/linux-kexec/check.d.
case " $(cat /proc/cmdline)" in
  *' ${TRIAL_PARAMETER}='*) ${call} trial confirm $${variable} ;;
esac`
      : `# Not in a crash kernel, which only saves the dump.
[ -e /proc/vmcore ] || ${call} load ${name === 'crash' ? '--panic ' : ''}$${variable}`
  return `#!/bin/sh
${marking}
PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ -r ${SETTINGS} ] && . ${SETTINGS}
: "\${${variable}=${preset}}"
${first}${task}
`
}

/** Why a kind has no such service. */
export function withoutShutdown(title: string): KexecError {
  return new KexecError(`there is no service for ${title} that loads a kernel at shutdown`, {
    reason: 'unsupported-init',
    hint: 'Enable boot instead, which loads it at boot.',
    refused: true,
  })
}
