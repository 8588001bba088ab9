import { basename, extname, join, resolve } from 'node:path'
import type { MatrixOptions, PreparedMatrix } from '../../matrix/matrix.ts'
import type { MatrixResult } from '../../matrix/model/cell.ts'
import { type Arguments, type Command, exit, jsonOption, UsageError } from '../arguments/command.ts'
import { reportFailure } from '../output/failure.ts'
import { noteLine, print, printJson } from '../output/output.ts'
import { writeReport } from '../output/report-file.ts'
import { matrixSummary, resultLine } from '../reports/matrix-summary.ts'

export const command: Command = {
  name: 'matrix',
  summary:
    'Rehearses every cell of a matrix in QEMU: from each kernel into each, with each engine and each set of options.',
  operands: 'FILE',
  arity: [1, 1],
  options: {
    jobs: {
      type: 'string',
      value: 'N',
      help: 'cells at a time (default: as many as there are processors, and memory for)',
    },
    again: {
      type: 'boolean',
      words: ['failed'],
      help: 'rehearse cells although their results are kept (=failed: those that did not pass)',
    },
    report: { type: 'string', value: 'FILE', help: 'where the HTML report goes (default: beside the matrix)' },
    junit: { type: 'string', value: 'FILE', help: 'write a JUnit report, too' },
    json: jsonOption,
  },
  examples: [
    ['linux-kexec matrix kernels.json', 'rehearse what is new or has changed, and write kernels.html'],
    ['linux-kexec matrix kernels.json --again=failed --jobs 1', 'try again what did not pass, one at a time'],
  ],
  notes: `FILE is JSON: lists of kernels (from, to), of engines and of variants, and the options of a rehearsal
(docs/matrix.md). Results are added to a file beside the report as cells end. A cell is rehearsed again only when one of its
files, its options or the tools have changed, so a matrix that was interrupted goes on. Exit status 0
when all cells passed, 1 when not, 2 when FILE is wrong. Needs QEMU, and no privilege.`,
  async run(args) {
    const [file = ''] = args.positionals
    const report = args.text('report') ?? join(file, '..', `${basename(file, extname(file))}.html`)
    const junit = args.text('junit')
    for (const path of [report, junit])
      if (path !== undefined && resolve(path) === resolve(file))
        throw new UsageError(`a report would replace ${file}: name another file with --report and --junit`)
    const jobs = jobsOf(args)
    const { prepareMatrix, runMatrix } = await import('../../matrix/matrix.ts')
    let prepared: PreparedMatrix
    try {
      prepared = prepareMatrix(file)
    } catch (error) {
      reportFailure(error, args.flag('json'), 'matrix')
      return exit.usage
    }
    const results = `${report.endsWith('.html') ? report.slice(0, -'.html'.length) : report}.results.jsonl`
    const record = await runMatrix(prepared, { ...runOptions(args, results), ...(jobs === undefined ? {} : { jobs }) })
    const { matrixReport } = await import('../../matrix/report/html.ts')
    const { matrixJunit } = await import('../../matrix/report/junit.ts')
    writeReport(report, matrixReport(record))
    if (junit !== undefined) writeReport(junit, matrixJunit(record))
    if (args.flag('json')) printJson({ ...record, report, results })
    else print(matrixSummary(record, report, results))
    return record.counts.passed === record.counts.all ? exit.done : exit.failed
  },
}

function runOptions(args: Arguments, results: string): MatrixOptions {
  const interruption = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      noteLine('interrupted: what has ended is kept, and the same call goes on from there')
      interruption.abort(new Error(name))
    })
  }
  let all = 0
  let ended = 0
  return {
    results,
    again: args.word('again') === 'failed' ? 'failed' : args.flag('again'),
    signal: interruption.signal,
    onStart: ({ open, kept, notRun }) => {
      all = open
      noteLine(`${open} cells to rehearse, ${kept} kept of earlier runs, ${notRun} not for this machine`)
    },
    onCell: (result: MatrixResult) => {
      ended += 1
      noteLine(`${ended}/${all} ${resultLine(result)}`)
    },
  }
}

function jobsOf(args: Arguments): number | undefined {
  const text = args.text('jobs')
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new UsageError(`--jobs takes a whole number of at least 1, not '${text}'`)
  return Number(text)
}
