import { type Diagnosis, NO_MACHINE } from '../../doctor/diagnosis.ts'
import type { Check, CheckStatus } from '../../doctor/examination/check.ts'
import { oneLine } from '../../text.ts'
import { stdout, terminalColumns } from '../output/descriptor.ts'
import { styled, wrap } from '../output/output.ts'

const DEFAULT_WIDTH = 80
const STATUS = 9
const LABEL = 17

const colours = { ok: 'green', warning: 'yellow', problem: 'red', unknown: 'dim' } as const satisfies Record<
  CheckStatus,
  string
>

const verdicts: Record<Diagnosis['verdict'], string> = {
  ok: 'A kexec would work.',
  warning: 'A kexec would work; mind the warnings.',
  problem: 'A kexec would not work.',
}

/** A diagnosis for people: a line a check; where something is wrong, what was read and what to do below it. */
export function diagnosisReport({ verdict, checks, root }: Diagnosis): string {
  const width = terminalColumns(stdout) ?? DEFAULT_WIDTH
  const skipped = checks.filter(({ summary }) => summary === NO_MACHINE)
  const lines = checks.filter((check) => !skipped.includes(check)).flatMap((check) => rows(check, width))
  if (skipped.length === 0) return [...lines, '', verdicts[verdict]].join('\n')
  const ids = skipped.map(({ id }) => id).join(', ')
  const rest = `Nothing runs in ${root}, so that this cannot be told: ${ids}.`
  const end = verdict === 'problem' ? verdicts.problem : 'Nothing in these files stands in the way of a kexec.'
  return [...lines, '', ...wrap(oneLine(rest), width), end].join('\n')
}

function rows({ id, status, summary, detail, evidence, remedy }: Check, width: number): string[] {
  const [first = '', ...more] = wrap(oneLine(summary), width - STATUS - LABEL)
  const lines = [styled(colours[status], status.padEnd(STATUS)) + id.padEnd(LABEL) + first, ...more.map(indented)]
  if (status === 'ok') return lines
  for (const text of detail) lines.push(...block(text, width))
  if (remedy !== null)
    lines.push(...block(`do: ${remedy}`, width).map((line) => line.replace('do:', (word) => styled('bold', word))))
  if (status === 'problem')
    for (const { source, value } of evidence)
      lines.push(...block(`${source}: ${value}`, width).map((line) => styled('dim', line)))
  return lines
}

function block(text: string, width: number): string[] {
  return wrap(oneLine(text), width - STATUS - LABEL).map(indented)
}

function indented(line: string): string {
  return ' '.repeat(STATUS + LABEL) + line
}
