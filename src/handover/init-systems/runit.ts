import { chmodSync, closeSync, openSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { Hook, HookPart } from '../../hooks/hook.ts'
import { hookScript, START_KERNEL } from '../../hooks/hook-script.ts'
import type { Program } from '../../program.ts'
import type { System } from '../../system/system.ts'
import { type InitExamination, type InitSystem, unremarkable } from '../contract/init-system.ts'
import { unable, unreadable } from '../contract/remarks.ts'
import { request } from '../contract/request.ts'
import { holdsString, programText } from '../first-process/program-text.ts'

/** The script that stops the services; runit(8) reboots when it has ended. */
const STAGE_3 = '/etc/runit/3'

/** The longest line of a script that is read, in characters. */
const LONGEST_LINE = 1000

/** The files for requests to runit(8): runit's own names, and those compiled into Debian 12's. */
const FLAGS = [
  { stop: '/etc/runit/stopit', reboot: '/etc/runit/reboot' },
  { stop: '/run/runit.stopit', reboot: '/run/runit.reboot' },
] as const

type Flags = (typeof FLAGS)[number]

/**
 * runit, as in Void, Artix and Debian (runit-init): stage 3 stops the services and unmounts, our script is its last.
 */
export const runit: InitSystem = {
  name: 'runit',
  title: 'runit',
  detect: (_, first) => (first.isNamed('runit', 'runit-init') ? [] : undefined),
  examine(system, program) {
    const text = programText(system, ['/sbin/runit', '/usr/bin/runit'])
    const flags = flagsOf(text)
    const place = placeOf(system)
    const examination: InitExamination = {
      ...unremarkable,
      steps: [
        `make ${flags?.stop ?? 'stopit'} and ${flags?.reboot ?? 'reboot'} executable and send SIGCONT to PID 1, as \`init 6\` does`,
        `runit runs ${STAGE_3}: it stops the services, ends all processes and unmounts the file systems`,
        `${place === undefined ? 'a hook' : place.label} calls reboot(LINUX_REBOOT_CMD_KEXEC)`,
      ],
      hook: place === undefined ? null : hookAt(place, program, flags ?? FLAGS[0]),
    }
    if (text === undefined)
      return {
        ...examination,
        obstacles: [unreadable("runit's program cannot be read, so the files for requests to it are unknown")],
      }
    if (flags === undefined)
      return { ...examination, obstacles: [unable('this runit takes requests through unknown files')] }
    if (place === undefined)
      return { ...examination, obstacles: [unreadable(`${STAGE_3} is missing or cannot be read`)] }
    return { ...examination, evidence: [{ source: STAGE_3, value: place.label }] }
  },
  handOver: (context) =>
    request(context, {
      of: 'runit',
      ask: () => ask(context.system),
      hint: `It runs ${STAGE_3}. \`sv status /var/service/* /etc/service/*\` shows the services that it waits for.`,
    }),
}

function flagsOf(text: string | undefined): Flags | undefined {
  return FLAGS.find(({ stop }) => text !== undefined && holdsString(text, stop))
}

/** As runit-init(8) does for `init 6`: the user's execute bit means yes, and SIGCONT makes runit look. */
function ask(system: System): void {
  const flags = flagsOf(programText(system, [])) ?? FLAGS[0]
  for (const flag of [flags.reboot, flags.stop]) {
    const path = join(system.root, flag)
    closeSync(openSync(path, 'a', 0o100))
    chmodSync(path, 0o100)
  }
  process.kill(1, 'SIGCONT')
}

/** The place in stage 3 that can call us, and its name for people. */
interface Place {
  readonly label: string
  readonly part: HookPart
}

/**
 * In stage 3, Void and Artix source the scripts of a directory, and so does Debian with its own boot scripts; else
 * Debian runs those of runlevel 6, the last of which reboots. On other systems our line is the last of stage 3.
 */
function placeOf(system: System): Place | undefined {
  const stage = system.readText(STAGE_3)
  if (stage === undefined) return undefined
  const lines = [START_KERNEL]
  const directory = sourcedDirectory(system, stage)
  if (directory !== undefined) {
    const path = posix.join(directory, 'zz-linux-kexec.sh')
    const text = `# Placed by linux-kexec handover; \`linux-kexec handover --remove\` removes it.\n${START_KERNEL}\n`
    return { label: path, part: { kind: 'file', path, mode: 0o644, text } }
  }
  return { label: `the end of ${STAGE_3}`, part: { kind: 'lines', path: STAGE_3, lines } }
}

/** The directory whose *.sh stage 3 sources: the last one that is named and exists. */
function sourcedDirectory(system: System, stage: string): string | undefined {
  const directories = stage
    .split('\n')
    .filter((line) => line.length < LONGEST_LINE && !/^\s*#/.test(line))
    .flatMap((line) => [...line.matchAll(/(\/etc\/[\w./-]+)\/\*\.sh\b/g)].map((match) => match[1] ?? ''))
  const isUsed = (directory: string) =>
    (system.stat(directory)?.isDirectory() ?? false) &&
    (!directory.endsWith('/shutdown-run') || system.stat('/etc/runit/native.boot.run') !== undefined)
  return directories.filter(isUsed).at(-1)
}

function hookAt({ part }: Place, program: Program, { reboot }: Flags): Hook {
  // test -x fails for every file of a file system mounted noexec, as /run often is.
  const unless = [`case $(ls -lL ${reboot} 2>/dev/null) in ???x*) ;; *) exit 0 ;; esac`]
  return { parts: [{ kind: 'file', path: START_KERNEL, mode: 0o755, text: hookScript({ program, unless }) }, part] }
}
