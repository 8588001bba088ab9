import { type Inspection, inspect } from '../../image/inspect/inspection.ts'
import { predictInspected } from '../../policy/verdict/inspected.ts'
import type { LoadVerdict } from '../../policy/verdict/predict.ts'
import { System } from '../../system/system.ts'
import { type Command, exit, jsonOption } from '../arguments/command.ts'
import { lineWidth, placed } from '../output/layout.ts'
import { print, printJson } from '../output/output.ts'
import { styled } from '../output/style.ts'
import { inspectionGroups } from '../reports/inspection-rows.ts'
import type { Group, Row } from '../reports/rows.ts'

export const command: Command = {
  name: 'inspect',
  summary: 'Shows what a kernel file is and contains, whether it is intact, and which system call loads it.',
  operands: 'FILE',
  arity: [1, 1],
  options: { json: jsonOption },
  examples: [
    ['linux-kexec inspect /boot/vmlinuz-6.1.0-56-amd64', 'an installed kernel'],
    ['linux-kexec inspect arch/x86/boot/bzImage --json', 'one just built, for a program'],
    ['linux-kexec inspect image.itb --json | jq -e \'.verdict != "damaged"\'', 'whether every hash in it matches'],
  ],
  notes:
    'Reads the whole file, computes its hashes, and unpacks compressed parts to check them. The exit status is 0 for any file, ' +
    'even a damaged one: see the first line, or `verdict` of --json. Needs no privilege beyond reading the file.',
  async run(args) {
    const inspection = await inspect(args.positionals[0] as string)
    const policyVerdict = predictInspected(inspection, new System())
    if (args.flag('json')) printJson({ ...inspection, policyVerdict })
    else print(describe(inspection, policyVerdict, lineWidth()))
    return exit.done
  },
}

const INDENT = 2
const NAME = 17
const GAP = 2

const styles = {
  loadable: 'green',
  'loadable-unpacked': 'green',
  damaged: 'red',
  'wrong-architecture': 'yellow',
  'not-loadable': 'yellow',
} as const satisfies Record<Inspection['verdict'], string>

function describe(inspection: Inspection, policyVerdict: LoadVerdict | null, width: number): string {
  const verdict = placed(inspection.verdictReason, { width, style: styles[inspection.verdict] })
  const groups = [...inspectionGroups(inspection), policyGroup(policyVerdict)].flatMap(({ heading, rows }) => {
    const lines = rows.flatMap((row) => rowLines(row, width))
    return lines.length === 0 ? [] : ['', styled('bold', heading), ...lines]
  })
  return [...verdict, ...groups].join('\n')
}

/** This machine's verdict on it, for a process that may load. */
function policyGroup(verdict: LoadVerdict | null): Group {
  const asked = verdict?.privileged ?? verdict
  if (asked === null) return { heading: 'On this machine', rows: [] }
  const answers = {
    'will-load': `accepts it: ${asked.summary}`,
    'will-be-refused': `REFUSES it: ${asked.summary}`,
    'cannot-tell': 'may accept or refuse it',
  }
  const missing = asked.missing.length > 0 ? asked.missing.map(({ text }) => text).join('; ') : null
  return {
    heading: 'On this machine',
    rows: [
      ['the policy', answers[asked.outcome]],
      ['unknown', missing],
      ['remedy', asked.hint],
    ],
  }
}

function rowLines([name, value]: Row, width: number): string[] {
  if (value === null || value === '') return []
  return placed(value, { width, indent: INDENT, label: name, column: NAME + GAP })
}
