import { chmodSync, closeSync, openSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { Hook, HookPart } from '../../hooks/hook.ts'
import { hookScript, START_KERNEL } from '../../hooks/hook-script.ts'
import type { Program } from '../../program.ts'
import type { System } from '../../system/system.ts'
import { type InitExamination, type InitSystem, unremarkable } from '../contract/init-system.ts'
import { request } from '../contract/request.ts'
import { holdsString, programText } from '../first-process/program-text.ts'

/** What runs when the services are to be stopped; runit(8) reboots when it has ended. */
const STAGE_3 = '/etc/runit/3'

/** A line of a script that is looked at, characters. */
const LONGEST_LINE = 1000

/** The files by which runit(8) is asked: runit's own names, and those that Debian 12 has compiled in. */
const FLAGS = [
  { stop: '/etc/runit/stopit', reboot: '/etc/runit/reboot' },
  { stop: '/run/runit.stopit', reboot: '/run/runit.reboot' },
] as const

type Flags = (typeof FLAGS)[number]

/** runit, as in Void, Artix and Debian (runit-init): stage 3 stops the services and unmounts, its last script is ours. */
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
        `${place === undefined ? 'a hook' : place.told} calls reboot(LINUX_REBOOT_CMD_KEXEC)`,
      ],
      hook: place === undefined ? null : hookAt(place, program, flags ?? FLAGS[0]),
    }
    if (text === undefined)
      return { ...examination, obstacles: ["runit's program cannot be read, and it tells which files it is asked by"] }
    if (flags === undefined) return { ...examination, obstacles: ['this runit is asked by files that are not known'] }
    if (place === undefined) return { ...examination, obstacles: [`${STAGE_3} is missing or cannot be read`] }
    return { ...examination, evidence: [{ source: STAGE_3, value: place.told }] }
  },
  handOver: (context) =>
    request(context, {
      of: 'runit',
      ask: () => ask(context.system),
      hint: `\`sv status /var/service/* /etc/service/*\` shows what it waits for; ${STAGE_3} is what it runs.`,
    }),
}

function flagsOf(text: string | undefined): Flags | undefined {
  return FLAGS.find(({ stop }) => text !== undefined && holdsString(text, stop))
}

/** As runit-init(8) does for `init 6`: the user's execute bit says yes, and SIGCONT has runit look. */
function ask(system: System): void {
  const flags = flagsOf(programText(system, [])) ?? FLAGS[0]
  for (const flag of [flags.reboot, flags.stop]) {
    const path = join(system.root, flag)
    closeSync(openSync(path, 'a', 0o100))
    chmodSync(path, 0o100)
  }
  process.kill(1, 'SIGCONT')
}

/** Where stage 3 can be made to call us, and what people call that. */
interface Place {
  readonly told: string
  readonly part: HookPart
}

/**
 * Void and Artix source the scripts of a folder in stage 3, and so does Debian when its own boot scripts are wanted; else
 * Debian runs those of runlevel 6, the last of which reboots. Anywhere else our line is the last of stage 3.
 */
function placeOf(system: System): Place | undefined {
  const stage = system.readText(STAGE_3)
  if (stage === undefined) return undefined
  const lines = [START_KERNEL]
  const folder = sourcedFolder(system, stage)
  if (folder !== undefined) {
    const path = posix.join(folder, 'zz-linux-kexec.sh')
    const text = `# Placed by linux-kexec handover; \`linux-kexec handover --remove\` takes it away.\n${START_KERNEL}\n`
    return { told: path, part: { kind: 'file', path, mode: 0o644, text } }
  }
  return { told: `the end of ${STAGE_3}`, part: { kind: 'lines', path: STAGE_3, lines } }
}

/** The folder whose *.sh stage 3 goes through: the last that is named and there. */
function sourcedFolder(system: System, stage: string): string | undefined {
  const folders = stage
    .split('\n')
    .filter((line) => line.length < LONGEST_LINE && !/^\s*#/.test(line))
    .flatMap((line) => [...line.matchAll(/(\/etc\/[\w./-]+)\/\*\.sh\b/g)].map((match) => match[1] ?? ''))
  const isUsed = (folder: string) =>
    (system.stat(folder)?.isDirectory() ?? false) &&
    (!folder.endsWith('/shutdown-run') || system.stat('/etc/runit/native.boot.run') !== undefined)
  return folders.filter(isUsed).at(-1)
}

function hookAt({ part }: Place, program: Program, { reboot }: Flags): Hook {
  // test -x says no to every file of a file system that is mounted noexec, as /run often is.
  const unless = [`case $(ls -lL ${reboot} 2>/dev/null) in ???x*) ;; *) exit 0 ;; esac`]
  return { parts: [{ kind: 'file', path: START_KERNEL, mode: 0o755, text: hookScript({ program, unless }) }, part] }
}
