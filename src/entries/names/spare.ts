import { isReplaced, isRescue } from './kernel-names.ts'

/** The signs of an entry's purpose. */
interface Started {
  readonly kernel: string | null
  readonly commandLine: string | null
}

/** Whether an entry is kept only as a way back, or for repairs. select() prefers another of the same version. */
export function isSpare(entry: Started): boolean {
  return isRescue(entry.kernel) || isReplaced(entry.kernel) || isRecovery(entry)
}

/** Words that request a single user or a shell in place of an init, or that erase the system or lend out its disks. */
const recoveryWord =
  /(?:^| )(?:single|[sS1]|recovery|rescue|emergency|rd\.break(?:=\S*)?|init=\/bin\/(?:ba|da)?sh|systemd\.factory_reset(?:=\S*)?|(?:rd\.)?systemd\.unit=(?:rescue|emergency|runlevel1|factory-reset|storage-target-mode)\.target)(?: |$)/

/** Whether an entry is for repairs, by its command line: GRUB's "(recovery mode)". */
export function isRecovery({ commandLine }: Pick<Started, 'commandLine'>): boolean {
  return commandLine !== null && recoveryWord.test(commandLine)
}
