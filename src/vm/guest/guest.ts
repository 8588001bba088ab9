import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { callback, checkOptions, flag, listOf, type OptionKinds, object, oneOf, path, text } from '../../options.ts'
import { cacheDirectory, cachedDirectory, prune } from '../host/cache.ts'
import { execute, ProvisionError } from '../host/process.ts'
import { type ImageEntry, writeCpio } from '../initramfs/cpio.ts'
import { writeRootImage } from '../initramfs/root-image.ts'
import { stageOne, stageOneApplets } from '../initramfs/scripts.ts'
import { FileTree } from '../initramfs/tree.ts'
import { type Architecture, type ArchitectureName, architectures, mirrorOptions } from '../machine/architectures.ts'
import { DebianMirror, type Progress, packageFile } from '../provision/debian.ts'
import type { Kernel } from '../provision/kernels.ts'
import { type UserlandName, userlands } from '../userlands/available.ts'
import { addBase } from '../userlands/base.ts'
import type { Userland } from '../userlands/userland.ts'
import { modulesInOrder } from './modules.ts'
import { guestNode, unpackTarball } from './node.ts'
import { unpackedKernel } from './unpacked-kernel.ts'

/** Guest images that stay in the cache however old they are. */
const KEPT_IMAGES = 4

/** Milliseconds an image beyond those stays after its last use: others may be about to start from it. */
const IMAGE_AGE = 2 * 60 * 60 * 1000

/** Of what root-image.ts writes: another number whenever the same files make another image, so that an old one in the cache is not taken. */
const IMAGE_FORMAT = 3

export interface GuestOptions {
  /** The machine, by Debian's name: 'arm64'. Default: 'amd64'. Machines other than this one are emulated. */
  readonly architecture?: ArchitectureName
  /** Kernels the guest has in /boot, from `newestKernels()` or your own. The first is the one it boots by default. */
  readonly kernels: readonly Kernel[]
  /** PID 1: a shell script over busybox (default, up in a second), or an init system of the suite. */
  readonly userland?: UserlandName
  /** An npm tarball (`npm pack`) to install in /usr/lib/node_modules, its bins linked in /usr/bin. */
  readonly tarball?: string
  /** Whether /usr/bin/node exists. Default: true. */
  readonly node?: boolean
  /** Further modules to have in the guest's /usr/lib/modules, by name; their dependencies come along. */
  readonly modules?: readonly string[]
  /** Debian packages to unpack, with all they depend on. No maintainer script runs. */
  readonly packages?: readonly string[]
  /** Debian suites that the userland and packages come from: ['trixie']. Default: the machine's own release, or the first that has it. */
  readonly suites?: readonly string[]
  /** Files of your own; they replace others of the same name. */
  readonly files?: readonly ImageEntry[]
  readonly progress?: Progress
}

/** A kernel with the initrd that starts this guest's userland, as files of the host. */
export interface GuestKernel {
  readonly release: string
  readonly kernel: string
  readonly initrd: string
}

/** A built guest. Its files lie in the cache and are never written to: any number of machines can run from one guest. */
export interface Guest {
  readonly architecture: ArchitectureName
  /** The root file system, cpio archives that stage 1 unpacks into memory from a disk, or the kernel from an initrd. */
  readonly rootImage: string
  /** In the requested order. */
  readonly kernels: readonly GuestKernel[]
}

const kinds: OptionKinds<GuestOptions> = {
  architecture: oneOf(...Object.keys(architectures)),
  kernels: listOf(object),
  userland: oneOf(...Object.keys(userlands)),
  tarball: path,
  node: flag,
  modules: listOf(text),
  packages: listOf(text),
  suites: listOf(text),
  files: listOf(object),
  progress: callback,
}

/**
 * Builds a guest, or finds it in the cache: the same inputs give the same image.
 * @throws ProvisionError when a part is unavailable; RangeError without kernels.
 */
export async function buildGuest(given: GuestOptions): Promise<Guest> {
  const options = checkOptions('buildGuest()', given, kinds)
  const { kernels, progress = () => {} } = options
  const userland: Userland = userlands[options.userland ?? 'busybox']
  const architecture: Architecture = architectures[options.architecture ?? 'amd64']
  const suites = options.suites ?? userland.suites ?? architecture.suites
  if (kernels.length === 0) throw new RangeError('a guest needs at least one kernel')
  if (process.arch !== 'x64')
    throw new ProvisionError(`guests run on x86_64 machines only so far, and this machine is ${process.arch}`)
  const mirror = await DebianMirror.open({ progress, ...mirrorOptions(architecture, suites) })
  const busyboxProgram = await fetchBusybox(mirror)

  const tree = new FileTree({ mergedUsr: true })
  // Before the packages: where both have a library, the suite's suits both.
  if (options.node !== false) for (const entry of await guestNode(architecture, mirror, progress)) tree.add(entry)
  const node = options.node !== false && 'packages' in architecture.node ? architecture.node.packages : []
  const packages = [...node, ...userland.packages, ...(options.packages ?? [])]
  if (packages.length > 0) {
    for (const { directory } of await mirror.fetch(packages, { dependencies: true }))
      await tree.addDirectory(directory, '/', isDeadWeight)
  }
  // Debian builds it the same for every architecture, but only this machine's own is certain to be available.
  const ownBusybox = await fetchBusybox(await DebianMirror.open({ progress, ...(suites && { suites }) }))
  const applets = (await execute(ownBusybox, ['--list'])).toString().trim().split('\n')
  for (const { directory } of await mirror.fetch(['dash', 'libc6'], { dependencies: false })) {
    await tree.addDirectory(directory, '/', (path) => !leadsToShell(path, architecture))
  }
  addBase(tree, busyboxProgram, architecture)
  userland.complete(tree, { busybox: busyboxProgram, applets })

  const guestKernels: GuestKernel[] = []
  for (const kernel of kernels) {
    guestKernels.push(await addKernel(tree, kernel, architecture, busyboxProgram, options.modules ?? []))
  }
  if (options.tarball !== undefined) await addTarball(tree, options.tarball)
  for (const entry of options.files ?? []) tree.add(entry)

  const images = join(cacheDirectory(), 'guests')
  const key = createHash('sha256')
    .update(`${IMAGE_FORMAT}\0${await tree.hash()}`)
    .digest('hex')
  const directory = await cachedDirectory(join(images, key.slice(0, 32)), async (unfinished) => {
    progress(`building the ${userland.name} guest`)
    await writeRootImage(join(unfinished, 'root.cpio'), tree.entries())
  })
  await prune(images, KEPT_IMAGES, IMAGE_AGE)
  const { name } = architecture
  return { architecture: name as ArchitectureName, rootImage: join(directory, 'root.cpio'), kernels: guestKernels }
}

async function fetchBusybox(mirror: DebianMirror): Promise<string> {
  const [busybox] = await mirror.fetch(['busybox-static'], { dependencies: false })
  if (busybox === undefined) throw new ProvisionError('the mirror has no busybox-static')
  return packageFile(busybox.directory, 'bin/busybox')
}

/** Puts a kernel into the guest as Debian would, and makes its initrd. */
async function addKernel(
  tree: FileTree,
  kernel: Kernel,
  architecture: Architecture,
  busybox: string,
  furtherModules: readonly string[],
): Promise<GuestKernel> {
  const { release } = kernel
  const wanted = [...architecture.modules, ...furtherModules]
  const modules = kernel.modules === undefined ? [] : await modulesInOrder(kernel.modules, wanted)
  const early = kernel.modules === undefined ? [] : await modulesInOrder(kernel.modules, architecture.modules)
  const initrd = await buildInitrd(release, busybox, early)

  tree.add({ path: `/boot/vmlinuz-${release}`, source: kernel.image })
  tree.add({ path: `/boot/initrd.img-${release}`, source: initrd })
  if (kernel.config !== undefined) tree.add({ path: `/boot/config-${release}`, source: kernel.config })
  const directory = `/usr/lib/modules/${release}`
  tree.add({ path: directory, directory: true })
  for (const { name, contents } of modules) tree.add({ path: `${directory}/kernel/${name}.ko`, data: contents })
  for (const file of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order']) {
    const data =
      kernel.modules === undefined ? undefined : await readFile(join(kernel.modules, file)).catch(() => undefined)
    if (data) tree.add({ path: `${directory}/${file}`, data })
  }
  const startable = architecture === architectures.amd64 ? kernel.image : await unpackedKernel(kernel.image)
  return { release, kernel: startable, initrd }
}

async function buildInitrd(
  release: string,
  busybox: string,
  modules: readonly { name: string; contents: Buffer }[],
): Promise<string> {
  const tree = new FileTree()
  for (const path of ['/dev', '/proc', '/sys', '/root', '/modules']) tree.add({ path, directory: true })
  // The kernel opens /dev/console before /init can mount anything.
  tree.add({ path: '/dev/console', device: { type: 'character', major: 5, minor: 1 } })
  tree.add({ path: '/bin/busybox', source: busybox, mode: 0o755 })
  for (const applet of stageOneApplets) tree.add({ path: `/bin/${applet}`, link: 'busybox' })
  for (const [index, { name, contents }] of modules.entries()) {
    tree.add({ path: `/modules/${String(index).padStart(2, '0')}-${name}.ko`, data: contents })
  }
  tree.add({ path: '/init', data: stageOne, mode: 0o755 })
  const key = createHash('sha256')
    .update(release)
    .update(await tree.hash())
    .digest('hex')
    .slice(0, 32)
  const directory = await cachedDirectory(join(cacheDirectory(), 'initrds', key), (unfinished) =>
    writeCpio(join(unfinished, `initrd.img-${release}`), tree.entries()),
  )
  return join(directory, `initrd.img-${release}`)
}

async function addTarball(tree: FileTree, tarball: string): Promise<void> {
  const directory = await unpackTarball(tarball)
  const manifest = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as {
    name: string
    bin?: string | Record<string, string>
  }
  const target = `/usr/lib/node_modules/${manifest.name}`
  // Hundreds of files that only compilers read: each takes a millisecond to unpack.
  await tree.addDirectory(directory, target, (path) => path.endsWith('.d.ts'))
  const bins =
    typeof manifest.bin === 'string' ? { [posix.basename(manifest.name)]: manifest.bin } : (manifest.bin ?? {})
  for (const [name, program] of Object.entries(bins)) {
    tree.add({ path: posix.join(target, program), source: join(directory, program), mode: 0o755 })
    tree.add({ path: `/usr/bin/${name}`, link: posix.relative('/usr/bin', posix.join(target, program)) })
  }
}

/**
 * dash and its libraries. busybox's own shell prefers applets to programs of the same name, in any place: a package's
 * own program would never be called.
 */
function shellFiles({ triplet, loader }: Architecture): string[] {
  const libraries = `/lib/${triplet}`
  return ['/bin/dash', `${libraries}/libc.so.6`, `${libraries}/${posix.basename(loader)}`, loader]
}

/** Whether a path of a package is one of these, or leads to one. Later suites have them below /usr. */
function leadsToShell(path: string, architecture: Architecture): boolean {
  const unmerged = path.replace(/^\/usr(?=\/|$)/, '')
  return shellFiles(architecture).some((file) => file === unmerged || file.startsWith(`${unmerged}/`))
}

/** Files that packages ship for people to read, for compiling, or to be configured with. */
function isDeadWeight(path: string): boolean {
  return /^\/usr\/share\/(doc|man|info|locale|lintian|bug|bash-completion|zsh|perl5\/Debconf)(\/|$)|^(\/usr)?\/lib\/udev\/hwdb\.d\//.test(
    path,
  )
}
