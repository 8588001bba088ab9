import { join } from 'node:path'
import { present } from './cache.ts'
import { DebianMirror, type Progress } from './debian.ts'
import { execute, ProvisionError } from './process.ts'

/** A kernel as files of the host. From a mirror, or your own build: then only `release` and `image` are needed. */
export interface Kernel {
  /** What `uname -r` prints under it. */
  readonly release: string
  /** The bzImage. */
  readonly image: string
  /** Its .config. */
  readonly config?: string
  /** Its lib/modules/RELEASE folder. Without one, virtio_pci and virtio_blk must be built in. */
  readonly modules?: string
}

export interface NewestKernelsOptions {
  /** How many, default 2. */
  readonly count?: number
  /** 'cloud' (default; small, boots fast) or 'standard', the kernel of an ordinary Debian machine. */
  readonly flavour?: 'cloud' | 'standard'
  readonly progress?: Progress
  /** Look at the mirror now, even if its package lists are less than a day old. */
  readonly refresh?: boolean
}

/**
 * The newest signed Debian kernels of the machine's own suite (security included), found by search: the newest of each of
 * the newest upstream series (6.12, 6.1, …); where there are fewer series than asked for, the next newest of any.
 * Downloaded once and cached.
 * @returns oldest first, so that the last one is what an upgrade would boot.
 * @throws ProvisionError when the mirror has fewer, or cannot be reached and nothing is cached.
 */
export async function newestKernels(options: NewestKernelsOptions = {}): Promise<Kernel[]> {
  const { count = 2, flavour = 'cloud', progress, refresh = false } = options
  const mirror = await DebianMirror.open({ progress, refresh })
  const architecture = (await execute('dpkg', ['--print-architecture'])).toString().trim()
  const pattern = new RegExp(
    `^linux-image-(\\d+\\.\\d+\\.\\d[^-]*(?:-\\d[^-]*)?)-${flavour === 'cloud' ? 'cloud-' : ''}${architecture}$`,
  )
  const versions = (await mirror.packageNames('linux-image-')).flatMap((name) => pattern.exec(name)?.[1] ?? [])
  const chosen = newestOfEachSeries(await sortVersions(versions), count)
  if (chosen.length < count) {
    throw new ProvisionError(
      `the Debian mirror has ${chosen.length} ${flavour} kernels for ${architecture}, not ${count}`,
    )
  }
  const suffix = `-${flavour === 'cloud' ? 'cloud-' : ''}${architecture}`
  const kernels: Kernel[] = []
  for (const version of chosen) kernels.push(await fetchKernel(mirror, version + suffix))
  return kernels
}

/**
 * Chooses `count` versions: one of each upstream series, the newest series first; then the next newest of any.
 * @param ascending versions, oldest first; the choice has the same order.
 */
export function newestOfEachSeries(ascending: readonly string[], count: number): string[] {
  const newestFirst = [...ascending].reverse()
  const series = (version: string) => /^\d+\.\d+/.exec(version)?.[0]
  const leaders = newestFirst.filter(
    (version, index) => newestFirst.findIndex((other) => series(other) === series(version)) === index,
  )
  const others = newestFirst.filter((version) => !leaders.includes(version))
  const chosen = new Set([...leaders, ...others].slice(0, count))
  return ascending.filter((version) => chosen.has(version))
}

/** Sorts by Debian's own order, oldest first. */
async function sortVersions(versions: readonly string[]): Promise<string[]> {
  const sorted: string[] = []
  for (const version of versions) {
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (await isOlder(version, sorted[middle] as string)) high = middle
      else low = middle + 1
    }
    sorted.splice(low, 0, version)
  }
  return sorted
}

async function isOlder(a: string, b: string): Promise<boolean> {
  return execute('dpkg', ['--compare-versions', a, 'lt', b]).then(
    () => true,
    () => false,
  )
}

async function fetchKernel(mirror: DebianMirror, release: string): Promise<Kernel> {
  const names = [`linux-image-${release}`]
  // From 7.x on the image package is a shell around linux-binary-V, linux-base-V and linux-modules-V.
  for (const name of await mirror.dependencies(names[0] as string)) {
    if (name.endsWith(`-${release}`) && /^linux-(binary|base|modules)-/.test(name)) names.push(name)
  }
  const folders = (await mirror.fetch(names, { dependencies: false })).map(({ folder }) => folder)
  const find = async (...paths: string[]) => {
    for (const path of paths.flatMap((path) => folders.map((folder) => join(folder, path)))) {
      if (await present(path)) return path
    }
    return undefined
  }
  const modulesFolders = [`lib/modules/${release}`, `usr/lib/modules/${release}`]
  const image = await find(`boot/vmlinuz-${release}`, ...modulesFolders.map((folder) => `${folder}/vmlinuz`))
  const config = await find(`boot/config-${release}`, ...modulesFolders.map((folder) => `${folder}/config`))
  const drivers = await find(...modulesFolders.map((folder) => `${folder}/kernel`))
  if (image === undefined)
    throw new ProvisionError(`the packages of kernel ${release} hold no kernel: ${names.join(', ')}`)
  return {
    release,
    image,
    ...(config !== undefined && { config }),
    ...(drivers !== undefined && { modules: join(drivers, '..') }),
  }
}
