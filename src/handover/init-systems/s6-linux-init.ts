import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Hook } from '../../hooks/hook.ts'
import { hookScript, START_KERNEL } from '../../hooks/hook-script.ts'
import type { Program } from '../../program.ts'
import type { System } from '../../system/system.ts'
import { type InitExamination, type InitSystem, unremarkable } from '../contract/init-system.ts'
import { unreadable } from '../contract/remarks.ts'
import { request } from '../contract/request.ts'

/** The shutdown daemon's service, below s6-linux-init's own tmpfs. */
const DAEMON = '/run/service/s6-linux-init-shutdownd'
const FIFO = `${DAEMON}/fifo`

/** Where s6-linux-init keeps its scripts, unless its shutdown daemon was started with another place (-c). */
const BASE = '/etc/s6-linux-init/current'

/**
 * A request to the shutdown daemon, as s6-linux-init-shutdown writes it (hpr_shutdown.c): 'r' for reboot, when (a TAI64N
 * stamp of 12 bytes, counted from now: zero), and the time between SIGTERM and SIGKILL (4 bytes; zero: its own).
 */
export const REBOOT_NOW = Buffer.from([0x72, ...new Array<number>(16).fill(0)])

/** s6-linux-init: rc.shutdown stops the services; rc.shutdown.final, after all is unmounted, calls our script. */
export const s6LinuxInit: InitSystem = {
  name: 's6-linux-init',
  title: 's6-linux-init',
  detect(system, first) {
    // s6-svscan alone may be PID 1 of any system, such as a container of s6-overlay.
    if (!first.isNamed('s6-svscan', 's6-linux-init') || !system.exists(FIFO)) return undefined
    return [{ source: FIFO, value: 'present' }]
  },
  examine(system, program) {
    const base = baseOf(system)
    const final = `${base}/scripts/rc.shutdown.final`
    const text = system.readText(final)
    const examination: InitExamination = {
      ...unremarkable,
      steps: [
        `write a request for a reboot to ${FIFO}, as \`shutdown -r now\` does`,
        `s6-linux-init runs ${base}/scripts/rc.shutdown, ends all processes and unmounts the file systems`,
        `${final} calls reboot(LINUX_REBOOT_CMD_KEXEC)`,
      ],
      hook: text === undefined ? null : hookFor(base, text, program),
      evidence: [{ source: `${DAEMON}/run`, value: `-c ${base}` }],
    }
    if (text !== undefined) return examination
    return {
      ...examination,
      obstacles: [unreadable(`${final} is missing or cannot be read`)],
      install: ['s6-linux-init 1.0 or newer, with the scripts that s6-linux-init-maker makes'],
    }
  },
  handOver: (context) =>
    request(context, {
      of: 's6-linux-init',
      ask: () => ask(context.system),
      hint: `It waits for ${baseOf(context.system)}/scripts/rc.shutdown to end.`,
    }),
}

/** The directory that the shutdown daemon was started with. */
function baseOf(system: System): string {
  const run = system.readText(`${DAEMON}/run`) ?? ''
  return /\s-c\s*"?(\/[^\s"]+)"?/.exec(run)?.[1] ?? BASE
}

/** Never waits for a reader: without one the daemon is not running (ENXIO). */
function ask(system: System): void {
  const fifo = openSync(join(system.root, FIFO), constants.O_WRONLY | constants.O_NONBLOCK)
  try {
    writeSync(fifo, REBOOT_NOW)
  } finally {
    closeSync(fifo)
  }
}

function hookFor(base: string, final: string, program: Program): Hook {
  const isExecline = /^#!.*execlineb/.test(final)
  const line = isExecline ? `foreground { ${START_KERNEL} }` : START_KERNEL
  // The daemon's last script is this file; it ends in `s6-linux-init-hpr -f -r` when this is a reboot.
  const unless = [`grep -q -e ' -r$' '${DAEMON}/stage 4' || exit 0`]
  return {
    parts: [
      { kind: 'file', path: START_KERNEL, mode: 0o755, text: hookScript({ program, unless }) },
      // Before the first command: an execline script becomes its last one.
      { kind: 'lines', path: `${base}/scripts/rc.shutdown.final`, lines: [line], before: /^[^#\s]/ },
    ],
  }
}
