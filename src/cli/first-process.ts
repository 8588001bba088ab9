import { readPrivileges } from '../policy/process/privileges.ts'
import { System } from '../system/system.ts'
import { note } from './output/output.ts'

/** Whether the kernel panics when this process ends: it is PID 1, and not only a container's. */
export function isFirstProcess(): boolean {
  return process.pid === 1 && readPrivileges(new System()).initialPidNamespace
}

/** Never resolves. For a PID 1 that should have started another kernel and could not. */
export async function stay(): Promise<never> {
  note(
    'linux-kexec is PID 1 and waits: the kernel would panic if it ended. What was running may be stopped and unmounted.',
  )
  return new Promise(() => setInterval(() => {}, 2 ** 30))
}
