import type { Context } from '../context/context.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { explicitCommandLineWarning } from '../unified/unified-kernel.ts'

/** How kexec differs from the stub of a unified kernel image. */
export function checkUnified({ kernel: { unified }, options }: Context): Remark[] {
  if (unified === null) return []
  const { warning } = remarksOn('kernel')
  const given = options.exactCommandLine ?? options.commandLine
  const isOwn = given === undefined && !options.reuseCommandLine && !options.append && !options.remove
  const text = isOwn ? null : explicitCommandLineWarning(unified)
  return [
    ...unified.warnings.map(({ code, text: why }) => warning(code, why)),
    ...(text === null ? [] : [warning('command-line-not-signed', text)]),
  ]
}
