import { KexecError } from '../errors.ts'
import { System } from '../system/system.ts'
import type { Arguments, CommandOption } from './command.ts'

/** `--root DIR`, for the commands that can look at another system than the running one. */
export const rootOption: CommandOption = {
  type: 'string',
  value: 'DIR',
  help: 'look into this root file system or boot partition instead',
}

/** The system that `--root` names, or the running one. @throws KexecError 'not-found' when it is not a folder: nothing found in a misspelt one would mislead. */
export function systemOf(args: Arguments): System {
  const root = args.text('root')
  const system = new System(root)
  if (root === undefined || system.stat('/')?.isDirectory()) return system
  throw new KexecError('--root names no folder that can be read', {
    reason: 'not-found',
    path: root,
    hint: 'Give the folder that a root file system or a boot partition is mounted on.',
    refused: true,
  })
}
