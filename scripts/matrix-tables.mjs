/**
 * A matrix as Markdown: a table for each architecture and engine, with the seconds of each cell.
 * @param record of `linux-kexec matrix --json` @param missing kernels that there are none of
 */
export function markdownTables(record, missing = []) {
  const { cells, counts } = record
  const groups = groupBy(cells, titleOf)
  const run = cells.filter(({ at }) => at !== null)
  const times = run.map(({ at }) => at.slice(0, 16).replace('T', ' ')).sort()
  const tools = [
    ...new Set(
      run.map(
        ({ tools, accelerator }) =>
          `linux-kexec ${tools.linuxKexec}, Node ${tools.node}, ${tools.qemu}, ${accelerator}`,
      ),
    ),
  ]
  return [
    `${counts.passed} of ${counts.all} cells passed, ${counts.failed} did not, ${counts.notRun} were not run.`,
    ...(run.length === 0 ? [] : [`Run from ${times[0]} to ${times.at(-1)} UTC: ${tools.join('; ')}.`]),
    ...missing.map((each) => `Not run: no suite of the Debian mirror has a kernel ${each}.`),
    '',
    ...[...groups].flatMap(([title, members]) => [`### ${title}`, '', ...table(members), '']),
  ].join('\n')
}

function titleOf({ architecture, engine }) {
  return `${architecture}, engine ${engine}`
}

function groupBy(all, keyOf) {
  const groups = new Map()
  for (const each of all) groups.set(keyOf(each), [...(groups.get(keyOf(each)) ?? []), each])
  return groups
}

function table(cells) {
  const names = (key) => [...new Set(cells.map((cell) => cell[key]))]
  const squares = (from) => names('to').map((to) => words(cells.find((cell) => cell.from === from && cell.to === to)))
  const reasons = [...new Set(cells.filter(({ outcome }) => outcome.kind === 'not-run').map(({ words }) => words))]
  return [
    `| from \\ to | ${names('to').join(' | ')} |`,
    `| --- |${names('to')
      .map(() => ' --- |')
      .join('')}`,
    ...names('from').map((from) => `| ${from} | ${squares(from).join(' | ')} |`),
    ...(reasons.length === 0 ? [] : ['', `Not run: ${reasons.join('; ')}.`]),
  ]
}

function words(cell) {
  if (cell === undefined) return ''
  const { outcome, milliseconds } = cell
  return outcome.kind === 'not-run' ? 'not run' : `${outcome.kind}, ${Math.round(milliseconds / 1000)} s`
}
