import { type InitSystem, unremarkable } from '../contract/init-system.ts'
import { type HandoverObstacle, limitation, unable } from '../contract/remarks.ts'
import { request } from '../contract/request.ts'
import { write } from '../first-process/initctl.ts'

/** Where openrc-init reads one word at a time (openrc-shutdown(8)). */
const FIFO = '/run/openrc/init.ctl'

/** OpenRC's own PID 1. It calls reboot(KEXEC) itself once its runlevel `reboot` has been entered. */
export const openrcInit: InitSystem = {
  name: 'openrc-init',
  title: 'openrc-init',
  detect: (_system, first) => (first.isNamed('openrc-init') ? [] : undefined),
  examine(system) {
    const program = ['/sbin/openrc-init', '/usr/sbin/openrc-init'].find((path) => system.stat(path)?.isFile())
    // The program contains the word that it has to know: versions before 0.23 lack it.
    const knows = program !== undefined && (system.readBytes(program) ?? '').includes('kexec')
    const obstacles: HandoverObstacle[] = []
    if (program === undefined) obstacles.push(unable('openrc-init is not installed'))
    else if (!knows) obstacles.push(unable(`${program} does not support kexec`))
    if (!system.exists(FIFO)) obstacles.push(unable(`${FIFO} does not exist`))
    return {
      ...unremarkable,
      steps: [
        `write \`kexec\` to ${FIFO}`,
        'OpenRC stops the services and unmounts the file systems (runlevel reboot)',
        'openrc-init calls reboot(LINUX_REBOOT_CMD_KEXEC)',
      ],
      obstacles,
      notes: [limitation('When the kernel cannot be started at the end, openrc-init waits with all services stopped.')],
    }
  },
  handOver: (context) =>
    request(context, {
      of: 'openrc-init',
      ask() {
        const refusal = write(FIFO, Buffer.from('kexec'))
        if (refusal !== undefined) throw new Error(refusal)
      },
      hint: 'Look at the console: a service that does not stop holds up the others. `rc-status --all` shows which.',
    }),
}
