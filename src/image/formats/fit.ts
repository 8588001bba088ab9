import { type ByteSource, partOf } from '../../bytes/bytes.ts'
import { childOf, numberOf, stringOf, stringsOf } from '../../device-tree/look-up.ts'
import { type ListedNode, listDeviceTree } from '../../device-tree/read.ts'
import {
  type Contents,
  contentsOf,
  type ImageConfiguration,
  type ImageFormat,
  type ImagePart,
  type ImagePartChoice,
  imagePart,
  type KernelImage,
  type Listing,
  magicAt,
  misplaced,
  type PartHash,
  type PartKind,
  unknownImage,
} from '../model/image.ts'

/** Configurations and the parts each names. */
const MAX_PARTS = 256

/**
 * U-Boot's flattened image tree: the "Flat Image Tree Specification", fitspec.osfw.foundation. A bare device tree is
 * distinguished from it.
 */
export const fit: ImageFormat = {
  name: 'FIT or DTB',
  recognise: (head) => magicAt(head, 0, '\xd0\x0d\xfe\xed') && head.length >= 40,
  inspect(head, source) {
    const size = head.readUInt32BE(4)
    const device: KernelImage = {
      ...unknownImage,
      format: 'FIT or DTB',
      description: 'a device tree or FIT image',
      minimumSize: size,
    }
    const tree = source === undefined ? undefined : listDeviceTree(source)
    if (tree === undefined) return device
    if (typeof tree === 'string') return { ...device, problems: [`its device tree ${tree}`] }
    if (childOf(tree, 'images') === undefined) {
      const model = stringOf(tree, 'model')
      const description = `a device tree${model === undefined ? '' : ` of "${model}"`}`
      return { ...device, format: 'device tree', description }
    }
    const description = stringOf(tree, 'description')
    const created = numberOf(tree, 'timestamp')
    return {
      ...device,
      format: 'FIT',
      description: `a FIT image${description ? ` "${description}"` : ''}${kernelOf(tree)}`,
      facts: [
        ...(description ? [{ name: 'description', value: description }] : []),
        ...(created === undefined ? [] : [{ name: 'created', value: instant(created) }]),
      ],
    }
  },
  unpack,
  list,
}

/** A special feature of its kernels, as the end of its description: it has none, or they cannot be read here. */
function kernelOf(tree: ListedNode): string {
  const kernels = childOf(tree, 'images')?.children.filter(isKernel) ?? []
  if (kernels.length === 0) return ', which holds no kernel'
  const [cipher] = kernels.map(cipherOf)
  if (cipher == null || kernels.some((kernel) => cipherOf(kernel) === null)) return ''
  return `, whose kernel is encrypted (${cipher}): only the boot loader has the key`
}

/** All its images and configurations, for every choice. */
function list(source: ByteSource): Listing {
  const tree = listDeviceTree(source)
  const images = typeof tree === 'string' ? undefined : childOf(tree, 'images')
  if (typeof tree === 'string' || images === undefined) return { parts: [], configurations: [] }
  const reader = new FitReader(source, images)
  for (const image of images.children.slice(0, MAX_PARTS)) {
    reader.add(kinds.get(stringOf(image, 'type') ?? '') ?? 'other', image.name)
  }
  const known = new Map<string, string[]>()
  const preferred = choose(source, tree, {})
  const configurations = configurationsOf(tree).map((node) => ({
    ...configuration(node),
    isDefault: node === preferred,
    compatible: compatibleOf(source, tree, node, known),
  }))
  return { parts: reader.parts, configurations }
}

/** Values of `type`: "Image types" of the specification. */
const kinds = new Map<string, PartKind>([
  ['kernel', 'kernel'],
  ['kernel_noload', 'kernel'],
  ['ramdisk', 'initrd'],
  ['flat_dt', 'device-tree'],
])

function configuration(node: ListedNode): Omit<ImageConfiguration, 'isDefault' | 'compatible'> {
  const parts = ['kernel', 'firmware', 'ramdisk', 'fdt', 'loadables', 'fpga', 'script']
  const signatures = node.children.filter(({ name }) => /^signature(?:[-@]|$)/.test(name)).slice(0, 16)
  return {
    name: node.name,
    description: stringOf(node, 'description') || null,
    parts: parts.flatMap((property) => stringsOf(node, property).filter(Boolean)).slice(0, MAX_PARTS),
    commandLine: stringOf(node, 'bootargs') ?? null,
    signatures: signatures.map((each) => {
      const key = stringOf(each, 'key-name-hint')
      return `${stringOf(each, 'algo') ?? 'unknown'}${key ? ` by the key ${key}` : ''}`
    }),
  }
}

function configurationsOf(tree: ListedNode): readonly ListedNode[] {
  return childOf(tree, 'configurations')?.children.slice(0, MAX_PARTS) ?? []
}

function instant(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString()
}

function unpack(source: ByteSource, choice: ImagePartChoice): Contents {
  const tree = listDeviceTree(source)
  if (typeof tree === 'string') return contentsOf([], [`its device tree ${tree}`])
  const images = childOf(tree, 'images')
  if (images === undefined) return contentsOf([], ['it is a device tree, not a FIT image'])
  const configurations = configurationsOf(tree)
  const reader = new FitReader(source, images)
  const wanted = choose(source, tree, choice)
  if (typeof wanted === 'string') {
    return { ...contentsOf([], [wanted]), choices: configurations.map(({ name }) => name) }
  }
  const names = (property: string) => (wanted === undefined ? [] : stringsOf(wanted, property).filter(Boolean))
  reader.add('kernel', wanted === undefined ? firstKernel(images) : kernelNamed(images, names))
  for (const name of names('ramdisk').slice(0, MAX_PARTS)) reader.add('initrd', name)
  for (const [index, name] of names('fdt').slice(0, MAX_PARTS).entries()) {
    reader.add(index === 0 ? 'device-tree' : 'device-tree-overlay', name)
  }
  // A list that names one ramdisk a hundred times would fill the memory.
  if (reader.parts.reduce((sum, { length }) => sum + length, 0) > source.size) {
    reader.problems.push('the parts that its configuration names overlap')
  }
  return {
    parts: reader.parts,
    commandLine: stringOf(wanted, 'bootargs') ?? null,
    choices: configurations.map(({ name }) => name),
    chosen: wanted?.name ?? null,
    problems: reader.problems,
  }
}

function firstKernel(images: ListedNode): string | undefined {
  return images.children.find(isKernel)?.name
}

/**
 * Firmware that runs before Linux stands as `firmware`, and Linux is then among the `loadables`: SPL's way of booting.
 */
function kernelNamed(images: ListedNode, names: (property: string) => string[]): string | undefined {
  const [kernel] = names('kernel')
  if (kernel !== undefined) return kernel
  return [...names('firmware'), ...names('loadables')]
    .slice(0, MAX_PARTS)
    .find((name) => isKernel(childOf(images, name)))
}

function isKernel(image: ListedNode | undefined): boolean {
  return kinds.get(stringOf(image, 'type') ?? '') === 'kernel'
}

/**
 * @returns the configuration; undefined where there is none; or the fault, in words
 */
function choose(source: ByteSource, tree: ListedNode, choice: ImagePartChoice): ListedNode | string | undefined {
  const configurations = configurationsOf(tree)
  const named = (name: string) => configurations.find((each) => each.name === name)
  if (choice.configuration !== undefined) {
    return named(choice.configuration) ?? `it has no configuration ${choice.configuration}`
  }
  if (choice.compatible !== undefined && choice.compatible.length > 0) {
    // Hundreds of configurations may name one large device tree.
    const known = new Map<string, string[]>()
    const offered = configurations.map((each) => compatibleOf(source, tree, each, known))
    for (const machine of choice.compatible) {
      const index = offered.findIndex((compatible) => compatible.includes(machine))
      if (index >= 0) return configurations[index]
    }
  }
  const preferred = stringOf(childOf(tree, 'configurations'), 'default')
  if (preferred === undefined) return configurations[0]
  return named(preferred) ?? `its default configuration ${preferred} does not exist`
}

/**
 * A configuration's own list, else that of its device tree, which only an uncompressed one inside the tree shows.
 * @param known those of device trees that were read already, by name
 */
function compatibleOf(
  source: ByteSource,
  tree: ListedNode,
  configuration: ListedNode,
  known: Map<string, string[]>,
): string[] {
  const own = stringsOf(configuration, 'compatible')
  if (own.length > 0) return own
  const name = stringOf(configuration, 'fdt') ?? ''
  const compatible = known.get(name) ?? compatibleOfTree(source, childOf(childOf(tree, 'images'), name))
  known.set(name, compatible)
  return compatible
}

function compatibleOfTree(source: ByteSource, image: ListedNode | undefined): string[] {
  const property = image?.properties.get('data')
  if (property === undefined || (stringOf(image, 'compression') ?? 'none') !== 'none') return []
  const inner = listDeviceTree(partOf(source, property.offset, property.length))
  return typeof inner === 'string' ? [] : stringsOf(inner, 'compatible')
}

/** `mkimage -K` encrypts: doc/usage/fit/signature.rst of U-Boot, "Data encryption". */
function cipherOf(image: ListedNode): string | null {
  const cipher = image.children.find(({ name }) => /^cipher(?:[-@]|$)/.test(name))
  return cipher === undefined ? null : stringOf(cipher, 'algo') || 'an unknown cipher'
}

class FitReader {
  readonly parts: ImagePart[] = []
  readonly problems: string[] = []
  readonly #source: ByteSource
  readonly #images: ListedNode
  readonly #externalStart: number

  /**
   * @param source a file whose header was read successfully
   */
  constructor(source: ByteSource, images: ListedNode) {
    this.#source = source
    this.#images = images
    this.#externalStart = Math.ceil(source.read(4, 4).readUInt32BE(0) / 4) * 4
  }

  add(kind: PartKind, name: string | undefined): void {
    if (name === undefined) return
    const image = childOf(this.#images, name)
    if (image === undefined) {
      this.problems.push(`its configuration names ${name}, which it does not hold`)
      return
    }
    const place = this.#place(image)
    if (place === undefined) {
      this.problems.push(`its part ${name} has no content`)
      return
    }
    const compression = stringOf(image, 'compression') ?? 'none'
    const part = imagePart({
      kind,
      name,
      description: stringOf(image, 'description') || null,
      ...place,
      compression: compression === 'none' || kind === 'initrd' ? null : compression,
      encryption: cipherOf(image),
      hashes: this.#hashes(image),
      compatible: stringsOf(image, 'compatible'),
    })
    const problem = misplaced(part, this.#source.size)
    if (problem === undefined) this.parts.push(part)
    else this.problems.push(problem)
  }

  /** In U-Boot's order: fit_image_get_data_and_size() of boot/image-fit.c. */
  #place(image: ListedNode): { offset: number; length: number } | undefined {
    const length = numberOf(image, 'data-size')
    const position = numberOf(image, 'data-position')
    const offset = numberOf(image, 'data-offset')
    if (length !== undefined && position !== undefined) return { offset: position, length }
    if (length !== undefined && offset !== undefined) return { offset: this.#externalStart + offset, length }
    const inside = image.properties.get('data')
    return inside === undefined ? undefined : { offset: inside.offset, length: inside.length }
  }

  #hashes(image: ListedNode): PartHash[] {
    const hashes: PartHash[] = []
    for (const node of image.children.filter(({ name }) => /^hash(?:[-@]|$)/.test(name)).slice(0, 16)) {
      const value = node.properties.get('value')?.value
      const name = stringOf(node, 'algo')
      if (value === undefined) continue
      if (name === undefined) this.problems.push(`a hash of ${image.name} does not say what it is`)
      else hashes.push({ algorithm: name, digest: value.toString('hex') })
    }
    return hashes
  }
}
