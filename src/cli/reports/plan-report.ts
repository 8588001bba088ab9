import { type Explanation, LABEL_COLUMNS } from '../../plan/explain.ts'
import { type Descriptor, stdout } from '../output/descriptor.ts'
import { lineWidth, placed } from '../output/layout.ts'

/** The explanation of a plan, laid out for its destination. */
export function planReport(explanations: readonly Explanation[], descriptor: Descriptor = stdout): string {
  const width = lineWidth(descriptor)
  return explanations
    .flatMap(({ label, text }) => placed(text, { width, label, column: LABEL_COLUMNS, descriptor }))
    .join('\n')
}
