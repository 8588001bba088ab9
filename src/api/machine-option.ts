import { type OptionKind, path } from '../options.ts'

/** The machine that a call is about. */
export interface MachineOption {
  /**
   * A directory that holds the machine's root file system, or its boot partition. Nothing outside it is read. Default:
   * the running machine.
   */
  readonly root?: string
}

export const machineOption: { readonly root: OptionKind } = { root: path }
