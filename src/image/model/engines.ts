import { architectures, type LoadedFormat, seriesName } from '../../system/architecture.ts'
import type { FormatName } from './format-name.ts'

/** How the kernel loads a format. 'file' is kexec_file_load(2), 'segments' is kexec_load(2). */
export type ImageEngine = 'file' | 'segments' | 'none'

export interface EngineChoice {
  readonly format: FormatName
  /** As `uname -m` prints it. */
  readonly architecture: string
  readonly engine: ImageEngine
  readonly reason: string
  /** For 'segments': whether this version lays it out for kexec_load (the architectures of engine/layout). */
  readonly isLaidOut?: boolean
}

/** The architectures of kernels in families that have several. */
const members = new Map([
  ['aarch64', ['aarch64', 'aarch64_be']],
  ['ppc64', ['ppc64le', 'ppc64']],
])

const byFile = Object.entries(architectures).flatMap(([family, { label, fileLoadSince }]) =>
  (Object.entries(fileLoadSince ?? {}) as [LoadedFormat, number][]).flatMap(([format, since]) =>
    (members.get(family) ?? [family]).map((architecture): EngineChoice => {
      const release = since === 0 ? '' : ` since Linux ${seriesName(since)}`
      const where = architecture === 'aarch64_be' ? ', where the CPU can run big-endian kernels' : ''
      const reason = `kexec_file_load takes this format on ${label}${release}${where}`
      return { format, architecture, engine: 'file', reason }
    }),
  ),
)

const bySegments: readonly Omit<EngineChoice, 'engine'>[] = [
  { format: 'bzImage', architecture: 'i386', reason: 'a 32-bit kernel has no entry point for kexec_file_load' },
  ...['x86_64', 'i386'].map((architecture) => ({
    format: 'vmlinux' as const,
    architecture,
    reason: 'kexec_file_load takes only a bzImage on x86',
    isLaidOut: architecture === 'x86_64',
  })),
  { format: 'vmlinux', architecture: 'aarch64', reason: 'kexec_file_load takes only an Image on arm64' },
  ...['armv7l', 'armv7b'].map((architecture) => ({
    format: 'ARM zImage' as const,
    architecture,
    reason: '32-bit ARM has no kexec_file_load',
    isLaidOut: true,
  })),
]

/**
 * The engine for each format that can be loaded. Containers and compressed kernels are unpacked first; the kernel inside
 * counts. A format that is not listed has no loader.
 */
export const engines: readonly EngineChoice[] = [
  ...byFile,
  ...bySegments.map((each): EngineChoice => ({ ...each, engine: 'segments' })),
]

/** The engine that loads an image of this format on this architecture, and the reason. */
export function engineFor(image: { readonly format: FormatName; readonly architecture: string | null }): EngineChoice {
  const architecture = image.architecture ?? 'an unknown architecture'
  const { format } = image
  const found = engines.find((each) => each.format === format && each.architecture === architecture)
  return found ?? { format, architecture, engine: 'none', reason: 'no kernel loads this format' }
}
