import about from '../../../package.json' with { type: 'json' }
import { table, wrap } from '../output/layout.ts'
import { type KexecOption, kexecOptions } from './options.ts'

/** The version of kexec-tools whose interface this is: scripts compare it. */
export const INTERFACE = 'kexec-tools 2.0.32'

/** The output of `kexec --version`: scripts read the second word. */
export function kexecVersion(): string {
  return `${INTERFACE} (by linux-kexec ${about.version})`
}

const PURPOSE =
  'Loads a Linux kernel and starts it. Without -l, -p, -u, -e or -f: loads KERNEL, then reboots through the init system.'

/** The output of `kexec --help`, in lines of at most the given columns. */
export function kexecHelp(width: number): string[] {
  const rows = (treatment: KexecOption['treatment']) =>
    table(
      kexecOptions.filter((option) => option.treatment === treatment).map((option) => [callOf(option), option.help]),
      { width },
    )
  return [
    kexecVersion(),
    'Usage: kexec [OPTION]... [KERNEL]',
    ...wrap(PURPOSE, width),
    '',
    ...rows('done'),
    '',
    'Accepted, as kexec-tools accepts them with kexec_file_load:',
    ...rows('ignored'),
    '',
    'Refused:',
    ...rows('refused'),
  ]
}

function callOf({ letter, name, placeholder }: KexecOption): string {
  return ` ${letter === undefined ? '   ' : `-${letter},`} --${name}${placeholder === undefined ? '' : `=${placeholder}`}`
}
