import type { PlanOptions } from '../../plan/model/options.ts'
import { type Arguments, type CommandOption, UsageError } from './command.ts'

/** The options that choose the kernel to load; `plan`, `load` and later `rehearse` share them. */
export const loadOptions = {
  initrd: {
    type: 'string',
    multiple: true,
    value: 'FILE',
    help: "an initrd, in place of the entry's own (repeatable, in order); running: that of the running kernel (retain_initrd)",
  },
  overlay: {
    type: 'string',
    multiple: true,
    value: 'SRC[:DEST]',
    help: 'add a file or directory to the initrd, in memory (repeatable)',
  },
  'no-initrd': { type: 'boolean', help: 'load without an initrd' },
  'reuse-cmdline': { type: 'boolean', help: "use the running kernel's command line" },
  'command-line': { type: 'string', value: 'STR', help: 'use this command line' },
  append: { type: 'string', multiple: true, value: 'STR', help: 'add parameters at the end (repeatable)' },
  remove: { type: 'string', multiple: true, value: 'KEY', help: 'remove a parameter (repeatable)' },
  configuration: { type: 'string', value: 'NAME', help: 'use this configuration of a FIT image' },
  'vendor-boot': { type: 'string', value: 'FILE', help: 'the vendor_boot image of an Android boot image' },
  dtb: { type: 'string', value: 'FILE', help: 'a device tree, in place of the running one' },
  panic: { type: 'boolean', help: 'load as the crash kernel' },
  fast: { type: 'boolean', help: 'the shortest downtime that the policy allows' },
  'verify-in-purgatory': {
    type: 'boolean',
    help: 'with the engine segments: check hashes before the new kernel starts',
  },
  'try-anyway': { type: 'boolean', help: 'ask the kernel even if its policy says that it will refuse' },
  trial: {
    type: 'boolean',
    words: ['best-effort'],
    help: 'reset the machine unless the new kernel is confirmed in time; refuse gaps (=best-effort: warn)',
  },
  deadline: {
    type: 'string',
    value: 'SECONDS',
    help: 'with --trial: time to confirm, from the start of the new kernel (120)',
  },
  fallback: { type: 'string', value: 'ENTRY', help: 'with --trial: the entry that a reset is to start' },
  'require-rehearsal': {
    type: 'boolean',
    words: 'number',
    help: 'refuse unless exactly this passed `rehearse` (=DAYS: not longer ago)',
  },
  engine: { type: 'string', value: 'ENGINE', help: 'auto, file (kexec_file_load) or segments (kexec_load)' },
} as const satisfies Record<string, CommandOption>

export const loadNotes = `ENTRY is newest, default, running, an entry's id or title, a kernel version, or a number in
\`linux-kexec list\`. FILE is a kernel; its command line must come from --reuse-cmdline
or --command-line. Without ENTRY or FILE: the boot loader's default if it has one, else the newest.`

/** The plan that these arguments request. @throws UsageError when they contradict each other */
export function planOptions(args: Arguments): PlanOptions {
  const engine = args.text('engine') ?? 'auto'
  if (engine !== 'auto' && engine !== 'file' && engine !== 'segments') {
    throw new UsageError(`--engine takes auto, file or segments, not '${engine}'`)
  }
  if (args.flag('no-initrd') && args.texts('initrd'))
    throw new UsageError('--initrd and --no-initrd exclude each other')
  if (args.flag('reuse-cmdline') && args.text('command-line') !== undefined) {
    throw new UsageError(
      '--reuse-cmdline and --command-line exclude each other (use --append to add to the one reused)',
    )
  }
  return {
    ...trialOption(args),
    engine,
    noInitrd: args.flag('no-initrd'),
    reuseCommandLine: args.flag('reuse-cmdline'),
    panic: args.flag('panic'),
    fast: args.flag('fast'),
    verifyInPurgatory: args.flag('verify-in-purgatory'),
    tryAnyway: args.flag('try-anyway'),
    ...given(
      'requireRehearsal',
      args.flag('require-rehearsal') ? Number(args.word('require-rehearsal') ?? 0) || true : undefined,
    ),
    ...given('target', args.positionals[0]),
    ...given('initrds', args.texts('initrd')),
    ...given('overlay', args.texts('overlay')),
    ...given('commandLine', args.text('command-line')),
    ...given('append', args.texts('append')),
    ...given('remove', args.texts('remove')),
    ...given('configuration', args.text('configuration')),
    ...given('vendorBoot', args.text('vendor-boot')),
    ...given('deviceTree', args.text('dtb')),
  }
}

/** @throws UsageError */
function trialOption(args: Arguments): Pick<PlanOptions, 'trial'> {
  const [deadline, fallback] = [args.text('deadline'), args.text('fallback')]
  if (!args.flag('trial')) {
    if (deadline !== undefined || fallback !== undefined) throw new UsageError('--deadline and --fallback need --trial')
    return {}
  }
  if (deadline !== undefined && !/^[1-9]\d{0,4}$/.test(deadline))
    throw new UsageError(`--deadline takes whole seconds, not '${deadline}'`)
  return {
    trial: {
      allowGaps: args.word('trial') === 'best-effort',
      ...(deadline === undefined ? {} : { deadline: Number(deadline) * 1000 }),
      ...(fallback === undefined ? {} : { fallback }),
    },
  }
}

function given<Key extends keyof PlanOptions>(key: Key, value: PlanOptions[Key]): Pick<PlanOptions, Key> {
  return (value === undefined ? {} : { [key]: value }) as Pick<PlanOptions, Key>
}
