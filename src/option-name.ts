/** Options that sentences name: the command's name, and the API's. */
const flags = {
  'allow-firmware-reboot': 'allowFirmwareReboot',
  fast: 'fast',
  'ignore-inhibitors': 'ignoreInhibitors',
  'no-initrd': 'noInitrd',
  panic: 'panic',
  'require-rehearsal': 'requireRehearsal',
  'reuse-cmdline': 'reuseCommandLine',
  'stale-ok': 'staleOk',
  trial: 'trial',
  'try-anyway': 'tryAnyway',
  'verify-in-purgatory': 'verifyInPurgatory',
  'with-initrd-init': 'withInitrdInit',
} as const

const valued = {
  'build-tree': 'buildTree',
  'command-line': 'commandLine',
  dtb: 'deviceTree',
  engine: 'engine',
  fallback: 'trial.fallback',
  initrd: 'initrds',
  message: 'message',
  overlay: 'overlay',
  remove: 'remove',
  root: 'root',
  'vendor-boot': 'vendorBoot',
} as const

/** Options whose values the API takes in an array. */
const lists: readonly string[] = ['initrd', 'overlay']

let isLibrary = false

/** From now on sentences are for the author of a program. The library's entry point calls this; the command never does. */
export function speakToPrograms(): void {
  isLibrary = true
}

/** An option that is on or off, as its reader writes it: `--no-initrd` at the command line, `noInitrd: true` in a program. */
export function flagName(name: keyof typeof flags): string {
  return isLibrary ? `${flags[name]}: true` : `--${name}`
}

/** The option that accepts a trial although nothing would bring the machine back after some failures. */
export function gapsName(): string {
  return isLibrary ? 'trial: { allowGaps: true }' : '--trial=best-effort'
}

/**
 * An option with its values, as its reader writes it: `--initrd FILE` at the command line, `initrds: ['FILE']` in a program.
 * @param values what to give; without any, the option is only named
 */
export function optionName(name: keyof typeof valued, ...values: readonly string[]): string {
  if (values.length === 0) return isLibrary ? valued[name] : `--${name}`
  if (!isLibrary) return values.map((value) => `--${name} ${value}`).join(' ')
  // The command's value may come in the quotes of a shell.
  const quoted = values.map((value) => (value.startsWith("'") ? value : `'${value}'`)).join(', ')
  return `${valued[name]}: ${lists.includes(name) ? `[${quoted}]` : quoted}`
}
