import { MOST_KEXECS, type RehearseOptions } from '../../rehearsal/model/options.ts'
import type { Lockdown, RehearsalOutcome, RehearsalPhase } from '../../rehearsal/model/rehearsal.ts'
import { junitReport } from '../../rehearsal/report/junit.ts'
import { type Arguments, type Command, exit, jsonOption, UsageError } from '../arguments/command.ts'
import { loadNotes, loadOptions, planOptions } from '../arguments/load-options.ts'
import { rootOption } from '../arguments/root-option.ts'
import { note, noteLine, print, printJson } from '../output/output.ts'
import { writeReport } from '../output/report-file.ts'
import { bisectStatus, bisectStatusOfError } from '../reports/bisect-status.ts'
import { type KeptFiles, rehearsalReport } from '../reports/rehearsal-report.ts'

const {
  trial: _trial,
  deadline: _deadline,
  fallback: _fallback,
  panic: _panic,
  dtb: _tree,
  'require-rehearsal': _require,
  'verify-in-purgatory': _verify,
  ...planned
} = loadOptions

export const command: Command = {
  name: 'rehearse',
  summary: 'Carries out a plan in QEMU: another kernel loads it there and starts it. Touches nothing of this machine.',
  operands: '[ENTRY|FILE]',
  arity: [0, 1],
  options: {
    ...planned,
    from: { type: 'string', value: 'FILE', help: 'the kernel that loads it (default: the running one)' },
    init: {
      type: 'string',
      value: 'CMD',
      help: "run this in the initrd's /bin/sh, or this machine's; its exit status decides",
    },
    expect: {
      type: 'string',
      value: 'TEXT',
      help: "run the initrd's own init, until the console has this text",
    },
    'with-initrd-init': {
      type: 'boolean',
      help: "run the initrd's own init, until it has started a program of the root file system",
    },
    count: { type: 'string', value: 'N', help: 'make so many kexecs in a row (1)' },
    lockdown: {
      type: 'boolean',
      words: ['integrity', 'confidentiality'],
      help: 'lock the kernel that loads it down (integrity)',
    },
    'root-image': {
      type: 'string',
      value: 'FILE',
      help: 'a disk for the new kernel, /dev/vda; its file does not change',
    },
    memory: { type: 'string', value: 'MIB', help: 'memory of the machine (1024, or what the files need)' },
    cpus: { type: 'string', value: 'N', help: 'its processors (1)' },
    accelerator: { type: 'string', value: 'NAME', help: 'auto, kvm or tcg' },
    timeout: { type: 'string', value: 'SECONDS', help: 'for each phase of the new kernel (120)' },
    keep: { type: 'string', value: 'DIR', help: 'make this directory, and keep kernel, initrd and console in it' },
    console: { type: 'boolean', help: 'show the console as it comes' },
    bisect: { type: 'boolean', help: 'exit statuses for `git bisect run`: 0 good, 1 bad, 125 skip, 128 stop' },
    junit: { type: 'string', value: 'FILE', help: 'write a JUnit report, too' },
    root: rootOption,
    json: jsonOption,
  },
  examples: [
    ['linux-kexec rehearse newest', 'would the newest kernel reach userspace?'],
    [
      "linux-kexec rehearse arch/x86/boot/bzImage --no-initrd --command-line console=ttyS0 --init 'uname -r'",
      'a kernel just built',
    ],
    ["linux-kexec rehearse newest --expect 'login:' --root-image disk.qcow2", 'as far as the prompt of a system'],
  ],
  notes: `${loadNotes}

The initrd gets a small first process of our own, unless --expect is given: it reports and ends,
and mounts no root file system; with --with-initrd-init it becomes the initrd's own init. Of several
kexecs, each kernel between the first and the last loads the plan again. Exit status 0 when the new
kernel reached userspace, 1 when not, 3 when the plan is refused; with --init the status of the
command. Needs QEMU, and no privilege.`,
  async run(args) {
    const interruption = new AbortController()
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(name, () => interruption.abort(new Error(name)))
    const { rehearse } = await import('../../rehearsal/rehearse.ts')
    const rehearsal = await rehearse({ ...rehearseOptions(args), signal: interruption.signal })
    const junit = args.text('junit')
    if (junit !== undefined) writeReport(junit, junitReport(rehearsal))
    if (args.flag('json')) printJson(rehearsal)
    else print(rehearsalReport(rehearsal, keptFiles(args)))
    return args.flag('bisect') ? bisectStatus(rehearsal.outcome) : statusOf(rehearsal.outcome)
  },
  statusOfError: (error, words) => (words.includes('--bisect') ? bisectStatusOfError(error) : undefined),
}

function keptFiles(args: Arguments): KeptFiles | null {
  const directory = args.text('keep')
  return directory === undefined ? null : { directory, rootImage: args.text('root-image') }
}

function statusOf(outcome: RehearsalOutcome): number {
  if (outcome.kind === 'failed') return outcome.status
  if (outcome.kind === 'refused') return exit.refused
  return outcome.kind === 'passed' ? exit.done : exit.failed
}

const steps: Readonly<Record<RehearsalPhase, string>> = {
  'first boot': 'booting the kernel that loads it',
  load: 'loading the plan',
  jump: 'starting the new kernel',
  boot: 'the new kernel is booting',
  run: 'the new kernel has reached userspace',
}

function rehearseOptions(args: Arguments): RehearseOptions {
  const accelerator = args.text('accelerator') ?? 'auto'
  if (accelerator !== 'auto' && accelerator !== 'kvm' && accelerator !== 'tcg')
    throw new UsageError(`--accelerator takes auto, kvm or tcg, not '${accelerator}'`)
  const [one, other] = criteria(args)
  if (one !== undefined && other !== undefined)
    throw new UsageError(`${one} and ${other} exclude each other: each says by itself what counts as success`)
  const count = number(args, 'count')
  if (count !== undefined && count > MOST_KEXECS) throw new UsageError(`--count takes ${MOST_KEXECS} at most`)
  const { trial: _, panic: __, verifyInPurgatory: ___, requireRehearsal: ____, ...plan } = planOptions(args)
  const seconds = number(args, 'timeout')
  return {
    ...plan,
    accelerator,
    ...given('root', args.text('root')),
    ...given('from', args.text('from')),
    ...given('init', args.text('init')),
    ...given('expect', args.text('expect')),
    ...given('withInitrdInit', args.flag('with-initrd-init') || undefined),
    ...given('count', count),
    ...given('lockdown', lockdown(args)),
    ...given('rootImage', args.text('root-image')),
    ...given('keep', args.text('keep')),
    ...given('memory', number(args, 'memory')),
    ...given('cpus', number(args, 'cpus')),
    ...given('timeout', seconds === undefined ? undefined : seconds * 1000),
    onPhase: (phase) => noteLine(steps[phase]),
    ...given('onConsole', args.flag('console') ? noteLines() : undefined),
  }
}

function criteria(args: Arguments): string[] {
  const texts = ['init', 'expect'].filter((name) => args.text(name) !== undefined)
  return [...texts, ...(args.flag('with-initrd-init') ? ['with-initrd-init'] : [])].map((name) => `--${name}`)
}

function lockdown(args: Arguments): Lockdown | undefined {
  if (!args.flag('lockdown')) return undefined
  return args.word('lockdown') === 'confidentiality' ? 'confidentiality' : 'integrity'
}

/** Prints whole lines, of a text that comes in pieces of any size. */
function noteLines(): (text: string) => void {
  let partial = ''
  return (text) => {
    const lines = (partial + text).split('\n')
    partial = lines.pop() ?? ''
    if (lines.length > 0) note(lines.join('\n'))
  }
}

function number(args: Arguments, name: string): number | undefined {
  const text = args.text(name)
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`--${name} takes a whole number, not '${text}'`)
  return Number(text)
}

function given<Key extends keyof RehearseOptions>(key: Key, value: RehearseOptions[Key] | undefined) {
  return (value === undefined ? {} : { [key]: value }) as Pick<RehearseOptions, Key>
}
