/** Names of architectures in the Boot Loader Specification (UEFI's, and some others in use), as `uname -m` has them. */
const names = new Map([
  ['x64', 'x86_64'],
  ['x86_64', 'x86_64'],
  ['x86-64', 'x86_64'],
  ['amd64', 'x86_64'],
  ['ia32', 'i386'],
  ['i386', 'i386'],
  ['i686', 'i386'],
  ['x86', 'i386'],
  ['aa64', 'aarch64'],
  ['arm64', 'aarch64'],
  ['aarch64', 'aarch64'],
  ['arm', 'armv7l'],
  ['armv7l', 'armv7l'],
  ['ia64', 'ia64'],
  ['riscv32', 'riscv32'],
  ['riscv64', 'riscv64'],
  ['loongarch32', 'loongarch32'],
  ['loongarch64', 'loongarch64'],
])

/** 'x86_64' for 'x64'; an unknown name stays unchanged. */
export function machineOf(name: string): string {
  const lower = name.toLowerCase()
  return names.get(lower) ?? lower
}

/** The machine in an EFI program's name: 'x86_64' for 'systemd-bootx64.efi' and 'BOOTX64.EFI'. */
export function machineOfProgram(file: string): string | undefined {
  const name = /^(?:systemd-)?boot([a-z0-9]+)\.efi$/i.exec(file)?.[1]
  return name === undefined ? undefined : names.get(name.toLowerCase())
}

/** Node's name for this machine, as `uname -m` has it. */
export const thisMachine: string = names.get(process.arch) ?? process.arch
