import { formatAddress, type PlannedSegment } from '../engine/layout/segments/segment.ts'
import type { KexecError } from '../errors.ts'
import type { OpenImage } from '../image/inspect/open.ts'
import type { KernelImage } from '../image/model/image.ts'
import { formatBytes, oneLine } from '../text.ts'
import type { PlannedInitrd } from './context/initrds.ts'
import type { Decision } from './model/decision.ts'

const LABEL = 14

/** What of a plan is shown. */
export interface ExplainedPlan {
  readonly kernel: Pick<OpenImage, 'size'>
  readonly image: KernelImage
  readonly nested: readonly KernelImage[]
  readonly initrds: readonly PlannedInitrd[]
  readonly segments: readonly PlannedSegment[] | null
  readonly decisions: readonly Decision[]
  readonly warnings: readonly string[]
  readonly refusals: readonly KexecError[]
  readonly unchecked: readonly string[]
}

/** A plan for people: what is chosen, below it the reason; then warnings, refusals with their remedy, and what was not checked. */
export function explain(plan: ExplainedPlan): string {
  const lines = plan.decisions.flatMap((decision) => decisionLines(plan, decision))
  for (const warning of plan.warnings) lines.push(`${'warning:'.padEnd(LABEL)}${warning}`)
  for (const refusal of plan.refusals) {
    lines.push(`${'refused:'.padEnd(LABEL)}${refusal.summary}${refusal.path === undefined ? '' : ` (${refusal.path})`}`)
    if (refusal.hint !== undefined) lines.push(indent(refusal.hint))
  }
  for (const unchecked of plan.unchecked) lines.push(`${'not checked:'.padEnd(LABEL)}${unchecked}`)
  return lines.map(oneLine).join('\n')
}

/** What will run, and why: `load` shows it before it asks the kernel. */
const ofWhatRuns: ReadonlySet<Decision['subject']> = new Set([
  'kernel',
  'initrd',
  'overlay',
  'bootconfig',
  'command line',
  'device tree',
])

/** The part of `explain` that says which kernel, initrd and command line were chosen, with the reasons. */
export function explainChoice(plan: ExplainedPlan): string {
  const decisions = plan.decisions.filter(({ subject }) => ofWhatRuns.has(subject))
  return decisions
    .flatMap((decision) => decisionLines(plan, decision))
    .map(oneLine)
    .join('\n')
}

function decisionLines(plan: ExplainedPlan, { subject, choice, reason }: Decision): string[] {
  const lines = [`${subject.padEnd(LABEL)}${choice === '' ? '(empty)' : choice}`]
  if (subject === 'kernel') lines.push(indent(kernelFacts(plan)))
  if (subject === 'initrd' && plan.initrds.length > 0) lines.push(indent(plan.initrds.map(initrdFacts).join('; ')))
  lines.push(indent(reason))
  if (subject === 'engine') lines.push(...segmentMap(plan.segments ?? []).map(indent))
  return lines
}

function initrdFacts({ size, image }: PlannedInitrd): string {
  return `${formatBytes(size)}${image === null ? '' : `, ${image.description}`}`
}

/** One line for each, by address: its range, both ends included, as /proc/iomem has it; its size; its name. */
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

function indent(text: string): string {
  return ' '.repeat(LABEL) + text
}
