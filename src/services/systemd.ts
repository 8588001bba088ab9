import { TRIAL_PARAMETER } from '../cmdline/reuse.ts'
import { KexecError } from '../errors.ts'
import { quoted } from '../hooks/hook-script.ts'
import type { Program } from '../program.ts'
import { type DescribeService, MARK, marking, SETTINGS, type ServiceName, titles, variables } from './service.ts'

const DIRECTORY = '/etc/systemd/system'

/**
 * One unit each, below /etc, where an administrator's own units are; `systemctl enable` makes the same link as we do.
 */
export const systemd: DescribeService = (name, program) => {
  const unit = `linux-kexec-${name}.service`
  const path = `${DIRECTORY}/${unit}`
  return {
    ...refusalOf(program),
    files: [{ kind: 'file', path, mode: 0o644, text: unitText(name, program), mark: MARK }],
    enabling: [{ kind: 'link', path: `${DIRECTORY}/multi-user.target.wants/${unit}`, target: path }],
  }
}

function unitText(name: ServiceName, program: Program): string {
  if (name === 'trial') return trialUnit(program)
  const [variable, preset] = variables[name]
  const command = `${executable(program.node)} ${argument(program.command)}`
  const load = `${command} load ${name === 'crash' ? '--panic ' : ''}$${variable}`
  return `${marking}
[Unit]
Description=${titles[name]}
Documentation=man:linux-kexec(8)
# Started after these are mounted, and stopped before they are unmounted. The kernel refuses two loads at a time.
After=local-fs.target${name === 'crash' ? '' : ' linux-kexec-crash.service'}
RequiresMountsFor=/boot
ConditionPathExists=/sys/kernel/kexec_loaded
# Not in a crash kernel, which only saves the dump.
ConditionPathExists=!/proc/vmcore
${name === 'crash' ? 'ConditionKernelCommandLine=crashkernel\n' : ''}
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=${variable}=${preset}
EnvironmentFile=-${SETTINGS}
${actions(name, command, load, program)}

[Install]
WantedBy=multi-user.target
`
}

/** A unit that a target wants and that comes after the target starts when all others of the target have: systemd.unit(5). */
function trialUnit(program: Program): string {
  const [variable, preset] = variables.trial
  return `${marking}
[Unit]
Description=${titles.trial}
Documentation=man:linux-kexec(8)
# When the machine is up. The checks are in /etc/linux-kexec/check.d.
After=multi-user.target
ConditionKernelCommandLine=${TRIAL_PARAMETER}

[Service]
Type=oneshot
RemainAfterExit=yes
Environment=${variable}=${preset}
EnvironmentFile=-${SETTINGS}
ExecStart=${executable(program.node)} ${argument(program.command)} trial confirm $${variable}

[Install]
WantedBy=multi-user.target
`
}

function actions(name: ServiceName, command: string, load: string, program: Program): string {
  if (name === 'crash') return `ExecStart=${load}\nExecReload=${load}\nExecStop=${command} unload --panic`
  if (name === 'boot') return `ExecStart=${load}\nExecReload=${load}`
  return `# Loading a large kernel is slow while everything else is stopping.
TimeoutStopSec=5min
# Only if the shutdown ends in a kexec and no kernel is loaded.
ExecStop=/bin/sh -c ${argument(loadForKexec(program, variables[name][0]))}`
}

/** The shell code of `shutdown`. */
function loadForKexec(program: Program, variable: string): string {
  const load = `${quoted(program.node)} ${quoted(program.command)} load $${variable}`
  return [
    'case "$(systemctl list-jobs --no-legend 2>/dev/null)" in *kexec.target*) ;; *) exit 0 ;; esac',
    'read -r loaded </sys/kernel/kexec_loaded',
    `[ "$loaded" = 1 ] || exec ${load}`,
  ].join('; ')
}

/**
 * The first word of a command line of systemd.service(5): a path, in which specifiers are resolved, but not variables.
 */
function executable(path: string): string {
  const escaped = path.replaceAll('%', '%%')
  return /^[\w/.@+:%=-]+$/.test(path) ? escaped : `"${escaped}"`
}

/** systemd takes no such path in any notation (string_is_safe of its basic/string-util.c). */
function refusalOf({ node }: Program): { refusal?: KexecError } {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
  if (!/["'\\\x00-\x1f\x7f]/.test(node)) return {}
  return {
    refusal: new KexecError('systemd starts no program whose path has quotes, a backslash or control characters', {
      reason: 'unsupported-init',
      path: node,
      hint: 'Install Node elsewhere, such as in /usr/local/bin.',
      refused: true,
    }),
  }
}

/** Any further word: C escapes and variables are also resolved there, so they are escaped. */
function argument(word: string): string {
  if (/^[\w/.@+:=-]+$/.test(word)) return word
  const escaped = word
    .replace(/["\\]/g, '\\$&')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
    .replace(/[\x01-\x1f\x7f]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$')
  return `"${escaped}"`
}
