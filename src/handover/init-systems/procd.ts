import { hookScript, START_KERNEL } from '../../hooks/hook-script.ts'
import { type InitExamination, type InitSystem, unremarkable } from '../contract/init-system.ts'
import { limitation, unable } from '../contract/remarks.ts'
import { request } from '../contract/request.ts'

/** The boot scripts that procd runs, in the order of their names, with the word shutdown (rcS.c). */
const SCRIPTS = '/etc/rc.d'

/** After K99umount, the last of OpenWrt's own. */
const LINK = `${SCRIPTS}/K99z-linux-kexec`

/**
 * procd, OpenWrt's init. The stop scripts run before all processes are ended (state.c), so our script has to end them
 * itself.
 */
export const procd: InitSystem = {
  name: 'procd',
  title: 'procd',
  detect: (_, first) => (first.isNamed('procd') ? [] : undefined),
  examine(system, program) {
    // They also run before a poweroff, and cannot distinguish the two.
    const unless = ['[ "$1" = shutdown ] || exit 0']
    const command = ['exec', '--end-processes', '--unmount']
    const text = hookScript({ program, unless, onlyAsked: true, command, failure: 'return' })
    const examination: InitExamination = {
      ...unremarkable,
      steps: [
        'send SIGTERM to PID 1: procd begins a reboot',
        `procd runs the stop scripts ${SCRIPTS}/K*`,
        `${LINK}, the last of them, ends all processes, unmounts and calls reboot(LINUX_REBOOT_CMD_KEXEC)`,
      ],
      hook: {
        parts: [
          { kind: 'file', path: START_KERNEL, mode: 0o755, text },
          { kind: 'link', path: LINK, target: START_KERNEL },
        ],
      },
      notes: [
        limitation("This way was written from procd's sources and has not been tried on a machine."),
        limitation('procd ends a stop script after 15 s and reboots through the firmware.'),
        limitation('When the kernel cannot be started at the end, procd reboots through the firmware.'),
      ],
    }
    if (system.stat(SCRIPTS)?.isDirectory()) return examination
    return { ...examination, obstacles: [unable(`${SCRIPTS}, the directory of procd's stop scripts, is missing`)] }
  },
  handOver: (context) =>
    request(context, {
      of: 'procd',
      ask: () => process.kill(1, 'SIGTERM'),
      hint: 'It waits up to 15 s for each stop script; `logread` shows their messages.',
    }),
}
