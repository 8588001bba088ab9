import { type ImageName, imageNames, imageTitles } from './images.ts'
import type { CallOutcome, ScenarioOutcome } from './outcome.ts'

/** The outcomes as a table in Markdown: a row for each scenario. */
export function tableOf(outcomes: readonly ScenarioOutcome[]): string {
  const heads = ['machine', 'Linux', ...imageNames.map((name) => imageTitles[name]), '`kexec_load`']
  const rows = outcomes.map(({ title, kernel, images, kexecLoad }) => [
    title,
    kernel.replace(/^(\d+\.\d+).*/, '$1'),
    ...imageNames.map((name: ImageName) => cell(images[name])),
    kexecLoad.errno === 'EINVAL' ? 'allowed' : cell(kexecLoad),
  ])
  return [heads, heads.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
}

function cell(outcome: CallOutcome | undefined): string {
  return outcome === undefined ? '' : (outcome.errno ?? 'taken')
}
