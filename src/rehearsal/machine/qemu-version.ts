import { execute, ProvisionError } from '../../vm/host/process.ts'
import type { Architecture } from '../../vm/machine/architectures.ts'
import { qemuProgram } from '../../vm/machine/qemu.ts'

/** The first with `-action`. */
const OLDEST = 6

/** QEMU's own line about its version. @throws ProvisionError where it is missing, broken or too old */
export async function qemuVersion(architecture: Architecture): Promise<string> {
  const line = (await execute(qemuProgram(architecture), ['--version'])).toString().split('\n', 1)[0] ?? ''
  const major = / version (\d+)\./.exec(line)?.[1]
  if (major !== undefined && Number(major) >= OLDEST) return line
  const { program, package: name } = architecture.emulator
  throw new ProvisionError(`${program} is too old: it says '${line}'`, {
    hint: `A rehearsal needs QEMU ${OLDEST}.0 or later (on Debian ${name}, of Debian 12 or of the backports of 11).`,
  })
}
