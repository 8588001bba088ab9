/** How the kernel loads a format. 'file' is kexec_file_load(2), 'segments' is kexec_load(2). */
export type ImageEngine = 'file' | 'segments' | 'none'

export interface EngineChoice {
  /** As KernelImage has it. */
  readonly format: string
  /** As `uname -m` prints it. */
  readonly architecture: string
  readonly engine: ImageEngine
  readonly reason: string
  /** For 'segments': whether this version lays it out for kexec_load (the architectures of engine/layout). */
  readonly isLaidOut?: boolean
}

/**
 * The formats of the kernel's loaders: kexec_file_loaders of each arch/…/kernel. Containers and compressed kernels are
 * unpacked first; the kernel inside counts. A format that is not listed has no loader.
 */
export const engines: readonly EngineChoice[] = [
  { format: 'bzImage', architecture: 'x86_64', engine: 'file', reason: 'what kexec_file_load takes on x86' },
  {
    format: 'bzImage',
    architecture: 'i386',
    engine: 'segments',
    reason: 'a 32-bit kernel has no entry that kexec_file_load knows',
  },
  {
    format: 'vmlinux',
    architecture: 'x86_64',
    engine: 'segments',
    reason: 'kexec_file_load takes only a bzImage on x86',
    isLaidOut: true,
  },
  {
    format: 'vmlinux',
    architecture: 'i386',
    engine: 'segments',
    reason: 'kexec_file_load takes only a bzImage on x86',
  },
  {
    format: 'arm64 Image',
    architecture: 'aarch64',
    engine: 'file',
    reason: 'what kexec_file_load takes on arm64, uncompressed',
  },
  {
    format: 'arm64 Image',
    architecture: 'aarch64_be',
    engine: 'file',
    reason: 'as above, on a machine that can run big-endian',
  },
  {
    format: 'vmlinux',
    architecture: 'aarch64',
    engine: 'segments',
    reason: 'kexec_file_load takes only an Image on arm64',
  },
  {
    format: 'riscv Image',
    architecture: 'riscv64',
    engine: 'file',
    reason: 'what kexec_file_load takes on RISC-V, of late',
  },
  {
    format: 'vmlinux',
    architecture: 'riscv64',
    engine: 'file',
    reason: 'what kexec_file_load takes on RISC-V',
  },
  {
    format: 'loongarch Image',
    architecture: 'loongarch64',
    engine: 'file',
    reason: 'what kexec_file_load takes on LoongArch, of late',
  },
  {
    format: 'vmlinux',
    architecture: 'loongarch64',
    engine: 'file',
    reason: 'what kexec_file_load takes on LoongArch, of late',
  },
  { format: 'vmlinux', architecture: 'ppc64le', engine: 'file', reason: 'what kexec_file_load takes on POWER' },
  { format: 'vmlinux', architecture: 'ppc64', engine: 'file', reason: 'what kexec_file_load takes on POWER' },
  { format: 's390 Image', architecture: 's390x', engine: 'file', reason: 'what kexec_file_load takes on s390x' },
  { format: 'vmlinux', architecture: 's390x', engine: 'file', reason: 'what kexec_file_load takes on s390x' },
  ...['armv7l', 'armv7b'].map((architecture) => ({
    format: 'ARM zImage',
    architecture,
    engine: 'segments' as const,
    reason: '32-bit ARM has no kexec_file_load',
    isLaidOut: true,
  })),
]

/** The engine that loads an image of this format on this architecture, and the reason. */
export function engineFor(image: { readonly format: string; readonly architecture: string | null }): EngineChoice {
  const architecture = image.architecture ?? 'an unknown architecture'
  const { format } = image
  const found = engines.find((each) => each.format === format && each.architecture === architecture)
  return found ?? { format, architecture, engine: 'none', reason: 'no kernel loads this format' }
}
