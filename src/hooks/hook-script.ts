import type { Program } from '../program.ts'
import { type HookFile, type HookPart, marking } from './hook.ts'
import { MARK_FILE } from './request-mark.ts'

/** Files with which an administrator makes a reboot go through the firmware: Gentoo's, and Debian's new and old. */
export const OPT_OUTS = ['/nokexec', '/no-kexec-reboot', '/tmp/no-kexec-reboot']

/** The place of our script: /etc is on the root file system everywhere, which is all that is left at the end. */
export const START_KERNEL = '/etc/linux-kexec/start-kernel'

export interface HookScript {
  readonly program: Program
  /** Comment lines for the init system, such as an LSB header. */
  readonly header?: readonly string[]
  /** Shell code that leaves (`exit 0`) when it is called for anything but the end of a reboot. */
  readonly unless?: readonly string[]
  /** Do nothing at a reboot that `linux-kexec reboot` did not request. */
  readonly onlyAsked?: boolean
  /** Our command to call. Default: exec. */
  readonly command?: readonly string[]
  /**
   * The fate of a requested reboot when the kernel cannot be started: 'wait' (default) for an administrator, where the
   * firmware would be next; 'return' where the caller of the script handles it.
   */
  readonly failure?: 'wait' | 'return'
}

/**
 * The script that starts the loaded kernel as the last step of a shutdown, in POSIX sh. It does nothing when no kernel
 * is loaded or an opt-out exists, so that a plain reboot stays one. When `linux-kexec reboot` requested it
 * (request-mark.ts) and the kernel cannot be started, it waits for an administrator, because the next step is a reboot
 * through the firmware.
 */
export function hookScript(script: HookScript): string {
  const { program, header = [], unless = [], onlyAsked = false, command = ['exec'], failure = 'wait' } = script
  const call = `${quoted(program.node)} ${quoted(program.command)}`
  return `#!/bin/sh
${[marking, ...header, '#', '# Starts the loaded kernel, if one is loaded, as the last step of a reboot.'].join('\n')}
${checkMode(call)}
${unless.map((line) => `${line}\n`).join('')}PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ -e /proc/self ] || mount -t proc proc /proc
[ -e /sys/kernel ] || mount -t sysfs sysfs /sys
loaded=0
[ -r /sys/kernel/kexec_loaded ] && read -r loaded </sys/kernel/kexec_loaded
${ASKED}
${onlyAsked ? '[ -n "$asked" ] || exit 0\n' : ''}if [ -z "$asked" ]; then
  [ "$loaded" = 1 ] || exit 0
  for file in ${OPT_OUTS.join(' ')}; do
    [ -e "$file" ] && exit 0
  done
fi
# Where the console cannot be written to, exec would end this script.
if (: >/dev/console) 2>/dev/null; then exec >/dev/console 2>&1; fi
${call} ${command.map(quoted).join(' ')}
echo 'linux-kexec: the loaded kernel was not started; the reason is above'
${failure === 'wait' ? WAIT : ''}exit 0
`
}

const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** Shell code that finds out this boot's request. */
export const ASKED = `# The request of \`linux-kexec reboot\` in this boot; empty for a plain reboot.
asked= of= boot=
[ -r ${MARK_FILE} ] && read -r asked of <${MARK_FILE}
[ -r ${BOOT_ID} ] && read -r boot <${BOOT_ID}
[ "$of" = "$boot" ] || asked=`

/** Called with this word, a script only prints the version of the program that it would call. */
export const CHECK = '--check'

const checkMode = (call: string) => `[ "$1" = ${CHECK} ] && exec ${call} --version`

/** Whether a part of a hook is one of these scripts. */
export function isHookScript(part: HookPart): part is HookFile {
  return part.kind === 'file' && part.text.includes(`\n[ "$1" = ${CHECK} ] && exec `)
}

/** The script's action when it may not continue to a reboot through the firmware. */
const WAIT = `case $asked in
  kexec) ;;
  *)
    echo 'linux-kexec: rebooting through the firmware'
    exit 0
    ;;
esac
echo 'linux-kexec: all services are stopped; a reboot through the firmware was not allowed (--allow-firmware-reboot).'
echo 'linux-kexec: to reboot through the firmware, type reboot here and press Enter.'
answer=
until [ "$answer" = reboot ]; do
  read -r answer </dev/console || sleep 60
done
`

/** A word as the shell takes it literally. */
export function quoted(word: string): string {
  return /^[\w/.:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
