import type { CommandCall, CommandFunction } from '../interpreter/command.ts'
import type { Interpreter } from '../interpreter/interpreter.ts'
import { agreed, type Doubt, either, errors, type Split, type Truth } from '../script/values.ts'
import { blscfg } from './blscfg.ts'
import { bootCommands } from './commands-boot.ts'
import { fileCommands } from './commands-file.ts'
import { menuCommands } from './commands-menu.ts'
import { test } from './test-command.ts'
import { uki } from './uki-command.ts'

/** Commands without effect on the visible menu that succeed: of GRUB 2.06 to 2.14, and of SUSE's GRUB. */
const effectless =
  '915resolution all_functional_test backtrace cbmemc cmosclean cmosset coreboot_boottime cryptocheck drivemap efiemu_loadcore efiemu_prepare efiemu_unload functional_test gdbstub_break gdbstub_stop gptsync hello hexdump_random kfreebsd_loadenv kfreebsd_module kfreebsd_module_elf knetbsd_module knetbsd_module_elf kopenbsd_ramdisk legacy_initrd legacy_initrd_nounzip legacy_password lsfonts lsmod mactelbless net_del_dns net_del_route net_ipv6_autoconf net_set_vlan plainmount test_blockarg testload testspeed xnu_devprop_load xnu_kext xnu_kextdir xnu_mkext xnu_ramdisk xnu_uuid zfsinfo btrfs-get-default-subvol btrfs-info btrfs-list-subvols btrfs-mount-subvol connectefi efivar fix_video hiddenentry loadbios tpm2_dump_pcr tpm2_key_protector_clear tpm2_key_protector_init acpi badram blocklist cat clear color configured cryptomount cutmem distrust dump echo fakebios fdtdump gdbstub gettext help hexdump histogram kernel_info keymap legacy_check_password list_env list_trusted ls lsacpi lsapm lscoreboot lsefi lsefimmap lsefisystab lsmmap lspci lssal luks_list macppcbless mmap nativedisk net_add_addr net_add_dns net_add_route net_bootp net_bootp6 net_del_addr net_dhcp net_get_dhcp_option net_ls_addr net_ls_cards net_ls_dns net_ls_routes net_nslookup normal_init outb outl outw parttool password password_pbkdf2 pcidump play pop_env push_env rmmod sendkey serial setpci setup_var sleep spkmodem stall suspend terminal_input terminal_output terminfo time trust usb vbeinfo vbetest videoinfo videotest wrmsr write_byte write_dword write_word xnu_splash zfskey zfs-bootfs lockdown'.split(
    ' ',
  )

/** Commands that depend on the machine: its keys, its screen, its firmware, its clock. */
const unknowable: Record<string, string> = {
  hwmatch: 'the machine',
  loadfont: 'the screen',
  background_image: 'the screen',
  background_color: 'the screen',
  cpuid: 'the processor',
  rdmsr: 'the processor',
  inb: 'the machine',
  inw: 'the machine',
  inl: 'the machine',
  authenticate: 'a password',
  verify_detached: 'a signature',
  hashsum: 'a checksum',
  md5sum: 'a checksum',
  sha1sum: 'a checksum',
  sha256sum: 'a checksum',
  sha512sum: 'a checksum',
  crc: 'a checksum',
  cmp: 'the content of files',
  cmosdump: 'the machine',
  cmostest: 'the machine',
  hdparm: 'the disk',
  pxe: 'the network',
  tpm: 'the machine',
  efitextmode: 'the firmware',
  videomode: 'the screen',
}

/** Commands that set a variable from the machine's state. */
const machineValues: Record<string, string> = {
  read: 'what is typed',
  read_byte: 'the machine',
  read_word: 'the machine',
  read_dword: 'the machine',
  date: 'the clock',
  getenv: 'the firmware',
  smbios: 'the firmware',
}

export const commands = new Map<string, CommandFunction>([
  ...effectless.map((name): [string, CommandFunction] => [name, () => true]),
  ...Object.entries(unknowable).map(([name, why]): [string, CommandFunction] => [name, (run) => unknown(run, why)]),
  ...Object.entries(machineValues).map(([name, why]): [string, CommandFunction] => [
    name,
    (run, call) => tell(run, call, why),
  ]),
  ['keystatus', (run) => unknown(run, 'a key held down', false)],
  ['true', () => true],
  ['false', () => false],
  ['test', (run, call) => testCommand(run, call, call.alternatives)],
  ['[', (run, call) => testCommand(run, call, call.alternatives.map(withoutBracket))],
  ['insmod', insmod],
  ['set', set],
  ['unset', (run, { words }) => each(words.slice(0, 1), (name) => run.set(name, undefined))],
  ['export', exportCommand],
  ['increment', (run, { words: [name = ''] }) => count(run, name, 1)],
  ['decrement', (run, { words: [name = ''] }) => count(run, name, -1)],
  ['setparams', setParameters],
  ['shift', shift],
  ['break', (run, { words }) => leaveLoops(run, 'break', words)],
  ['continue', (run, { words }) => leaveLoops(run, 'continue', words)],
  ['return', returnCommand],
  ['exit', exit],
  ['normal_exit', exit],
  [
    'eval',
    (run, { words }) => {
      run.within(() => run.runText(words.join(' ')))
      return run.status
    },
  ],
  ['blscfg', blscfg],
  ['bls_import', blscfg],
  ['uki', uki],
  ...bootCommands,
  ...fileCommands,
  ...menuCommands,
])

function each<Item>(items: readonly Item[], act: (item: Item) => void): true {
  for (const item of items) act(item)
  return true
}

/** `break` and `continue` leave at most the loops that exist; outside of loops they do nothing. */
function leaveLoops(run: Interpreter, kind: 'break' | 'continue', words: readonly string[]): boolean {
  const [number = '1'] = words
  if (words.length > 1 || !/^\d+$/.test(number) || Number(number) === 0) return run.fails(errors.badArgument)
  const levels = Math.min(Number(number), run.loops)
  if (levels > 0) run.jump = { kind, levels }
  return true
}

function exit(run: Interpreter): true {
  run.jump = { kind: 'exit', levels: 1 }
  return true
}

/** Without a number, the last command's result. */
function returnCommand(run: Interpreter, { words }: CommandCall): Truth {
  const [number] = words
  if (run.positional === null || words.length > 1) return run.fails(errors.badArgument)
  const before = run.status
  const failure = run.text('?')
  if (number !== undefined && !/^\d+$/.test(number)) return run.fails(errors.badArgument)
  run.jump = { kind: 'return', levels: 1 }
  if (number === undefined) {
    if (before === false) run.failure = failure
    return before
  }
  run.failure = String(Number(number))
  return Number(number) === 0
}

function setParameters(run: Interpreter, { words }: CommandCall): boolean {
  if (run.positional === null) return run.fails(errors.badArgument)
  run.positional = words
  return true
}

function shift(run: Interpreter, { words }: CommandCall): boolean {
  const [number = '1'] = words
  if (run.positional === null) return true
  if (words.length > 1 || !/^\d+$/.test(number) || Number(number) > run.positional.length)
    return run.fails(errors.badArgument)
  run.positional = run.positional.slice(Number(number))
  return true
}

/** Modules provide commands, which all exist here; wildcards come with one of them. */
function insmod(run: Interpreter, { words }: CommandCall): true {
  for (const word of words) run.modules.add(word)
  if (words.includes('regexp')) run.hasWildcards = true
  return true
}

function unknown(run: Interpreter, why: string, likely?: boolean): Truth {
  run.asked = likely === undefined ? { why, split: null } : { why, split: null, likely }
  return 'unknown'
}

/** `read NAME`, `getenv --set=NAME`: the variable's value is unknown here. */
function tell(run: Interpreter, { words }: CommandCall, why: string): Truth {
  const names = words.flatMap(
    (word, index) => /^--set=(.+)$/.exec(word)?.[1] ?? (word === '--set' ? (words[index + 1] ?? []) : []),
  )
  const [first] = words
  if (names.length === 0 && first !== undefined && !first.startsWith('-')) names.push(first)
  for (const name of names) run.set(name, { candidates: [''], why })
  return unknown(run, why)
}

function withoutBracket(words: readonly string[]): readonly string[] {
  return words.at(-1) === ']' ? words.slice(0, -1) : words
}

function testCommand(run: Interpreter, call: CommandCall, alternatives: readonly (readonly string[])[]): Truth {
  let unknown: string | null = null
  const files = {
    test: (operator: 'e' | 'f' | 'd' | 's', path: string) => {
      const file = run.locate(path)
      unknown ??= file.unknown
      return run.devices.test(operator, file)
    },
  }
  const results = alternatives.map((words) => test(words, files))
  const truth = call.why !== null && alternatives.length === 1 ? 'unknown' : agreed(results)
  if (truth === 'unknown') run.asked = doubtOf(call, unknown, alternatives, results)
  return truth
}

function doubtOf(
  call: CommandCall,
  unknown: string | null,
  [words = []]: readonly (readonly string[])[],
  results: readonly Truth[],
): Doubt {
  if (call.why === null) return { why: unknown ?? 'the times of files', split: null }
  const doubt = { why: call.why, split: splitOf(call, results) }
  if (results.length > 1) return doubt
  // An unknown value is hardly the one that it is compared with, among all possible ones.
  const likely = test(words, { test: () => 'unknown', emptyIsSomething: true })
  return likely === 'unknown' ? doubt : { ...doubt, likely }
}

function splitOf({ unsure }: CommandCall, results: readonly Truth[]): Split | null {
  if (unsure === null || results.includes('unknown') || results.length !== unsure.candidates.length) return null
  const those = (wanted: boolean) => unsure.candidates.filter((_, index) => results[index] === wanted)
  return { name: unsure.name, whenTrue: those(true), whenFalse: those(false) }
}

function set(run: Interpreter, { words: [assignment], alternatives, why }: CommandCall): Truth {
  if (assignment === undefined) return true
  const equals = assignment.indexOf('=')
  if (equals < 1) return false
  const name = assignment.slice(0, equals)
  const values = alternatives.map(([other = '']) => other.slice(other.indexOf('=') + 1))
  run.set(
    name,
    why === null
      ? values[0]
      : values.length === 1
        ? { candidates: values, why }
        : values
            .map((value): string | undefined => value)
            .reduce<ReturnType<typeof either>>((one, other) => either(one, other, why), values[0]),
  )
  return true
}

/** Takes names only: `export name=value` exports a variable of that odd name, and sets nothing. */
function exportCommand(run: Interpreter, { words }: CommandCall): Truth {
  for (const word of words) run.context.environment.export(word)
  return true
}

/** Fedora's boot counting: `increment boot_indeterminate`. */
function count(run: Interpreter, name: string, step: number): Truth {
  run.set(name, String((Number.parseInt(run.text(name), 10) || 0) + step))
  return true
}
