import { posix } from 'node:path'
import { type Hook, marking } from '../../hooks/hook.ts'
import { ASKED, hookScript, START_KERNEL } from '../../hooks/hook-script.ts'
import { MARK_FILE } from '../../hooks/request-mark.ts'
import type { Program } from '../../program.ts'
import type { System } from '../../system/system.ts'
import { type InitExamination, type InitSystem, unremarkable } from '../contract/init-system.ts'
import { type HandoverNote, limitation, unable } from '../contract/remarks.ts'
import { request } from '../contract/request.ts'
import { holdsString, programText } from '../first-process/program-text.ts'

const INITTAB = '/etc/inittab'

/** The program that init becomes when it has stopped everything. */
const RESTART = '/etc/linux-kexec/restart'

/**
 * busybox init. Its `restart` action is a program that replaces init as PID 1 after the shutdown actions have run and
 * all processes have ended (init/init.c, exec_restart_action). Ours starts the loaded kernel, or init again.
 */
export const busybox: InitSystem = {
  name: 'busybox',
  title: 'busybox init',
  detect: (system, first) => (first.isNamed('busybox') && runsInit(system) ? [] : undefined),
  examine(system, program) {
    const inittab = system.readText(INITTAB)
    const examination: InitExamination = {
      ...unremarkable,
      steps: [
        'send SIGHUP to PID 1 (read /etc/inittab again) and SIGQUIT (restart)',
        'busybox init runs the shutdown actions of /etc/inittab, sends SIGTERM to every process, and SIGKILL a second later',
        `busybox init becomes ${RESTART}, which unmounts what is left and calls reboot(LINUX_REBOOT_CMD_KEXEC)`,
      ],
      hook: inittab === undefined ? null : hookFor(program),
      notes: notes(inittab),
    }
    if (inittab === undefined)
      return {
        ...examination,
        obstacles: [unable(`there is no ${INITTAB}, so no restart action can be added`)],
        install: [`write ${INITTAB}; busybox's examples/inittab shows what it does without one`],
      }
    const text = programText(system, ['/bin/busybox', '/usr/bin/busybox'])
    if (text !== undefined && !holdsString(text, INITTAB))
      return {
        ...examination,
        obstacles: [unable(`this busybox init does not read ${INITTAB} (FEATURE_USE_INITTAB is off)`)],
      }
    return examination
  },
  handOver: (context) =>
    request(context, {
      of: 'busybox init',
      // Pending signals are taken in numerical order: HUP is 1, QUIT 3.
      ask() {
        process.kill(1, 'SIGHUP')
        process.kill(1, 'SIGQUIT')
      },
      hint: `It waits for each shutdown action of ${INITTAB} to end.`,
    }),
}

/** Whether busybox is PID 1 as its applet init. It also runs a script as PID 1, as its applet sh. */
function runsInit(system: System): boolean {
  const [name = '', operand = ''] = (system.readText('/proc/1/cmdline') ?? '').split('\0')
  const applet = posix.basename(name) === 'busybox' ? operand : name
  return ['', 'init', 'linuxrc'].includes(posix.basename(applet).replace(/^-/, ''))
}

function notes(inittab: string | undefined): HandoverNote[] {
  const stops = inittab !== undefined && /^[^#\n:]*:[^:\n]*:shutdown:/m.test(inittab)
  if (stops) return []
  return [limitation('No shutdown action is in /etc/inittab: processes are ended without stop scripts.')]
}

function hookFor(program: Program): Hook {
  const restart = /^[^#:]*:[^:]*:restart:/
  return {
    parts: [
      {
        kind: 'file',
        path: START_KERNEL,
        mode: 0o755,
        text: hookScript({ program, command: ['exec', '--unmount'], failure: 'return' }),
      },
      { kind: 'file', path: RESTART, mode: 0o755, text: restartScript() },
      // The first restart action is used.
      { kind: 'lines', path: INITTAB, lines: [`::restart:${RESTART}`], before: restart },
    ],
  }
}

/** PID 1 must never end: the kernel would panic. */
function restartScript(): string {
  return `#!/bin/sh
${marking}
#
# busybox init becomes this for its action "restart", after everything has been stopped. It is PID 1.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
trap '' HUP INT QUIT TERM
[ -e /proc/self ] || mount -t proc proc /proc
${ASKED}
# The record of the request is gone if the shutdown actions have unmounted /run. Nothing else makes init restart.
if [ -z "$asked" ]; then
  [ -e ${MARK_FILE} ] || mount -t tmpfs run /run
  mkdir -p ${posix.dirname(MARK_FILE)}
  echo "kexec $boot" >${MARK_FILE}
fi
${START_KERNEL}
trap - HUP INT QUIT TERM
echo 'linux-kexec: starting init again' >/dev/console
exec /sbin/init
`
}
