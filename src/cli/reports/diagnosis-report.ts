import { type Diagnosis, NO_MACHINE } from '../../doctor/diagnosis.ts'
import type { DoctorCheck, DoctorCheckStatus } from '../../doctor/examination/check.ts'
import { lineWidth, placed } from '../output/layout.ts'
import { type Style, styled } from '../output/style.ts'

const STATUS = 9
const LABEL = 17

const colours = { ok: 'green', warning: 'yellow', problem: 'red', unknown: 'dim' } as const satisfies Record<
  DoctorCheckStatus,
  string
>

const verdicts: Record<Diagnosis['verdict'], string> = {
  ok: 'A kexec would work.',
  warning: 'A kexec would work; see the warnings.',
  problem: 'A kexec would not work.',
}

/** A diagnosis for people: one line for each check; below a failed one, the evidence and the remedy. */
export function diagnosisReport({ verdict, checks, root }: Diagnosis): string {
  const width = lineWidth()
  const skipped = checks.filter(({ summary }) => summary === NO_MACHINE)
  const lines = checks.filter((check) => !skipped.includes(check)).flatMap((check) => rows(check, width))
  if (skipped.length === 0) return [...lines, '', verdicts[verdict]].join('\n')
  const ids = skipped.map(({ id }) => id).join(', ')
  const rest = `The system in ${root} is not running, so these were not checked: ${ids}.`
  const end = verdict === 'problem' ? verdicts.problem : 'No obstacle to a kexec was found in these files.'
  return [...lines, '', ...placed(rest, { width }), end].join('\n')
}

function rows({ id, status, summary, detail, evidence, remedy }: DoctorCheck, width: number): string[] {
  const [first = '', ...more] = placed(summary, { width, indent: STATUS, label: id, column: LABEL })
  const lines = [styled(colours[status], status.padEnd(STATUS)) + first.slice(STATUS), ...more]
  if (status === 'ok') return lines
  const indent = STATUS + LABEL
  const add = (text: string, style?: Style) => lines.push(...placed(text, { width, indent, style }))
  for (const text of detail) add(text)
  if (remedy !== null) lines.push(...placed(remedy, { width, indent, label: 'do:', labelStyle: 'bold', hanging: 0 }))
  if (status === 'problem') for (const { source, value } of evidence) add(`${source}: ${value}`, 'dim')
  return lines
}
