import type { HandoverAssessment } from '../../handover/assess.ts'
import type { HookChange } from '../../hooks/hook-plan.ts'
import { oneLine } from '../../text.ts'
import { stdout } from '../output/descriptor.ts'
import { lineWidth, type Placement, placed } from '../output/layout.ts'
import { styled } from '../output/style.ts'

const states = {
  absent: 'not installed',
  installed: 'installed',
  outdated: 'installed, but not the one of this version',
  foreign: 'another file is in its place',
} as const

const LABEL = 13

/** The way of a reboot, for people. */
export function handoverReport(assessment: HandoverAssessment): string {
  const { title, via, proven, steps, obstacles, hook, install, notes, remedy, evidence } = assessment
  const lines: string[] = []
  const width = lineWidth(stdout)
  const add = (label: string, text: string, styles: Pick<Placement, 'style' | 'labelStyle'> = {}) =>
    lines.push(...placed(text, { width, label, column: LABEL, ...styles }))
  add('init system', title)
  add('evidence', evidence.map(({ source, value }) => `${source}: ${value}`).join(', '))
  if (via !== null) {
    add('way', `--via ${via}`)
    for (const [index, step] of steps.entries()) add('', `${index + 1}. ${step}`)
    add('hook', hook === null ? 'not needed' : states[hook.state])
    for (const { path } of [...(hook?.toInstall ?? []), ...(hook?.foreign ?? []).map((path) => ({ path }))])
      add('', path)
  }
  add('verified', proven ? 'yes' : 'no', { style: proven ? 'green' : 'yellow' })
  for (const { text } of obstacles) add('', `- ${text}`)
  for (const text of install) add('install', text)
  for (const { text } of notes) add('note', text)
  if (remedy !== null) add('do', remedy, { labelStyle: 'bold' })
  return lines.join('\n')
}

/** Changes for review: each file with its removed and added lines, without unchanged ones. */
export function changeLines(changes: readonly HookChange[], dryRun: boolean): string[] {
  if (changes.length === 0) return ['nothing to change']
  return changes.flatMap((change) => [headline(change, dryRun), ...difference(change)])
}

const verbs = {
  create: ['would create', 'created'],
  replace: ['would replace', 'replaced'],
  edit: ['would edit', 'edited'],
  remove: ['would remove', 'removed'],
} as const

function headline({ path, kind, action, mode, old, new: text }: HookChange, dryRun: boolean): string {
  const verb = verbs[action][dryRun ? 0 : 1]
  if (kind === 'link') return oneLine(`${verb} ${path} -> ${text ?? old}`)
  return oneLine(`${verb} ${path}${mode === null ? '' : ` (mode ${mode.toString(8).padStart(4, '0')})`}`)
}

function difference({ kind, old, new: text }: HookChange): string[] {
  if (kind === 'link' || text === null) return []
  const [before, after] = [old === null ? [] : linesOf(old), linesOf(text)]
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head++
  let tail = 0
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail))
    tail++
  return [
    ...before.slice(head, before.length - tail).map((line) => styled('red', oneLine(`  - ${line}`))),
    ...after.slice(head, after.length - tail).map((line) => styled('green', oneLine(`  + ${line}`))),
  ]
}

/** Changes hold bytes as latin1, and people read UTF-8. */
function linesOf(text: string): string[] {
  return Buffer.from(text, 'latin1').toString('utf8').replace(/\n$/, '').split('\n')
}
