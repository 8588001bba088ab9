import type { Program } from '../program.ts'
import { type DescribeService, MARK, marking, SETTINGS, type ServiceName, titles, variables } from './service.ts'

const FOLDER = '/etc/systemd/system'

/** One unit each, below /etc, where an administrator's own stand; `systemctl enable` makes the same link as we do. */
export const systemd: DescribeService = (name, program) => {
  const unit = `linux-kexec-${name}.service`
  const path = `${FOLDER}/${unit}`
  return {
    files: [{ kind: 'file', path, mode: 0o644, text: unitText(name, program), mark: MARK }],
    enabling: [{ kind: 'link', path: `${FOLDER}/multi-user.target.wants/${unit}`, target: path }],
  }
}

function unitText(name: ServiceName, program: Program): string {
  const [variable, preset] = variables[name]
  const command = `${quoted(program.node)} ${quoted(program.command)}`
  const load = `${command} load ${name === 'crash' ? '--panic ' : ''}$${variable}`
  return `${marking}
[Unit]
Description=${titles[name]}
Documentation=man:linux-kexec(8)
# Started when these are mounted, and stopped before they are unmounted. The kernel refuses two loads at a time.
After=local-fs.target${name === 'crash' ? '' : ' linux-kexec-crash.service'}
RequiresMountsFor=/boot
ConditionPathExists=/sys/kernel/kexec_loaded
# Not in a crash kernel, whose work is the dump.
ConditionPathExists=!/proc/vmcore
${name === 'crash' ? 'ConditionKernelCommandLine=crashkernel\n' : ''}
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=${variable}=${preset}
EnvironmentFile=-${SETTINGS}
${actions(name, command, load)}

[Install]
WantedBy=multi-user.target
`
}

function actions(name: ServiceName, command: string, load: string): string {
  if (name === 'crash') return `ExecStart=${load}\nExecReload=${load}\nExecStop=${command} unload --panic`
  if (name === 'boot') return `ExecStart=${load}\nExecReload=${load}`
  return `# A large kernel takes its time on a machine that shuts everything down.
TimeoutStopSec=5min
# Only where the shutdown is to end in a kexec, and nothing is loaded that somebody chose.
ExecStop=/bin/sh -c 'case "$$(systemctl list-jobs --no-legend 2>/dev/null)" in *kexec.target*) ;; *) exit 0 ;; esac; \\
  read -r loaded </sys/kernel/kexec_loaded; [ "$$loaded" = 1 ] || exec ${load.replaceAll('$', '$$$$')}'`
}

/** A word of a command line of systemd.service(5). */
function quoted(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /[\s"'\\;]/.test(word) ? `"${escaped.replace(/["\\]/g, '\\$&')}"` : escaped
}
