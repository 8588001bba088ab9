import { formatAddress, type PlannedSegment } from '../engine/layout/segments/segment.ts'
import type { KexecError } from '../errors.ts'
import type { OpenImage } from '../image/inspect/open.ts'
import type { KernelImage } from '../image/model/image.ts'
import { formatBytes, oneLine } from '../text.ts'
import type { PlannedInitrd } from './context/initrds.ts'
import type { PlanDecision } from './model/decision.ts'
import type { PlanWarning, UncheckedFact } from './model/remark.ts'

/** One line of a plan as people read it: its text and its subject; '' where the subject is that of the line before. */
export interface Explanation {
  readonly label: string
  readonly text: string
}

/** Columns between the start of a label and its text. */
export const LABEL_COLUMNS = 14

/** The part of a plan that is shown. */
export interface ExplainedPlan {
  readonly kernel: Pick<OpenImage, 'size'>
  readonly image: KernelImage
  readonly nested: readonly KernelImage[]
  readonly initrds: readonly PlannedInitrd[]
  readonly segments: readonly PlannedSegment[] | null
  readonly decisions: readonly PlanDecision[]
  readonly warnings: readonly PlanWarning[]
  readonly refusals: readonly KexecError[]
  readonly unchecked: readonly UncheckedFact[]
}

/**
 * A plan for people: each choice with its reason below it, then warnings, refusals with their remedy, and unchecked
 * facts.
 */
export function explain(plan: ExplainedPlan): string {
  return explanations(plan)
    .map(({ label, text }) => oneLine(label.padEnd(LABEL_COLUMNS) + text))
    .join('\n')
}

/** The lines of `explain`, to be laid out. */
export function explanations(plan: ExplainedPlan): Explanation[] {
  const lines = plan.decisions.flatMap((decision) => decisionLines(plan, decision))
  for (const { text } of plan.warnings) lines.push({ label: 'warning:', text })
  for (const { summary, path, hint } of plan.refusals) {
    lines.push({ label: 'refused:', text: path === undefined ? summary : `${summary} (${path})` })
    if (hint !== undefined) lines.push(more(hint))
  }
  for (const { text } of plan.unchecked) lines.push({ label: 'not checked:', text })
  return lines
}

/** The kernel that will run, and why. `load` shows this before it asks the kernel. */
const ofWhatRuns: ReadonlySet<PlanDecision['subject']> = new Set([
  'kernel',
  'initrd',
  'overlay',
  'bootconfig',
  'command line',
  'device tree',
])

/** The part of `explanations` with the chosen kernel, initrd and command line, and the reasons. */
export function explanationsOfChoice(plan: ExplainedPlan): Explanation[] {
  const decisions = plan.decisions.filter(({ subject }) => ofWhatRuns.has(subject))
  return decisions.flatMap((decision) => decisionLines(plan, decision))
}

function decisionLines(plan: ExplainedPlan, { subject, choice, reason }: PlanDecision): Explanation[] {
  const lines: Explanation[] = [{ label: subject, text: choice === '' ? '(empty)' : choice }]
  if (subject === 'kernel') lines.push(more(kernelFacts(plan)))
  if (subject === 'initrd' && plan.initrds.length > 0) lines.push(more(plan.initrds.map(initrdFacts).join('; ')))
  lines.push(more(reason))
  if (subject === 'engine') lines.push(...segmentMap(plan.segments ?? []).map(more))
  return lines
}

function more(text: string): Explanation {
  return { label: '', text }
}

function initrdFacts({ size, image }: PlannedInitrd): string {
  return `${formatBytes(size)}${image === null ? '' : `, ${image.description}`}`
}

/** One line for each segment, by address: its range, both ends included, as /proc/iomem has it; its size; its name. */
function segmentMap(segments: readonly PlannedSegment[]): string[] {
  const rows = segments.map(({ name, address, size }) => ({
    range: `${formatAddress(address)}-${formatAddress(address + size - 1)}`,
    size: formatBytes(size),
    name,
  }))
  const width = (key: 'range' | 'size') => Math.max(...rows.map((row) => row[key].length))
  return rows.map(
    ({ range, size, name }) => `${range.padEnd(width('range'))}  ${size.padStart(width('size'))}  ${name}`,
  )
}

function kernelFacts({ kernel: { size }, image, nested }: ExplainedPlan): string {
  const signed = image.signature === 'present' ? ', signed' : image.signature === 'absent' ? ', not signed' : ''
  const architecture = image.architecture === null ? '' : ` for ${image.architecture}`
  const what = image.version === null ? image.description : `${image.version}, ${image.format}${architecture}`
  const inside = nested.slice(0, -1).map(({ format }) => ` in ${format}`)
  return `${what}${inside.reverse().join('')}, ${formatBytes(size)}${signed}`
}
