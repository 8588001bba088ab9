import { tmpdir } from 'node:os'
import { KexecError } from '../errors.ts'
import { ProvisionError } from '../vm/host/process.ts'

/** QEMU, or what it needs, is missing; or there is no room for the files. */
export function asKexecError(error: unknown): unknown {
  if (error instanceof ProvisionError) {
    const { hint } = error
    const [summary = ''] = error.message.split('\n')
    return new KexecError(summary, {
      reason: 'unsupported-platform',
      ...(hint === undefined ? {} : { hint }),
      refused: true,
      cause: error,
    })
  }
  const { code, path, syscall } = error as NodeJS.ErrnoException
  if (error instanceof KexecError || code === undefined || syscall === undefined) return error
  return new KexecError('the files of the rehearsal cannot be written', {
    reason: 'io',
    code,
    hint: `It needs some 300 MB, in ${tmpdir()}: TMPDIR names another directory.`,
    ...(path === undefined ? {} : { path }),
    cause: error,
  })
}
