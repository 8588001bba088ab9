import { System } from '../../system/system.ts'
import type { Arguments, CommandOption } from './command.ts'

/** `--root DIR`, for the commands that can examine a system other than the running one. */
export const rootOption: CommandOption = {
  type: 'string',
  value: 'DIR',
  help: 'use this root file system or boot partition instead',
}

/** The system that `--root` names, or the running one. @throws KexecError 'not-found' when it is not a directory */
export function systemOf(args: Arguments): System {
  return new System(args.text('root'))
}
