import { type ByteSource, memoryBytes } from './bytes.ts'
import { type Fdt, type FdtNode, type FdtValue, fdtNumber, fdtText, readFdt } from './fdt.ts'
import { type ImageFormat, magicAt, unknownImage } from './image.ts'

/** One image in a FIT: a kernel, a RAM disk, a device tree, … */
export interface FitImage {
  readonly name: string
  readonly description: string | null
  /** 'kernel', 'ramdisk', 'flat_dt', … as the FIT has it. */
  readonly type: string | null
  readonly os: string | null
  /** As `uname -m` prints it; as the FIT has it when that is not known. */
  readonly architecture: string | null
  /** Null when it is not compressed. */
  readonly compression: string | null
  /** Where its bytes are in the file; null when the FIT does not tell or the file ends before. */
  readonly content: FdtValue | null
}

/** What boots together. */
export interface FitConfiguration {
  readonly name: string
  readonly description: string | null
  readonly kernel: string | null
  readonly ramdisk: string | null
  readonly deviceTree: string | null
}

/** A U-Boot FIT image: Flattened Image Tree specification. */
export interface Fit {
  readonly description: string | null
  readonly images: readonly FitImage[]
  readonly configurations: readonly FitConfiguration[]
  /** Name of the default configuration, which need not exist. */
  readonly defaultConfiguration: string | null
  readonly problems: readonly string[]
}

/** FIT images and plain device trees: told from each other by the node `images`, which a FIT begins with. */
export const fitOrDeviceTree: ImageFormat = {
  name: 'FIT or DTB',
  recognise: (head) => magicAt(head, 0, '\xd0\x0d\xfe\xed'),
  inspect(head) {
    const tree = readFdt(memoryBytes(head))
    const isFit = tree !== undefined && childOf(tree.root, 'images') !== undefined
    return {
      ...unknownImage,
      format: isFit ? 'FIT' : 'FIT or DTB',
      description: isFit ? 'a U-Boot FIT image' : 'a device tree or FIT image',
      minimumSize: tree?.size ?? null,
    }
  },
}

/** Undefined when `source` is no FIT: no device tree at all, or one without images. Bounded as readFdt() is. */
export function readFit(source: ByteSource): Fit | undefined {
  const tree = readFdt(source)
  const images = tree && childOf(tree.root, 'images')
  if (tree === undefined || images === undefined) return undefined
  const configurations = childOf(tree.root, 'configurations')
  const text = (node: FdtNode | undefined, name: string) => fdtText(source, node?.properties.get(name)) ?? null
  const found: Fit = {
    description: text(tree.root, 'description'),
    images: images.children.map((node) => readImage(source, tree, node)),
    configurations: (configurations?.children ?? []).map((node) => ({
      name: node.name,
      description: text(node, 'description'),
      kernel: text(node, 'kernel'),
      ramdisk: text(node, 'ramdisk'),
      deviceTree: text(node, 'fdt'),
    })),
    defaultConfiguration: text(configurations, 'default'),
    problems: tree.problem === null ? [] : [`its tree is damaged: ${tree.problem}`],
  }
  return { ...found, problems: [...found.problems, ...problemsOf(found)] }
}

function readImage(source: ByteSource, tree: Fdt, node: FdtNode): FitImage {
  const text = (name: string) => fdtText(source, node.properties.get(name)) ?? null
  const [architecture, compression] = [text('arch'), text('compression')]
  const content = contentOf(source, tree, node)
  return {
    name: node.name,
    description: text('description'),
    type: text('type'),
    os: text('os'),
    architecture: architecture === null ? null : (architectures.get(architecture) ?? architecture),
    compression: compression === 'none' ? null : compression,
    content: content !== undefined && content.offset + content.size <= source.size ? content : null,
  }
}

/** Inside the tree, or behind it (`mkimage -E`), counted from its end filled up to four bytes, or from the file's start. */
function contentOf(source: ByteSource, tree: Fdt, node: FdtNode): FdtValue | undefined {
  const inside = node.properties.get('data')
  if (inside !== undefined) return inside
  const number = (name: string) => fdtNumber(source, node.properties.get(name))
  const [size, position, offset] = [number('data-size'), number('data-position'), number('data-offset')]
  if (size === undefined) return undefined
  if (position !== undefined) return { offset: position, size }
  return offset === undefined ? undefined : { offset: Math.ceil(tree.size / 4) * 4 + offset, size }
}

function problemsOf(fit: Fit): string[] {
  const images = new Set(fit.images.map(({ name }) => name))
  const missing = (fit.configurations ?? []).flatMap(({ name, kernel, ramdisk, deviceTree }) =>
    [kernel, ramdisk, deviceTree]
      .filter((image) => image !== null && !images.has(image))
      .map((image) => `configuration ${name} names the image ${image}, which it does not have`),
  )
  const chosen = fit.defaultConfiguration
  const isThere = chosen === null || fit.configurations.some(({ name }) => name === chosen)
  const cut = fit.images.filter(({ content }) => content === null)
  return [
    ...(isThere ? [] : [`its default configuration ${chosen} does not exist`]),
    ...missing,
    ...cut.map(({ name }) => `the bytes of image ${name} are not in the file`),
  ]
}

function childOf(node: FdtNode, name: string): FdtNode | undefined {
  return node.children.find((child) => child.name === name)
}

/** Names of U-Boot's `mkimage -A`. */
const architectures: ReadonlyMap<string, string> = new Map([
  ['arm64', 'aarch64'],
  ['arm', 'armv7l'],
  ['x86', 'i386'],
  ['x86_64', 'x86_64'],
  ['riscv', 'riscv64'],
  ['powerpc', 'ppc'],
  ['mips64', 'mips64'],
  ['mips', 'mips'],
  ['s390', 's390x'],
])
