import { packageVersion } from '../../version.ts'
import { type Architecture, architectures } from '../../vm/machine/architectures.ts'
import { qemuVersion } from './qemu-version.ts'

export interface OwnMachine {
  readonly architecture: Architecture
  /** In kernel images, as `uname -m` prints it. */
  readonly name: string
}

/** Machines that can be rehearsed, by Node's name of this one: Node runs in the guest. */
const machines: Readonly<Record<string, OwnMachine>> = {
  x64: { architecture: architectures.amd64, name: 'x86_64' },
  arm64: { architecture: architectures.arm64, name: 'aarch64' },
}

/** Undefined where nothing can be rehearsed. */
export function ownMachine(): OwnMachine | undefined {
  return machines[process.arch]
}

/** Versions of the tools that carry a rehearsal out. */
export interface ToolVersions {
  readonly linuxKexec: string
  readonly node: string
  readonly qemu: string
}

/** @throws ProvisionError where QEMU is missing, broken or too old */
export async function toolVersions(architecture: Architecture): Promise<ToolVersions> {
  const qemu = await qemuVersion(architecture)
  return { linuxKexec: packageVersion() ?? 'unknown', node: process.version, qemu }
}
