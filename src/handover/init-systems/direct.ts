import { writeFileSync } from 'node:fs'
import { KexecError } from '../../errors.ts'
import { flagName } from '../../option-name.ts'
import { status } from '../../system/kexec-state.ts'
import { noteLeft } from '../../trial/last/note.ts'
import { type InitSystem, unremarkable } from '../contract/init-system.ts'
import { keepLoaded } from '../contract/keep-loaded.ts'
import { execute } from '../jump/execute.ts'
import { requireDirect } from '../jump/may-reboot.ts'
import { closeMounts, writeBack } from '../jump/mounts.ts'
import { endProcesses, outlive } from '../jump/processes.ts'

/** Without an init system's help: for initramfs environments, custom PID 1 programs, and rescue. */
export const direct: InitSystem = {
  name: 'direct',
  title: 'direct',
  detect: (system) => (system.isLive && process.pid === 1 ? [{ source: 'process.pid', value: '1' }] : undefined),
  examine: () => ({
    ...unremarkable,
    steps: [
      'set kernel.kexec_load_disabled, so that the kernel stays loaded',
      'send SIGTERM to every process and wait until all have ended',
      'send SIGKILL to the remaining ones',
      'write everything to disk (sync)',
      'unmount every file system, or remount it read-only where it is in use; leave one that does not answer unchanged',
      'call reboot(LINUX_REBOOT_CMD_KEXEC)',
    ],
  }),
  reachesFirmware: true,
  requirePermission: requireDirect,
  async handOver({ system, report, begun, signal, deadline, allowFirmwareReboot = false }) {
    signal?.throwIfAborted()
    outlive()
    const wasLoaded = status(system).loaded
    if (wasLoaded !== false) keepLoaded(report)
    if (wasLoaded && status(system).loaded === false) throw unloaded()
    begun?.()
    await endProcesses({ deadline, report })
    report('writing everything to disk and unmounting')
    noteLeft()
    const unwritten = writeBack(system)
    if (unwritten !== undefined) report(unwritten)
    process.chdir('/')
    for (const failure of closeMounts(system)) report(failure)
    report('starting the loaded kernel')
    try {
      // The rest is written again, unless the first attempt failed.
      execute({ sync: unwritten === undefined, report })
    } catch (error) {
      if (!allowFirmwareReboot) throw notStarted(error)
      report(`the loaded kernel was not started: ${error instanceof Error ? error.message : String(error)}`)
      report('rebooting through the firmware')
      try {
        rebootFirmware()
      } catch (cause) {
        report(
          `the reboot through the firmware failed as well: ${cause instanceof Error ? cause.message : String(cause)}`,
        )
        throw notStarted(error)
      }
    }
  },
}

/** Between the check and the switch that keeps it loaded. */
function unloaded(): KexecError {
  return new KexecError('another program unloaded the kernel just now; nothing was stopped', {
    reason: 'nothing-loaded',
    hint: 'kernel.kexec_load_disabled is set now, so the running kernel loads no other. Reboot through the firmware.',
    refused: true,
  })
}

/** It is too late to go back, and nobody allowed the firmware: the machine waits for an administrator. */
function notStarted(cause: unknown): KexecError {
  const { summary, evidence, errno } = cause as KexecError
  return new KexecError(
    `${summary}; all processes were ended and the file systems unmounted; linux-kexec does nothing else`,
    {
      reason: 'handover-failed',
      hint: `\`linux-kexec exec\` tries again; \`echo b > /proc/sysrq-trigger\` reboots through the firmware, as ${flagName('allow-firmware-reboot')} would have done.`,
      evidence,
      ...(errno === undefined ? {} : { errno }),
      cause,
    },
  )
}

/** Documentation/admin-guide/sysrq.rst, 'b': immediately. Writing to the file works with any value of kernel.sysrq. */
function rebootFirmware(): void {
  writeFileSync('/proc/sysrq-trigger', 'b')
}
