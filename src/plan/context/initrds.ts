import { throwIfAborted } from '../../abort.ts'
import type { ByteSource } from '../../bytes/bytes.ts'
import type { BootEntry } from '../../entries/model/entry.ts'
import { KexecError } from '../../errors.ts'
import { HEAD_BYTES, inspectImage } from '../../image/formats/inspect.ts'
import type { ImageInput } from '../../image/inspect/input.ts'
import { type OpenImage, openInput } from '../../image/inspect/open.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { LocatedPart } from '../../image/unpack/nested.ts'
import { MAX_BOOTCONFIG } from '../../initrd/bootconfig.ts'
import { gatherOverlays, type InitrdOverlay, type OverlayItem } from '../../initrd/overlay.ts'
import { parseOverlay } from '../../initrd/overlay-option.ts'
import { unwrapInitrd } from '../../initrd/wrapped.ts'
import { flagName, optionName } from '../../option-name.ts'
import type { System } from '../../system/system.ts'
import { formatBytes } from '../../text.ts'
import { type Choice, type PlanDecision, silent } from '../model/decision.ts'
import type { PlanOptions } from '../model/options.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { bootconfigOf, ownParts, type PlannedKernel, partName, partSource } from './kernel.ts'
import { openRunningInitrd, RUNNING, RUNNING_INITRD } from './running-initrd.ts'
import { absolute, nameOf, type Target } from './target.ts'

/** One of the archives that are joined to the initrd. */
export interface PlannedInitrd {
  /** Its path; for an archive in the kernel's file, that path, a colon and the part's name. */
  readonly path: string
  readonly size: number
  readonly image: KernelImage | null
  /** The open file, or null where it is part of the kernel's file. */
  readonly file: OpenImage | null
  /** Its bytes as they lie in the file; null where they must be unpacked first. */
  readonly source: ByteSource | null
  /** Whether the file holds more than the initrd, and so is not loaded as it is. */
  readonly isWrapped?: boolean
}

/** The chosen initrds, including those that cannot be opened. */
export interface PlannedInitrds {
  readonly paths: readonly string[]
  /** Those that were opened. */
  readonly archives: readonly PlannedInitrd[]
  /** Whether the image's own initrds are among them. */
  readonly withOwn: boolean
  /** The files that are added to them. */
  readonly overlay: readonly OverlayItem[]
  /** The data behind all of them; null for none. */
  readonly bootconfig: LocatedPart | null
}

/**
 * Chooses the initrds and opens them: those given, else the image's own (microcode first) and then the entry's. One that
 * cannot be opened becomes a refusal.
 */
export async function chooseInitrds(
  system: System,
  options: PlanOptions,
  target: Target,
  kernel: PlannedKernel,
): Promise<Choice<PlannedInitrds>> {
  const archives = await chooseArchives(system, options, target, kernel)
  try {
    const overlay = chooseOverlay(system, options)
    const bootconfig = chooseBootconfig(kernel, archives.value)
    return {
      value: { ...archives.value, overlay: overlay.value, bootconfig: bootconfig.value },
      decisions: [archives, overlay, bootconfig].flatMap(({ decisions }) => decisions),
      remarks: [archives, overlay, bootconfig].flatMap(({ remarks }) => remarks),
    }
  } catch (error) {
    closeArchives(archives.value)
    throw error
  }
}

type Archives = Omit<PlannedInitrds, 'overlay' | 'bootconfig'>

const { warning, refusal } = remarksOn('initrd')

/** Android's boot loader puts it behind the initrd, with values that only that loader knows. */
function chooseBootconfig(kernel: PlannedKernel, { withOwn }: Archives): Choice<LocatedPart | null> {
  const located = bootconfigOf(kernel)
  if (located === null) return silent(null)
  const about = remarksOn('bootconfig')
  const name = partName(kernel, located.part)
  const { length } = located.part
  const obstacle = !withOwn
    ? `the bootconfig ${name} is not passed on, as the initrd of its image is not`
    : length > MAX_BOOTCONFIG
      ? `the bootconfig ${name} has ${length} bytes, and kernels read at most ${MAX_BOOTCONFIG}`
      : null
  if (obstacle !== null)
    return { value: null, decisions: [], remarks: [about.warning('bootconfig-left-out', obstacle)] }
  const reason = 'it belongs to the image, and is placed behind the initrd'
  const text = `the bootconfig ${name} is passed on as it is: the additions of a boot loader (androidboot.slot_suffix and others) are unknown`
  return {
    value: located,
    decisions: [{ subject: 'bootconfig', choice: name, reason }],
    remarks: [about.warning('bootconfig-incomplete', text)],
  }
}

async function chooseArchives(
  system: System,
  options: PlanOptions,
  target: Target,
  kernel: PlannedKernel,
): Promise<Choice<Archives>> {
  const given = options.initrds ?? []
  if (!options.noInitrd)
    return given.length > 0
      ? givenArchives(system, options, target, kernel)
      : ownArchives(system, options, target, kernel)
  if (given.length > 0) {
    throw new KexecError(`${optionName('initrd')} and ${flagName('no-initrd')} exclude each other`, {
      reason: 'invalid-argument',
      hint: 'Give one of the two.',
      refused: true,
    })
  }
  return { value: none, decisions: [decision('none', `asked for with ${flagName('no-initrd')}`)], remarks: [] }
}

const none: Archives = { paths: [], archives: [], withOwn: false }

function decision(choice: string, reason: string): PlanDecision {
  return { subject: 'initrd', choice, reason }
}

async function givenArchives(
  system: System,
  options: PlanOptions,
  { entry }: Target,
  kernel: PlannedKernel,
): Promise<Choice<Archives>> {
  const given = options.initrds ?? []
  const others = [
    ...(ownInitrds(kernel).length > 0 ? ["the image's"] : []),
    ...(entry?.initrds.length ? ["the entry's"] : []),
  ]
  const instead = others.length > 0 ? `, in place of ${others.join(' and ')} own` : ''
  const { remarks, ...opened } = await openAll(
    system,
    given.map((input) => located(system, input)),
    options,
  )
  const decisions = [decision(given.map(nameOfInitrd).join(', '), `given with ${optionName('initrd')}${instead}`)]
  return { value: { ...opened, withOwn: false }, decisions, remarks }
}

async function ownArchives(
  system: System,
  options: PlanOptions,
  { entry, sibling }: Target,
  kernel: PlannedKernel,
): Promise<Choice<Archives>> {
  const own = ownInitrds(kernel)
  const ofEntry = entry?.initrds ?? []
  const { paths, archives, remarks } = await openAll(system, ofEntry, options)
  const value = {
    paths: [...own.map(({ path }) => path), ...paths],
    archives: [...own, ...archives],
    withOwn: own.length > 0,
  }
  const isForgotten = value.paths.length === 0 && sibling !== null && sibling.initrds.length > 0
  return {
    value,
    decisions: [decide(value, ofEntry.length)],
    remarks: isForgotten ? [...remarks, withoutItsInitrd(options, kernel, sibling)] : remarks,
  }
}

/** Nobody installs a kernel with an initrd to boot it without one. Whoever means it must say so. */
function withoutItsInitrd(options: PlanOptions, { file }: PlannedKernel, { id, initrds }: BootEntry): Remark {
  // kexec(8) loads the named files and nothing else.
  if (options.exactCommandLine !== undefined) {
    return warning('initrd-not-loaded', `no initrd was named, but ${initrds.join(' and ')} belongs to this kernel`)
  }
  const named = optionName('initrd', ...initrds)
  return refusal(
    new KexecError(`this is the kernel of the entry '${id}', and no initrd was named with it`, {
      reason: 'no-initrd',
      path: file.path,
      hint: `Load the entry with its initrd: linux-kexec load '${id}'. Or add ${named}, or ${flagName('no-initrd')} to load it without one.`,
      refused: true,
    }),
  )
}

/** The files that are added to the initrd. One that cannot be added becomes a refusal. */
export function chooseOverlay(
  system: System,
  { overlay = [] }: Pick<PlanOptions, 'overlay'>,
): Choice<readonly OverlayItem[]> {
  if (overlay.length === 0) return silent([])
  const located = overlay.map((each) => locatedOverlay(system, each))
  const remarks: Remark[] = []
  const items = gatherOverlays(system, located, (error) => remarks.push(remarksOn('overlay').refusal(error)))
  if (items.length === 0) return { value: items, decisions: [], remarks }
  const size = items.reduce((sum, { content }) => sum + content.size, 0)
  const shown = items.slice(0, 3).map(({ path }) => path)
  const more = items.length > shown.length ? ` and ${items.length - shown.length} more` : ''
  const choice = `${shown.join(', ')}${more}, ${formatBytes(size)}`
  const reason = `given with ${optionName('overlay')}, laid over the initrd in memory`
  return { value: items, decisions: [{ subject: 'overlay', choice, reason }], remarks }
}

function locatedOverlay(system: System, overlay: InitrdOverlay | string): InitrdOverlay {
  const isThere = (path: string) => system.exists(absolute(system, path))
  const { source, ...rest } = typeof overlay === 'string' ? parseOverlay(overlay, isThere) : overlay
  return { ...rest, source: typeof source === 'string' ? absolute(system, source) : source }
}

function decide({ paths, withOwn }: Archives, ofEntry: number): PlanDecision {
  const [subject, owners] = [paths.length > 1 ? 'they belong' : 'it belongs', withOwn ? 'image' : 'entry']
  const whose = withOwn && ofEntry > 0 ? "the image's own, then the entry's" : `${subject} to the ${owners}`
  return paths.length === 0 ? decision('none', 'none was found or named') : decision(paths.join(', '), whose)
}

function ownInitrds(kernel: PlannedKernel): PlannedInitrd[] {
  if (kernel.unified !== null) {
    return kernel.unified.initrds.map(({ name, source }) => ({
      path: name,
      size: source.size,
      image: inspectImage(source.read(0, HEAD_BYTES), source.size),
      file: null,
      source,
    }))
  }
  return ownParts(kernel, 'microcode', 'initrd').map((part) => {
    const source = partSource(kernel, part)
    const image = source === undefined ? null : inspectImage(source.read(0, HEAD_BYTES), source.size)
    return { path: partName(kernel, part), size: part.length, image, file: null, source: source ?? null }
  })
}

export function closeArchives({ archives }: Pick<PlannedInitrds, 'archives'>): void {
  for (const { file } of archives) file?.close()
}

/** A path becomes absolute, so that RUNNING remains distinct. */
function located(system: System, input: ImageInput): ImageInput {
  return typeof input === 'string' && input !== RUNNING ? absolute(system, input) : input
}

function nameOfInitrd(input: ImageInput): string {
  return input === RUNNING ? RUNNING_INITRD : nameOf(input)
}

function openInitrd(system: System, input: ImageInput, signal: AbortSignal | undefined): Promise<OpenImage> {
  return input === RUNNING ? openRunningInitrd(system, signal) : openInput(system, input, { name: 'initrd', signal })
}

async function openAll(
  system: System,
  inputs: readonly ImageInput[],
  options: Pick<PlanOptions, 'signal' | 'tryAnyway'>,
): Promise<Pick<Archives, 'paths' | 'archives'> & { readonly remarks: Remark[] }> {
  const { signal } = options
  const paths: string[] = []
  const archives: PlannedInitrd[] = []
  const remarks: Remark[] = []
  try {
    for (const input of inputs) {
      paths.push(nameOfInitrd(input))
      try {
        const file = await openInitrd(system, input, signal)
        const opened = { path: file.path, size: file.size, image: file.image, file, source: file.source }
        archives.push(opened)
        const unwrapped = await unwrap(file, options)
        if (unwrapped === null) continue
        archives.splice(-1, 1, { ...opened, ...unwrapped.value })
        remarks.push(...unwrapped.remarks)
      } catch (error) {
        if (!(error instanceof KexecError) || error.reason === 'aborted') throw error
        remarks.push(refusal(error))
      }
    }
  } catch (error) {
    closeArchives({ archives })
    throw error
  }
  return { paths, archives, remarks }
}

/** Takes U-Boot's header off, as U-Boot does. @returns null for a file that has none */
async function unwrap(
  { source, path, image }: OpenImage,
  { signal, tryAnyway }: Pick<PlanOptions, 'signal' | 'tryAnyway'>,
): Promise<Choice<Partial<PlannedInitrd>> | null> {
  const wrapped = await unwrapInitrd(source, () => throwIfAborted(signal))
  if (wrapped === null) return null
  const { source: inside, problems } = wrapped
  const { size } = inside
  const value = { source: inside, size, image: inspectImage(inside.read(0, HEAD_BYTES), size), isWrapped: true }
  if (problems.length === 0) return silent(value)
  const summary = `this is ${image.description}, damaged: ${problems.join('; ')}`
  const hint = 'Copy or make it again (mkimage -T ramdisk, flash-kernel).'
  const remark = tryAnyway
    ? warning('damaged-image', `${path}: ${summary}: it is loaded anyway`)
    : refusal(new KexecError(summary, { reason: 'damaged-image', path, hint, refused: true }))
  return { value, decisions: [], remarks: [remark] }
}
