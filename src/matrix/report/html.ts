import type { MatrixOutcome, MatrixRecord, MatrixResult } from '../model/cell.ts'
import { escaped, escapedLines } from './escape.ts'
import { style } from './style.ts'
import { groupTitle, titleOf } from './titles.ts'

/** A cell with the name of its details in the page. */
interface Listed extends MatrixResult {
  readonly id: string
}

/** A matrix as one page that needs nothing else: no script, no other file. */
export function matrixReport(record: MatrixRecord): string {
  const cells = record.cells.map((cell, index) => ({ ...cell, id: `cell-${index + 1}` }))
  const open = cells.filter(({ outcome }) => outcome.kind !== 'passed' && outcome.kind !== 'not-run')
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(record.name)}: ${record.counts.passed} of ${record.counts.all} passed</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escaped(record.name)}</h1>
${summary(record)}
</header>
<main>
${open.length === 0 ? '' : `<h2>Not passed</h2>\n<ul>\n${open.map(openItem).join('\n')}\n</ul>\n`}${groupsOf(cells).map(table).join('\n')}
<h2>Cells</h2>
${cells.map(details).join('\n')}
</main>
</body>
</html>
`
}

function summary({ counts, interrupted, cells, ended }: MatrixRecord): string {
  const chip = (look: string, number: number, word: string) =>
    number === 0 ? '' : `<span class="chip ${look}">${number} ${word}</span>\n`
  const times = cells.flatMap(({ at }) => at ?? []).sort()
  const [first, last] = [times[0], times.at(-1)]
  const tools = new Set(
    cells.flatMap(({ tools: each, accelerator }) =>
      each === null
        ? []
        : [`linux-kexec ${each.linuxKexec}, Node ${each.node}, ${each.qemu}, ${accelerator ?? 'no accelerator'}`],
    ),
  )
  const when = first === undefined || last === undefined ? minute(ended) : `${minute(first)} to ${minute(last)}`
  return [
    `<p>${chip('good', counts.passed, 'passed')}${chip('bad', counts.failed, 'not passed')}${chip('none', counts.notRun, 'not run')}</p>`,
    `<p class="soft">${counts.all} cells, ${escaped(when)} UTC${interrupted ? ', interrupted' : ''}. An arrow leads from the kernel that loads to the one that is loaded.</p>`,
    ...[...tools].map((each) => `<p class="soft">${escaped(each)}</p>`),
  ].join('\n')
}

function openItem(cell: Listed): string {
  const cause = cell.cause === null ? '' : ` ${escaped(cell.cause)}`
  return `<li><a href="#${cell.id}">${escaped(titleOf(cell))}</a>: ${chipOf(cell.outcome)} ${escaped(cell.words)}.${cause}</li>`
}

interface Group {
  readonly title: string
  readonly cells: readonly Listed[]
}

/** Cells of the same architecture, engine and variant, in their order. */
function groupsOf(cells: readonly Listed[]): Group[] {
  const groups = new Map<string, Listed[]>()
  for (const cell of cells) {
    const title = groupTitle(cell)
    const group = groups.get(title)
    if (group === undefined) groups.set(title, [cell])
    else group.push(cell)
  }
  return [...groups].map(([title, members]) => ({ title, cells: members }))
}

function table({ title, cells }: Group): string {
  const [from, to] = [[...new Set(cells.map((cell) => cell.from))], [...new Set(cells.map((cell) => cell.to))]]
  const head = to.map((name) => `<th scope="col">→ ${escaped(name)}</th>`).join('')
  const row = (loading: string) => {
    const columns = to.map((loaded) =>
      square(
        cells.find((cell) => cell.from === loading && cell.to === loaded),
        loaded,
      ),
    )
    return `<tr><th scope="row">${escaped(loading)}</th>${columns.join('')}</tr>`
  }
  return `<h2>${escaped(title)}</h2>
<div class="wide"><table>
<thead><tr><td></td>${head}</tr></thead>
<tbody>
${from.map(row).join('\n')}
</tbody>
</table></div>`
}

function square(cell: Listed | undefined, loaded: string): string {
  const to = `data-to="→ ${escaped(loaded)}"`
  if (cell === undefined) return `<td class="none"><span ${to}><b>– left out</b></span></td>`
  const time = cell.at === null ? '' : `<small>${seconds(cell)}</small>`
  return `<td class="${lookOf(cell.outcome)}"><a href="#${cell.id}" ${to}><b>${wordsOf(cell.outcome)}</b>${time}</a></td>`
}

/** The name of the place is inside, so that a browser opens the details of a link. */
function details(cell: Listed): string {
  const { outcome, cause, words, phases, report, commandLine, loadedBy, at, accelerator, key, command } = cell
  const took = Object.entries(phases).map(([phase, time]) => `${phase} ${(time / 1000).toFixed(1)} s`)
  const rows: [string, string | null][] = [
    ['outcome', words],
    ['likely cause', cause],
    ['command line', commandLine],
    ['loaded by', loadedBy === null ? null : `engine ${loadedBy}`],
    ['came up', report === null ? null : `${report.release}, with ${report.commandLine}`],
    ['took', took.length === 0 ? null : took.join(', ')],
    ['ended', at === null ? null : `${minute(at)} UTC, ${accelerator ?? 'without a machine'}`],
    ['again', command],
    ['key', key],
  ]
  const known = rows.filter(([, text]) => text !== null && text !== '')
  const list = known.map(([term, text]) => `<dt>${term}</dt><dd>${escaped(text as string)}</dd>`).join('\n')
  const console = cell.console === '' ? '' : `\n<pre tabindex="0">${escapedLines(cell.console.trimEnd())}</pre>`
  const time = at === null ? '' : `, ${seconds(cell)}`
  return `<details>
<summary>${chipOf(outcome)} ${escaped(titleOf(cell))}${time}</summary>
<div id="${cell.id}">
<dl>
${list}
</dl>${console}
</div>
</details>`
}

type Look = 'good' | 'bad' | 'odd' | 'none'

function lookOf({ kind }: MatrixOutcome): Look {
  if (kind === 'passed') return 'good'
  if (kind === 'not-run') return 'none'
  return kind === 'oopsed' || kind === 'not-as-planned' || kind === 'error' ? 'odd' : 'bad'
}

const signs: Readonly<Record<Look, string>> = { good: '✓', bad: '✗', odd: '!', none: '–' }

function wordsOf(outcome: MatrixOutcome): string {
  return `${signs[lookOf(outcome)]} ${escaped(outcome.kind.replaceAll('-', ' '))}`
}

function chipOf(outcome: MatrixOutcome): string {
  return `<span class="chip ${lookOf(outcome)}">${wordsOf(outcome)}</span>`
}

function seconds({ milliseconds }: MatrixResult): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}

/** Of ISO 8601. */
function minute(at: string): string {
  return at.slice(0, 16).replace('T', ' ')
}
