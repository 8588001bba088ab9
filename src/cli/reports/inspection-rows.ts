import { canDecompress } from '../../compression/decompress.ts'
import type { Inspection } from '../../image/inspect/inspection.ts'
import type { IntegrityCheck } from '../../image/inspect/integrity.ts'
import type { ImagePart, KernelImage } from '../../image/model/image.ts'
import type { SetupHeader } from '../../image/model/setup-header.ts'
import { formatBytes } from '../../text.ts'
import type { Group, Row } from './rows.ts'
import { signatureGroups } from './signature-rows.ts'

/** All facts of an inspection, for people; groups without rows are not shown. */
export function inspectionGroups(inspection: Inspection): Group[] {
  const { kernel, nested } = inspection
  return [
    { heading: 'Problems', rows: problemRows(inspection) },
    { heading: 'File', rows: fileRows(inspection) },
    { heading: 'Nesting', rows: nestingRows(inspection) },
    ...(nested.length === 1 ? [] : nested.slice(0, -1).map((image, layer) => containerGroup(inspection, image, layer))),
    { heading: nested.length === 1 ? 'Image' : `Inside: ${kernel.format}`, rows: kernelRows(inspection) },
    { heading: 'Setup header', rows: kernel.setupHeader === null ? [] : setupRows(kernel.setupHeader) },
    { heading: 'Checks', rows: checkRows(inspection) },
    ...signatureGroups(inspection),
  ]
}

function problemRows({ nested, damage }: Inspection): Row[] {
  const others = nested
    .flatMap(({ problems }) => problems)
    .filter((problem) => !damage.some((each) => each.endsWith(problem)))
  return [...damage, ...new Set(others)].map((problem) => ['problem', problem])
}

function fileRows({ path, size, nested, engine, kernelSize }: Inspection): Row[] {
  return [
    ['path', path],
    ['size', formatBytes(size)],
    ['unpacked', kernelSize === null || nested.length === 1 ? null : formatBytes(kernelSize)],
    ['engine', `${engine.engine}: ${engine.reason}`],
  ]
}

/** One line for each layer, the file itself first. */
function nestingRows({ nested, parts }: Inspection): Row[] {
  if (nested.length === 1) return []
  return nested.map(({ format }, layer) => {
    const holder = parts.find((part) => part.layer === layer - 1 && part.kind === 'kernel')
    const packed = holder?.compression == null ? '' : `, ${holder.compression}`
    return [String(layer + 1), holder === undefined ? format : `${format}, from its part ${holder.name}${packed}`]
  })
}

function kernelRows({ kernel, nested }: Inspection): Row[] {
  const innermost = nested.at(-1) as KernelImage
  return [
    ['is', kernel.description],
    ['architecture', kernel.architecture],
    ['version', kernel.version],
    ['built', kernel.versionString],
    ['compression', compressionText(kernel)],
    ['memory needed', kernel.memoryNeeded === null ? null : formatBytes(kernel.memoryNeeded)],
    ['command line', kernel.maxCommandLine === null ? null : `at most ${kernel.maxCommandLine} bytes`],
    ['relocatable', yesOrNo(kernel.relocatable)],
    ['EFI stub', efiText(kernel)],
    ['page size', kernel.pageSize === null ? null : formatBytes(kernel.pageSize)],
    ['byte order', kernel.byteOrder === null ? null : `${kernel.byteOrder}-endian`],
    ...innermost.facts.map(({ name, value }): Row => [name, value]),
  ]
}

function compressionText({ compression, setupHeader }: KernelImage): string | null {
  const payload = setupHeader?.payload
  if (compression === null || payload == null) return compression
  const unpacked = payload.unpackedSize === null ? '' : `, unpacks to ${formatBytes(payload.unpackedSize)}`
  return `${compression}, ${formatBytes(payload.length)}${unpacked}`
}

function efiText({ efiStub, setupHeader, bootable }: KernelImage): string | null {
  if (efiStub === null) return setupHeader !== null || bootable ? 'none' : null
  const { bits, handover } = efiStub
  if (handover.length === 0) return `${bits} bits`
  return `${bits} bits, handover protocol for firmware of ${handover.join(' and ')} bits`
}

function yesOrNo(value: boolean | null): string | null {
  return value === null ? null : value ? 'yes' : 'no'
}

function setupRows(header: SetupHeader): Row[] {
  const number = (value: number | null) => (value === null ? null : `0x${value.toString(16)}`)
  const bytes = (value: number | null) => (value === null ? null : formatBytes(value))
  return [
    ['boot protocol', header.protocol],
    ['flags', [...header.loadFlags, ...header.extendedLoadFlags].join(', ') || null],
    ['alignment', bytes(header.kernelAlignment)],
    ['least alignment', bytes(header.minimumAlignment)],
    ['preferred address', number(header.preferredAddress)],
    ['initrd up to', number(header.initrdAddressMaximum)],
    ['setup data', header.setupTypeMaximum === null ? null : `types up to ${header.setupTypeMaximum}`],
  ]
}

/** The kernel's containers: their facts, their parts, and their choices. */
function containerGroup(inspection: Inspection, image: KernelImage, layer: number): Group {
  const parts = inspection.parts.filter((part) => part.layer === layer)
  const configurations = inspection.configurations.filter((each) => each.layer === layer)
  const isWrapping = parts.length === 1 && parts[0]?.hashes.length === 0
  return {
    heading: layer === 0 ? 'Container' : `Inside: ${image.format}`,
    rows: [
      ['is', image.description],
      ['EFI stub', image.efiStub === null ? null : efiText(image)],
      ...image.facts.filter(({ name }) => name !== 'sections').map(({ name, value }): Row => [name, value]),
      ...(isWrapping
        ? []
        : parts.map(
            (part): Row => [
              'part',
              partText(
                part,
                inspection.checks.filter((check) => check.layer === layer),
              ),
            ],
          )),
      ...configurations.flatMap(configurationRows),
      ['command line', layer === 0 ? inspection.commandLine : null],
    ],
  }
}

function partText(part: ImagePart, checks: readonly IntegrityCheck[]): string {
  const own = checks.filter((check) => check.part === part.name)
  const words = [
    `${part.name}: ${part.kind === 'other' ? '' : `${part.kind}, `}${formatBytes(part.length)}`,
    part.compression,
    part.description === null ? null : `"${part.description}"`,
    part.compatible.length === 0 ? null : `for ${part.compatible.join(', ')}`,
    ...own.filter(({ by }) => by !== part.compression).map(({ by, passed }) => `${by} ${resultText(by, passed)}`),
  ]
  return words.filter((word) => word !== null).join(', ')
}

function configurationRows({
  name,
  description,
  isDefault,
  parts,
  compatible,
  commandLine,
  signatures,
}: Inspection['configurations'][number]): Row[] {
  const words = [
    `${name}${description === null || description === '' ? '' : ` "${description}"`}${isDefault ? ' (default)' : ''}: ${parts.join(', ')}`,
    compatible.length === 0 ? null : `for ${compatible.join(', ')}`,
    commandLine === null ? null : `command line "${commandLine}"`,
    signatures.length === 0 ? null : `signed with ${signatures.join('; ')} (not verified)`,
  ]
  return [['choice', words.filter((word) => word !== null).join('; ')]]
}

function checkRows({ checks, nested }: Inspection): Row[] {
  return checks.map(({ layer, part, by, passed, problem }) => {
    const of = part ?? nested[layer]?.format ?? 'file'
    const why = passed === null && problem !== null ? `: ${problem}` : ''
    return [
      by,
      `${nested.length === 1 || part === null ? '' : `${nested[layer]?.format}, `}${of}: ${resultText(by, passed)}${why}`,
    ]
  })
}

function resultText(by: string, passed: boolean | null): string {
  if (passed === null) return 'not verified'
  if (canDecompress(by)) return passed ? 'unpacks' : 'DAMAGED'
  return passed ? 'verified' : 'WRONG'
}
