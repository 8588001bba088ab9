import { type Hook, type HookPart, MARK } from '../../hooks/hook.ts'
import { hookScript, START_KERNEL } from '../../hooks/hook-script.ts'
import type { Program } from '../../program.ts'
import type { System } from '../../system/system.ts'
import { type InitExamination, unremarkable } from '../contract/init-system.ts'
import { type HandoverObstacle, limitation, unable } from '../contract/remarks.ts'
import { readInittab, rebootEntries } from '../first-process/inittab.ts'

const KEXEC = '/sbin/kexec'

/** sysvinit's own reboot(8) with -k, "try to reboot using kexec" (halt(8)), among short options. */
const REBOOT_BY_KEXEC = /^(?:\S*\/)?reboot\s(?:.*\s)?(?:-[a-z]*k[a-z]*|--kexec)(?:\s|$)/
const REBOOT = /^(?:\S*\/)?reboot(?:\s|$)/
/** The script that runs the boot scripts of a runlevel. */
const RUN_SCRIPTS = /(?:^|\s)(\/etc\/(?:init\.d|rc\.d|rc\.d\/init\.d)\/rc)\s+6(?:\s|$)/

const asking = 'write a request for runlevel 6 to init, as `shutdown -r now` does'

/** sysvinit's actions on entering runlevel 6, for any boot scripts. Read from /etc/inittab and its commands. */
export function examineRunlevelSix(system: System, program: Program): InitExamination {
  const entries = rebootEntries(readInittab(system) ?? [])
  const evidence = entries.map(({ process }) => ({ source: '/etc/inittab, runlevel 6', value: process }))
  const nothing = { ...unremarkable, evidence, steps: [asking] }
  const last = entries.at(-1)
  if (last === undefined) return { ...nothing, obstacles: [unable('/etc/inittab starts nothing in runlevel 6')] }
  if (REBOOT_BY_KEXEC.test(last.process)) return { ...nothing, ...byReboot(last.process) }
  const runs = RUN_SCRIPTS.exec(last.process)?.[1]
  const found = REBOOT.test(last.process)
    ? beforeReboot(program, last.id, last.process)
    : (redHat(system, program, runs) ?? debian(system, program, runs))
  if (found !== undefined) return { ...nothing, ...found }
  return { ...nothing, obstacles: [unable(`how \`${last.process}\` of /etc/inittab reboots the machine is unknown`)] }
}

type Found = Partial<InitExamination>

/** Gentoo: the last line of runlevel 6 is `reboot -dkn`, and reboot(8) makes the call itself. */
function byReboot(process: string): Found {
  return {
    steps: [
      asking,
      'the boot scripts stop the services and unmount the file systems',
      `\`${process}\` starts the kernel`,
    ],
    notes: [limitation('When the kernel cannot be started at the end, reboot(8) reboots through the firmware.')],
  }
}

/**
 * The last line of runlevel 6 reboots, so a line of ours goes before it. init reads the file again when it changes the
 * runlevel.
 */
function beforeReboot(program: Program, id: string, process: string): Found {
  const before = new RegExp(`^\\s*${id.replace(/\W/g, '\\$&')}:`)
  return {
    steps: [
      asking,
      'the boot scripts stop the services and unmount the file systems',
      `a line of /etc/inittab before \`${process}\` starts the kernel`,
    ],
    hook: withScript(program, {
      kind: 'lines',
      path: '/etc/inittab',
      lines: [`lk:6:wait:${START_KERNEL}`],
      before,
    }),
  }
}

/**
 * Debian: the boot scripts end with /etc/init.d/reboot, which comes after umountroot and reads /etc/default/halt just
 * before it reboots. Lines there need no place in the order of the boot scripts, which belongs to insserv. With OpenRC,
 * /etc/init.d/rc calls that script itself.
 */
function debian(system: System, program: Program, runs: string | undefined): Found | undefined {
  if (runs !== '/etc/init.d/rc') return undefined
  const reboot = system.readText('/etc/init.d/reboot')
  const settings = '/etc/default/halt'
  const isRead = reboot !== undefined && /^[^#\n]*(?:\.|source)\s+\/etc\/default\/halt/m.test(reboot)
  const callsReboot =
    /^[^#\n]*\/etc\/init\.d\/reboot\s+stop/m.test(system.readText(runs) ?? '') ||
    system.list('/etc/rc6.d').some((name) => /^[KS]\d\dreboot$/.test(name))
  const obstacles: HandoverObstacle[] = []
  if (!isRead) obstacles.push(unable(`/etc/init.d/reboot does not read ${settings}`))
  if (!callsReboot) obstacles.push(unable('runlevel 6 does not end with /etc/init.d/reboot'))
  return {
    steps: [
      asking,
      'the boot scripts stop the services and unmount the file systems',
      `/etc/init.d/reboot reads ${settings}, where a line starts the kernel`,
    ],
    obstacles,
    hook: withScript(program, {
      kind: 'lines',
      path: settings,
      lines: [`case "$0 $1" in *reboot' stop') [ ! -x ${START_KERNEL} ] || ${START_KERNEL} ;; esac`],
    }),
  }
}

/** RHEL 6 and older: rc.d/init.d/halt calls /sbin/kexec -e before it reboots. Without kexec-tools that file is ours. */
function redHat(system: System, program: Program, runs: string | undefined): Found | undefined {
  if (runs === undefined) return undefined
  const halt = ['/etc/rc.d/init.d/halt', '/etc/init.d/halt'].find((path) =>
    /^[^#\n]*kexec/m.test(system.readText(path) ?? ''),
  )
  if (halt === undefined) return undefined
  const steps = [
    asking,
    'the boot scripts stop the services and unmount the file systems',
    `${halt} calls ${KEXEC}, which starts the kernel`,
  ]
  const own = system.exists(KEXEC) && !(system.readBytes(KEXEC) ?? '').includes(MARK)
  if (own)
    return { steps, notes: [limitation(`${KEXEC} does not belong to linux-kexec, and starts the kernel at the end.`)] }
  const unless = [
    'case " $* " in *" -e "*) ;; *) echo "kexec: only -e is supported, for the end of a reboot" >&2; exit 1 ;; esac',
  ]
  const kexec: HookPart = { kind: 'file', path: KEXEC, mode: 0o755, text: hookScript({ program, unless }) }
  return { steps, hook: { parts: [kexec] } }
}

function withScript(program: Program, part: HookPart): Hook {
  return { parts: [{ kind: 'file', path: START_KERNEL, mode: 0o755, text: hookScript({ program }) }, part] }
}
