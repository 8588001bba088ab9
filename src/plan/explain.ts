import type { LoadPlan } from './plan.ts'
import { formatBytes, oneLine } from './text.ts'

const LABEL = 14

/** A plan for people: what is chosen, below it the reason; then warnings, refusals with their remedy, and what was not checked. */
export function explain(plan: LoadPlan): string {
  const lines: string[] = []
  for (const { subject, choice, reason } of plan.decisions) {
    lines.push(`${subject.padEnd(LABEL)}${choice === '' ? '(empty)' : choice}`)
    if (subject === 'kernel') lines.push(indent(kernelFacts(plan)))
    if (subject === 'initrd' && plan.initrds.length > 0) {
      lines.push(
        indent(
          plan.initrds
            .map((initrd) => `${formatBytes(initrd.size)}${initrd.image ? `, ${initrd.image.description}` : ''}`)
            .join('; '),
        ),
      )
    }
    lines.push(indent(reason))
  }
  for (const warning of plan.warnings) lines.push(`${'warning:'.padEnd(LABEL)}${warning}`)
  for (const refusal of plan.refusals) {
    lines.push(`${'refused:'.padEnd(LABEL)}${refusal.summary}${refusal.path === undefined ? '' : ` (${refusal.path})`}`)
    if (refusal.hint !== undefined) lines.push(indent(refusal.hint))
  }
  for (const unchecked of plan.unchecked) lines.push(`${'not checked:'.padEnd(LABEL)}${unchecked}`)
  return lines.map(oneLine).join('\n')
}

function kernelFacts({ kernel: { size }, image, nested }: LoadPlan): string {
  const signed = image.signature === 'present' ? ', signed' : image.signature === 'absent' ? ', not signed' : ''
  const architecture = image.architecture === null ? '' : ` for ${image.architecture}`
  const what = image.version === null ? image.description : `${image.version}, ${image.format}${architecture}`
  const inside = nested.slice(0, -1).map(({ format }) => ` in ${format}`)
  return `${what}${inside.reverse().join('')}, ${formatBytes(size)}${signed}`
}

function indent(text: string): string {
  return ' '.repeat(LABEL) + text
}
