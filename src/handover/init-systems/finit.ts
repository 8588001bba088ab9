import { posix } from 'node:path'
import { hookScript } from '../../hooks/hook-script.ts'
import { type InitExamination, type InitSystem, unremarkable } from '../contract/init-system.ts'
import { unable, unreadable } from '../contract/remarks.ts'
import { request } from '../contract/request.ts'
import { holdsString, pathEndingIn, programText } from '../first-process/program-text.ts'

/** finit's API socket, which only a running finit makes. */
const SOCKET = '/run/finit/socket'

/** finit (troglobit). Its hook point sys/down comes last, when the file systems are unmounted (doc/plugins.md). */
export const finit: InitSystem = {
  name: 'finit',
  title: 'finit',
  detect(system, first) {
    if (first.isNamed('finit')) return []
    // Its process is called init, and only root can see its program.
    return first.isNamed('init') && system.exists(SOCKET) ? [{ source: SOCKET, value: 'present' }] : undefined
  },
  examine(system, program) {
    const text = programText(system, ['/sbin/finit', '/usr/sbin/finit'])
    // Builds differ in the beginning of the path.
    const directory =
      text !== undefined && holdsString(text, 'hook/sys/down') ? pathEndingIn(text, 'finit/hook') : undefined
    const path = posix.join(directory ?? '/usr/libexec/finit/hook', 'sys/down/99-linux-kexec')
    // finit names the purpose to its scripts: halt, poweroff or reboot.
    const unless = ['[ "$FINIT_SHUTDOWN" = reboot ] || exit 0']
    const examination: InitExamination = {
      ...unremarkable,
      steps: [
        'send SIGTERM to PID 1: finit goes to runlevel 6',
        'finit stops all services, ends all processes and unmounts the file systems',
        `${path} calls reboot(LINUX_REBOOT_CMD_KEXEC)`,
      ],
    }
    if (text === undefined)
      return {
        ...examination,
        obstacles: [unreadable("finit's program cannot be read, so the directory of its hooks is unknown")],
      }
    if (directory === undefined)
      return {
        ...examination,
        obstacles: [unable('this finit has no hook scripts at the end of a shutdown (hook/sys/down)')],
        install: ['finit 4.4 or newer, built with hook scripts'],
      }
    return {
      ...examination,
      hook: { parts: [{ kind: 'file', path, mode: 0o755, text: hookScript({ program, unless }) }] },
      evidence: [{ source: 'hook scripts', value: directory }],
    }
  },
  handOver: (context) =>
    request(context, {
      of: 'finit',
      // finit(8): SIGTERM is `initctl reboot`.
      ask: () => process.kill(1, 'SIGTERM'),
      hint: '`initctl status` shows which services still run.',
    }),
}
