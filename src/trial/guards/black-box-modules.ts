import { posix } from 'node:path'
import { memoryBytes } from '../../bytes/bytes.ts'
import { decompress } from '../../compression/decompress.ts'
import { compressionAt } from '../../image/model/image.ts'
import type { InitrdOverlay } from '../../initrd/overlay.ts'
import type { System } from '../../system/system.ts'

/** As native/deadman/deadman.c has them: what the module 9 needs lies before it. */
const MODULE = '/linux-kexec-module-'
const PARAMETERS = `${MODULE}parameters`
const LAST = 9
const LONGEST_PARAMETERS = 511

/** Bytes of a module, unpacked: ramoops has 60 KB with its symbols. */
const MOST_BYTES = 4 * 1024 * 1024

/**
 * The files in the initrd by which the deadman loads ramoops for the new kernel; null where its modules are not installed, or
 * cannot be read.
 * @param release of the new kernel
 */
export async function blackBoxModules(
  system: System,
  release: string,
  parameters: readonly string[],
): Promise<readonly InitrdOverlay[] | null> {
  const paths = pathsOf(system, release)
  const text = parameters.join(' ')
  if (paths === null || paths.length > LAST + 1 || text.length > LONGEST_PARAMETERS) return null
  const files: InitrdOverlay[] = [{ source: Buffer.from(text), destination: PARAMETERS, mode: 0o600 }]
  for (const [index, path] of paths.entries()) {
    const source = await contentOf(system, path)
    if (source === null) return null
    files.push({ source, destination: `${MODULE}${LAST + 1 - paths.length + index}`, mode: 0o600 })
  }
  return files
}

/** By modules.dep(5), which names what a module needs in the reverse of the order in which it is loaded. */
function pathsOf(system: System, release: string): string[] | null {
  for (const parent of ['/usr/lib/modules', '/lib/modules']) {
    const directory = posix.join(parent, release)
    const line = /^(\S*\/ramoops\.ko[.\w]*):(.*)$/m.exec(system.readText(posix.join(directory, 'modules.dep')) ?? '')
    if (line === null) continue
    const [, own = '', needed = ''] = line
    return [...needed.split(' ').filter(Boolean).reverse(), own].map((path) => posix.resolve(directory, path))
  }
  return null
}

/** The kernel takes modules that are not compressed, or only where it was built so. */
async function contentOf(system: System, path: string): Promise<Buffer | null> {
  try {
    const bytes = system.readHead(path, MOST_BYTES)
    const compression = compressionAt(bytes, 0)
    if (compression === null) return bytes
    const chunks: Buffer[] = []
    for await (const chunk of decompress(compression, memoryBytes(bytes), MOST_BYTES)) chunks.push(Buffer.from(chunk))
    return Buffer.concat(chunks)
  } catch {
    // A file that is missing or damaged: the black box is of use to what else loads ramoops.
    return null
  }
}
