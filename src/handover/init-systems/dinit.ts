import { join } from 'node:path'
import { type InitExamination, type InitSystem, unremarkable } from '../contract/init-system.ts'
import { type HandoverObstacle, limitation, unable, unreadable } from '../contract/remarks.ts'
import { request } from '../contract/request.ts'
import { askForKexec, CONTROL_SOCKET } from '../first-process/dinit-control.ts'
import { holdsString, pathEndingIn, programText } from '../first-process/program-text.ts'

/** Time for dinit to answer, in milliseconds: it answers before it stops anything. */
const ANSWER = 10_000

/** The words that dinit logs before it ends in kexec (dinit.cc): a build without them does not support kexec. */
const WORDS = ' Will kexec.'

/**
 * dinit. It ends in reboot(KEXEC) by itself, and hangs for ever when nothing is loaded. That is refused before the
 * request.
 */
export const dinit: InitSystem = {
  name: 'dinit',
  title: 'dinit',
  detect: (_, first) => (first.isNamed('dinit') ? [] : undefined),
  examine(system) {
    const text = programText(system, ['/sbin/dinit', '/usr/bin/dinit'])
    // Distributions may put a prefix before its name.
    const program = pathEndingIn(text ?? '', 'shutdown') ?? '/sbin/shutdown'
    const examination: InitExamination = {
      ...unremarkable,
      steps: [
        `ask on ${CONTROL_SOCKET} for a shutdown by kexec, as \`shutdown -k\` does`,
        'dinit stops all services in order',
        `dinit becomes ${program}, which ends all processes, unmounts and calls reboot(LINUX_REBOOT_CMD_KEXEC)`,
      ],
      notes: [limitation("This way was written from dinit's sources and has not been tried on a machine.")],
      evidence: [{ source: CONTROL_SOCKET, value: system.exists(CONTROL_SOCKET) ? 'present' : 'absent' }],
    }
    const obstacles: HandoverObstacle[] = []
    if (text === undefined)
      obstacles.push(unreadable("dinit's program cannot be read, so whether it supports kexec is unknown"))
    else if (!holdsString(text, WORDS)) obstacles.push(unable('this dinit does not support a shutdown by kexec'))
    if (!system.stat(program)?.isFile())
      obstacles.push(unable(`${program}, which dinit becomes at the end, is missing`))
    if (!system.exists(CONTROL_SOCKET)) obstacles.push(unable(`dinit does not listen on ${CONTROL_SOCKET}`))
    const install = text !== undefined && !holdsString(text, WORDS) ? ['a newer dinit, whose `shutdown` has -k'] : []
    return { ...examination, obstacles, install }
  },
  handOver: (context) =>
    request(context, {
      of: 'dinit',
      ask: () => askForKexec(join(context.system.root, CONTROL_SOCKET), ANSWER),
      hint: '`dinitctl list` shows which services still run.',
    }),
}
