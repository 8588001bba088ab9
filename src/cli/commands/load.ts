import { explanationsOfChoice } from '../../plan/explain.ts'
import { plan } from '../../plan/plan.ts'
import { type Command, exit, jsonOption } from '../arguments/command.ts'
import { loadNotes, loadOptions, planOptions } from '../arguments/load-options.ts'
import { describe, statusOf } from '../output/failure.ts'
import { planDocument } from '../output/former-names.ts'
import { print, printJson, warn } from '../output/output.ts'
import { ProgressBar } from '../output/progress-bar.ts'
import { planReport } from '../reports/plan-report.ts'
import { warningsBeforeLoad } from '../reports/plan-warnings.ts'

export const command: Command = {
  name: 'load',
  summary: 'Loads a kernel, its initrd and its command line. Nothing visible happens until `reboot` (or a panic).',
  operands: '[ENTRY|FILE]',
  arity: [0, 1],
  options: {
    ...loadOptions,
    'dry-run': { type: 'boolean', help: 'show what would be loaded, as plan does, and load nothing' },
    json: jsonOption,
  },
  examples: [
    ['linux-kexec load newest && linux-kexec reboot', 'boot the newest kernel'],
    ['linux-kexec load arch/x86/boot/bzImage --reuse-cmdline', 'a kernel just built'],
    ['linux-kexec load 2 --append single', 'the second entry of the list, into single-user mode'],
  ],
  notes: loadNotes,
  async run(args) {
    if (args.flag('dry-run')) return (await import('./plan.ts')).command.run(args)
    const interruption = new AbortController()
    const { signal } = interruption
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => interruption.abort(new Error(name)))
    }
    using made = await plan({ ...planOptions(args), signal })
    const planned = made.warnings.length
    for (const { text } of warningsBeforeLoad(made, args.flag('try-anyway'))) warn(text)
    const [refusal, ...others] = made.refusals
    if (refusal !== undefined) {
      if (args.flag('json')) printJson({ loaded: false, plan: planDocument(made), error: refusal.toJSON() })
      for (const error of [refusal, ...others]) describe(error)
      return statusOf(refusal)
    }
    if (!args.flag('json')) print(planReport(explanationsOfChoice(made)))
    // Not performance.now(): it would load node:perf_hooks, which takes longer than the whole plan.
    const started = process.hrtime.bigint()
    const bar = new ProgressBar()
    try {
      await made.load({ signal, onProgress: ({ step, done, total }) => bar.show(step, done, total) })
    } finally {
      bar.clear()
    }
    for (const { text } of made.warnings.slice(planned)) warn(text)
    const milliseconds = Math.round(Number(process.hrtime.bigint() - started) / 1e6)
    if (args.flag('json')) printJson({ loaded: true, milliseconds, plan: planDocument(made) })
    else
      print(
        `loaded ${made.kernel.image.version ?? made.kernel.path}${made.panic ? ' as the crash kernel' : ''} in ${milliseconds} ms`,
      )
    return exit.done
  },
}
