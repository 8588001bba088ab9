import { existsSync } from 'node:fs'
import type { Rehearsal } from '../../rehearsal/rehearse.ts'
import { rehearsalWords } from '../../rehearsal/report/outcome-words.ts'
import { formatBytes } from '../../text.ts'
import { stdout } from '../output/descriptor.ts'
import { lineWidth, placed, table } from '../output/layout.ts'

/** Lines of the console that are shown when the new kernel did not come up. */
const SHOWN = 25

/** Lines of a kernel's own report of a fault, which begins before the last lines. */
const FAULT = /Kernel panic - not syncing|\bOops\b|\bBUG: |kernel BUG at|[Uu]nable to handle|Internal error: /

/** The files of a rehearsal that was to keep them. */
export interface KeptFiles {
  readonly directory: string
  readonly rootImage: string | undefined
}

/** A rehearsal for people: how it ended, why, and the last lines. */
export function rehearsalReport(rehearsal: Rehearsal, kept: KeptFiles | null): string {
  const width = lineWidth(stdout)
  const { outcome, cause, report, from, added, plan } = rehearsal
  const passed = outcome.kind === 'passed'
  const verdict = placed(rehearsalWords(rehearsal), {
    width,
    label: passed ? 'passed:' : `${outcome.kind}:`,
    labelStyle: passed ? 'green' : 'red',
    hanging: 2,
  })
  const rows = [
    ['  kernel', `${plan.kernel}${plan.version === null ? '' : `, ${plan.version}`}`],
    ['  loaded by', `${from.path}, ${from.reason}`],
    ...(added.length === 0 ? [] : [['  added', added.join(' ')]]),
    ...(report === null ? [] : [['  it saw', seen(rehearsal)]]),
    ...timeRows(rehearsal),
    ...receiptRows(rehearsal),
  ]
  const why = passed || cause === null ? [] : placed(cause, { width, indent: 2 })
  const lines = passed ? [] : consoleLines(rehearsal.console)
  const shown = lines.length === 0 ? [] : ['', 'The console ended with:', ...lines.map((line) => `  ${line}`)]
  return [...verdict, ...why, ...table(rows, { width }), ...shown, ...keptLines(kept, rehearsal)].join('\n')
}

function seen({ report }: Rehearsal): string {
  if (report === null) return ''
  const memory = report.memory === null ? '' : `, ${formatBytes(report.memory)} of memory`
  const root = report.root === null ? '' : `, and its init started ${report.root} of the root file system`
  return `${report.release}${memory}, command line ${report.commandLine}${root}`
}

function timeRows({ phases }: Rehearsal): string[][] {
  const entries = Object.entries(phases)
  if (entries.length === 0) return []
  return [['  took', entries.map(([phase, time]) => `${phase} ${(time / 1000).toFixed(1)} s`).join(', ')]]
}

function receiptRows({ receipt }: Rehearsal): string[][] {
  if (receipt === null) return []
  return [['  receipt', 'path' in receipt ? receipt.path : `could not be written: ${receipt.problem}`]]
}

/** The last lines; where the kernel reported a fault shortly before, all from that on. */
function consoleLines(text: string): string[] {
  const lines = text.trimEnd().split('\n')
  const recent = lines.slice(-10 * SHOWN)
  const fault = recent.findIndex((line) => FAULT.test(line))
  return (fault === -1 ? lines.slice(-SHOWN) : recent.slice(Math.min(fault, recent.length - SHOWN))).filter(
    (line) => line !== '',
  )
}

function keptLines(kept: KeptFiles | null, { outcome, report, plan, added }: Rehearsal): string[] {
  if (kept === null || outcome.kind === 'refused') return []
  const { directory, rootImage } = kept
  const initrd = `${directory}/initrd`
  const parameters =
    report?.commandLine ?? [plan.commandLine, ...added.filter((word) => !word.startsWith('/'))].join(' ')
  const command = [
    process.arch === 'arm64' ? 'qemu-system-aarch64 -M virt -cpu max' : 'qemu-system-x86_64 -cpu max',
    `-m 1024 -nographic -kernel ${quoted(`${directory}/kernel`)}`,
    ...(existsSync(initrd) ? [`-initrd ${quoted(initrd)}`] : []),
    ...(rootImage === undefined
      ? []
      : [`-drive ${quoted(`if=virtio,snapshot=on,file=${rootImage.replaceAll(',', ',,')}`)}`]),
    `-append ${quoted(parameters)}`,
  ]
  return ['', 'The new kernel alone, without a kexec:', `  ${command.join(' ')}`]
}

function quoted(word: string): string {
  return /^[\w./=:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
