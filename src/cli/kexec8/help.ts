import about from '../../../package.json' with { type: 'json' }
import { table } from '../output/output.ts'
import { type KexecOption, kexecOptions } from './options.ts'

/** The kexec-tools whose interface this is: scripts compare it. */
export const INTERFACE = 'kexec-tools 2.0.32'

/** What `kexec --version` prints: scripts read the second word. */
export function kexecVersion(): string {
  return `${INTERFACE} (by linux-kexec ${about.version})`
}

/** What `kexec --help` prints. */
export function kexecHelp(): string {
  const rows = (wanted: readonly KexecOption[]) => table(wanted.map((option) => [callOf(option), option.help]))
  const of = (treatment: KexecOption['treatment']) => kexecOptions.filter((option) => option.treatment === treatment)
  return [
    kexecVersion(),
    'Usage: kexec [OPTION]... [KERNEL]',
    'Loads a Linux kernel and starts it. Without -l, -p, -u, -e or -f: loads KERNEL, then reboots',
    'through the init system.',
    '',
    ...rows(of('done')),
    '',
    'Taken, as kexec-tools takes them with kexec_file_load:',
    ...rows(of('ignored')),
    '',
    'Refused:',
    ...rows(of('refused')),
  ].join('\n')
}

function callOf({ letter, name, placeholder }: KexecOption): string {
  return ` ${letter === undefined ? '   ' : `-${letter},`} --${name}${placeholder === undefined ? '' : `=${placeholder}`}`
}
