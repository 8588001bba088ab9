import type { OptionSpecification, ValueRule } from './getopt.ts'

/**
 * The treatment of an option here: it is obeyed; it has no effect with kexec_file_load, so that kexec-tools ignores it
 * as well; or it is refused, because only kexec_load as kexec-tools uses it can do it.
 */
export type Treatment = 'done' | 'ignored' | 'refused'

/** One option of kexec(8), with its treatment here. */
export interface KexecOption extends OptionSpecification {
  readonly treatment: Treatment
  /** Name of the value in help. */
  readonly placeholder?: string
  readonly help: string
  /** Describes the load: without a load it is an error, as in kexec-tools. */
  readonly describesLoad?: boolean
}

/** Why an option has no effect: it only changes kexec_load. */
const PURGATORY = 'no effect: with kexec_file_load the kernel uses its own purgatory'
const PLACES = 'no effect: with kexec_file_load the kernel chooses the addresses'
const CRASH = 'no effect: with kexec_file_load the kernel makes these itself'

/** Every long option of kexec-tools 2.0.32 on x86_64, in the order of its own table (kexec.h, arch/options.h); and its letters. */
export const kexecOptions: readonly KexecOption[] = [
  done('help', 'h', 'show this help'),
  done('version', 'v', 'show the version'),
  done('force', 'f', 'load the kernel and start it at once: no service is stopped'),
  ignored('no-checks', 'i', 'no effect: kexec_file_load always checks the images'),
  ignored('no-ifdown', 'x', 'no effect: network interfaces are never taken down'),
  done('no-sync', 'y', 'do not write cached data to disk before the kexec'),
  done('load', 'l', 'load the kernel'),
  done('unload', 'u', 'unload what is loaded; with -p the crash kernel'),
  done('exec', 'e', 'start the loaded kernel at once: no service is stopped'),
  refused('exec-live-update', 'is for Xen'),
  refused('load-preserve-context', 'is supported only by kexec-tools, with kexec_load'),
  refused('load-jump-back-helper', 'is supported only by kexec-tools, with kexec_load'),
  refused('load-live-update', 'is for Xen'),
  valued('entry', 'ADDRESS', 'ignored', 'no effect: it belongs to --load-jump-back-helper'),
  { ...valued('type', 'TYPE', 'done', 'the type of KERNEL; no effect: it is recognised anyway'), letter: 't' },
  done('load-panic', 'p', 'load the kernel as the crash kernel'),
  valued('mem-min', 'ADDRESS', 'ignored', PLACES),
  valued('mem-max', 'ADDRESS', 'ignored', PLACES),
  refused('reuseinitrd', 'is not supported by any x86 kernel'),
  done('kexec-file-syscall', 's', 'load with kexec_file_load'),
  done('kexec-syscall', 'c', 'load with kexec_load: the image is laid out here, and nothing checks its signature'),
  done('kexec-syscall-auto', 'a', 'the default: kexec_file_load, or kexec_load where the kernel lacks it'),
  done('debug', 'd', 'show what is loaded, and why'),
  done('status', 'S', 'exit status 1 if a crash kernel (with -l: a kernel) is loaded, else 0'),
  done('print-ckr-size', '', "print the size of the crash kernel's memory, bytes"),
  done(
    'hotplug',
    '',
    'have the kernel keep a crash kernel up to date by itself, as it always does with kexec_file_load',
  ),
  ignored('reset-vga', '', PURGATORY),
  valued('serial', 'PORT', 'ignored', PURGATORY),
  valued('serial-baud', 'RATE', 'ignored', PURGATORY),
  ignored('console-vga', '', PURGATORY),
  ignored('console-serial', '', PURGATORY),
  ignored('elf32-core-headers', '', CRASH),
  ignored('elf64-core-headers', '', CRASH),
  ofLoad(ignored('pass-memmap-cmdline', '', CRASH)),
  ofLoad(ignored('noefi', '', 'no effect: the kernel passes on its EFI data')),
  ofLoad(ignored('reuse-video-type', '', 'no effect: the kernel passes on the screen as it is')),
  ofLoad({ ...valued('command-line', 'STRING', 'done', 'the command line, verbatim'), meaning: 'append' }),
  ofLoad(valued('append', 'STRING', 'done', 'the same; after --reuse-cmdline what is added to it')),
  ofLoad(done('reuse-cmdline', '', "the running kernel's command line, without what belongs to its boot")),
  ofLoad({ ...valued('initrd', 'FILE', 'done', 'the initrd'), meaning: 'initrd' }),
  ofLoad({ ...valued('ramdisk', 'FILE', 'done', 'the same'), meaning: 'initrd' }),
  ofLoad(ignored('args-elf', '', 'no effect: it belongs to images that kexec_file_load does not take')),
  ofLoad(ignored('args-linux', '', 'no effect: only Linux kernels are loaded')),
  ofLoad(ignored('args-none', '', 'no effect: it belongs to images that kexec_file_load does not take')),
  ofLoad(valued('module', 'STRING', 'refused', 'is for multiboot images')),
  ofLoad(refused('real-mode', 'is supported only by kexec-tools, with kexec_load')),
  ofLoad(refused('entry-32bit', 'is supported only by kexec-tools, with kexec_load')),
  ofLoad(valued('dtb', 'FILE', 'refused', 'is not supported by kexec_file_load')),
]

function option(name: string, letter: string, value: ValueRule, treatment: Treatment, help: string): KexecOption {
  return { name, ...(letter === '' ? {} : { letter }), value, meaning: name, treatment, help }
}

function done(name: string, letter: string, help: string): KexecOption {
  return option(name, letter, 'none', 'done', help)
}

function ignored(name: string, letter: string, help: string): KexecOption {
  return option(name, letter, 'none', 'ignored', help)
}

function refused(name: string, help: string): KexecOption {
  return option(name, '', 'none', 'refused', help)
}

function valued(name: string, placeholder: string, treatment: Treatment, help: string): KexecOption {
  return { ...option(name, '', 'required', treatment, help), placeholder }
}

function ofLoad(one: KexecOption): KexecOption {
  return { ...one, describesLoad: true }
}
