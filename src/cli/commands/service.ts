import type { HookChange } from '../../hooks/hook-plan.ts'
import { filesOfProgram, locateProgram } from '../../program.ts'
import { installServices, removeServices, showServices } from '../../services/install.ts'
import { type ServiceKind, type ServiceName, serviceKinds, serviceNames } from '../../services/service.ts'
import { exposureWarnings } from '../../system/exposure.ts'
import type { System } from '../../system/system.ts'
import { type Arguments, type Command, type ExitStatus, exit, jsonOption, UsageError } from '../arguments/command.ts'
import { rootOption, systemOf } from '../arguments/root-option.ts'
import { stdout } from '../output/descriptor.ts'
import { lineWidth, table } from '../output/layout.ts'
import { note, print, printJson, warn } from '../output/output.ts'
import { changeLines } from '../reports/handover-report.ts'

export const command: Command = {
  name: 'service',
  summary:
    'Installs services that load a kernel at boot or at shutdown, load the crash kernel at boot, or confirm a trial. They are disabled unless you enable them.',
  operands: 'install|remove|show',
  arity: [1, 1],
  options: {
    enable: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'with install: enable boot, shutdown, crash or trial (repeatable)',
    },
    systemd: { type: 'boolean', help: 'units for systemd' },
    openrc: { type: 'boolean', help: 'scripts for OpenRC' },
    sysvinit: { type: 'boolean', help: 'scripts for sysvinit, with LSB headers' },
    runit: { type: 'boolean', help: 'service directories for runit' },
    busybox: { type: 'boolean', help: 'lines of /etc/inittab for busybox init' },
    'dry-run': { type: 'boolean', help: 'show the changes, and make none' },
    root: rootOption,
    json: jsonOption,
  },
  examples: [
    ['linux-kexec service install --enable crash', 'the crash kernel is loaded at every boot'],
    ['linux-kexec service install --enable boot --dry-run', 'show the changes'],
    ['linux-kexec service remove', 'remove all services'],
  ],
  notes: `Without one of these kinds, the services are for the running init system. A file that does not belong to linux-kexec
is never overwritten. /etc/default/linux-kexec sets the kernel to load. docs/services.md explains each service.`,
  async run(args) {
    const [action] = args.positionals
    const system = systemOf(args)
    const kind = kindOf(args)
    const dryRun = args.flag('dry-run')
    const options = { system, dryRun, ...(kind === undefined ? {} : { kind }) }
    if (action !== 'install' && args.texts('enable') !== undefined) throw new UsageError('--enable goes with install')
    if (action === 'show') return show(args, showServices(options))
    if (action === 'remove') return tell(args, removeServices(options))
    if (action === 'install') {
      const changes = installServices({ ...options, enable: enabled(args) })
      warnOfExposure(system, changes)
      return tell(args, changes)
    }
    throw new UsageError(`service takes install, remove or show, not '${action}'`)
  },
}

/** Root runs them at boot and at shutdown, so anyone who may replace them, Node or linux-kexec runs as root then. */
function warnOfExposure(system: System, changes: readonly HookChange[]): void {
  const program = locateProgram(system)
  const files = program === undefined ? [] : filesOfProgram(program)
  for (const warning of exposureWarnings(system, [...changes.map(({ path }) => path), ...files])) warn(warning)
}

function kindOf(args: Arguments): ServiceKind | undefined {
  const [kind, ...others] = serviceKinds.filter((each) => args.flag(each))
  if (others.length > 0) throw new UsageError(`--${kind} and --${others[0]} exclude each other`)
  return kind
}

function enabled(args: Arguments): ServiceName[] {
  return (args.texts('enable') ?? []).map((given) => {
    const name = serviceNames.find((each) => each === given)
    if (name === undefined) throw new UsageError(`--enable takes ${serviceNames.join(', ')}, not '${given}'`)
    return name
  })
}

const states = {
  absent: 'not installed',
  installed: 'installed',
  outdated: 'outdated',
  foreign: 'another file',
} as const

function show(args: Arguments, standing: ReturnType<typeof showServices>): ExitStatus {
  if (args.flag('json')) printJson(standing)
  else {
    const rows = standing.services.map(({ name, title, state, enabled, paths }) => {
      return [name, states[state], enabled ? 'enabled' : 'off', title, paths.join(' ')]
    })
    print(table(rows, { width: lineWidth(stdout) }).join('\n'))
  }
  return exit.done
}

function tell(args: Arguments, changes: readonly HookChange[]): ExitStatus {
  const dryRun = args.flag('dry-run')
  if (args.flag('json')) printJson({ dryRun, changes })
  else print(changeLines(changes, dryRun).join('\n'))
  const isUnit = changes.some(({ path }) => path.endsWith('.service'))
  if (isUnit && !dryRun && args.text('root') === undefined) note('For systemd to see it: systemctl daemon-reload')
  return exit.done
}
