import { checkOptions, type OptionKind, type OptionKinds, path } from '../options.ts'
import { System } from '../system/system.ts'

/** The machine that a call is about. */
export interface MachineOption {
  /**
   * A directory that holds the machine's root file system, or its boot partition. Nothing outside it is read. Default:
   * the running machine.
   */
  readonly root?: string
}

export const machineOption: { readonly root: OptionKind } = { root: path }

/**
 * The options of a call with the machine that `root` names in its place.
 * @throws KexecError as `checkOptions`; 'not-found' when the root is not a directory
 */
export function onMachine<Options extends MachineOption>(
  call: string,
  given: Options | undefined,
  kinds: OptionKinds<Options>,
): Omit<Options, 'root'> & { readonly system: System } {
  const { root, ...rest } = checkOptions(call, given, kinds)
  return { ...rest, system: new System(root) }
}

/** The machine of a call that has no other option. @throws as `onMachine` */
export function machineOf(call: string, given: MachineOption | undefined): System {
  return onMachine(call, given, machineOption).system
}
