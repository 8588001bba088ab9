import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { execute } from '../host/process.ts'

/** A kernel module, decompressed. */
export interface KernelModule {
  /** With underscores, as the kernel names it. */
  readonly name: string
  readonly contents: Buffer
}

/**
 * Modules of a kernel with all they depend on, in an order in which insmod takes them. Debian's packages carry no
 * modules.dep (depmod runs on installation), so the dependencies come from the modules themselves. Names that are not
 * in the directory are assumed to be built in.
 */
export async function modulesInOrder(directory: string, wanted: readonly string[]): Promise<KernelModule[]> {
  const files = await moduleFiles(join(directory, 'kernel'))
  const ordered = new Map<string, KernelModule>()
  const visit = async (name: string, above: readonly string[]): Promise<void> => {
    const file = files.get(name)
    if (file === undefined || ordered.has(name) || above.includes(name)) return
    const contents = await readModule(file)
    for (const dependency of dependenciesOf(contents)) await visit(dependency, [...above, name])
    ordered.set(name, { name, contents })
  }
  for (const name of wanted) await visit(normal(name), [])
  return [...ordered.values()]
}

/** The `depends=` entry of .modinfo (kernel/module, include/linux/module.h): names between commas, ended by NUL. */
function dependenciesOf(contents: Buffer): string[] {
  const start = contents.indexOf('depends=')
  if (start < 0) return []
  const end = contents.indexOf(0, start)
  const list = contents.toString('latin1', start + 'depends='.length, end)
  return list.split(',').flatMap((name) => (name === '' ? [] : [normal(name)]))
}

async function moduleFiles(directory: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const path of await readdir(directory, { recursive: true }).catch(() => [])) {
    const name = /([^/]+)\.ko(?:\.(?:xz|gz|zst))?$/.exec(path)?.[1]
    if (name !== undefined) files.set(normal(name), join(directory, path))
  }
  return files
}

/** Debian compresses modules from 6.12 on. dpkg itself depends on xz and, from Debian 12 on, brings zstd as a library only. */
async function readModule(file: string): Promise<Buffer> {
  if (file.endsWith('.xz')) return execute('xz', ['--decompress', '--stdout', file])
  if (file.endsWith('.zst')) return execute('zstd', ['--decompress', '--stdout', file])
  const contents = await readFile(file)
  return file.endsWith('.gz') ? gunzipSync(contents) : contents
}

function normal(name: string): string {
  return name.replaceAll('-', '_')
}
