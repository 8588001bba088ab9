import { hasParameter } from '../../cmdline/look-up.ts'
import { wantsKaslr } from '../../engine/layout/x86_64/kaslr.ts'
import type { SetupHeader, SetupPayload } from '../../image/model/setup-header.ts'
import { hasUnpackablePayload } from '../../image/unpack/payload.ts'
import { unpackableCompression } from '../../initrd/unpacked.ts'
import { flagName } from '../../option-name.ts'
import { formatBytes } from '../../text.ts'
import type { Context } from '../context/context.ts'
import { leavesFiveLevels } from '../context/paging.ts'
import type { RunningMachine } from '../context/running-machine.ts'
import { type Choice, type PlanDecision, silent, together } from '../model/decision.ts'
import type { Engine } from './engine.ts'

/** The work that a fast load does before the reboot instead of after it. */
export interface FastMeasures {
  /** Unpack the initrds in memory. */
  readonly unpackInitrds: boolean
  /** Start the unpacked kernel itself. */
  readonly unpackKernel: boolean
  /** Place kernel and initrd in memory that is free at load time. */
  readonly inFreeMemory: boolean
}

const noMeasures: FastMeasures = { unpackInitrds: false, unpackKernel: false, inFreeMemory: false }

/** The choices that a fast load depends on. */
export interface FastLoad {
  readonly engine: Engine
  readonly commandLine: string
  /** Whether all segments are hashed before the new kernel starts, although only this library would do so. */
  readonly verify: boolean
}

/** Decides which measures of `fast` are possible, and names the gain and the price of each. */
export function chooseFastMeasures(context: Context, load: FastLoad): Choice<FastMeasures> {
  const { options, kernel } = context
  if (!options.fast) return silent(noMeasures)
  if (options.panic) {
    const reason = 'a crash kernel waits for a panic, in memory that is short'
    return { value: noMeasures, decisions: [decision('nothing is done in advance', reason)], remarks: [] }
  }
  const { setupHeader, format } = kernel.image
  const inFreeMemory = load.engine === 'segments' && (setupHeader !== null || format === 'arm64 Image')
  const measures = together({
    inFreeMemory: inFreeMemory ? decided(true, ...IN_FREE_MEMORY) : silent(false),
    unpackKernel: chooseKernel(context, load),
    unpackInitrds: chooseUnpacking(context, load.engine),
  })
  return { ...measures, decisions: [aboutHashing(load), ...measures.decisions] }
}

const IN_FREE_MEMORY = [
  'kernel and initrd are placed in memory that is free now',
  'this saves copying what the running kernel already keeps at that place, at no cost',
] as const

function decision(choice: string, reason: string): PlanDecision {
  return { subject: 'fast', choice, reason }
}

function decided(value: boolean, choice: string, reason: string): Choice<boolean> {
  return { value, decisions: [decision(choice, reason)], remarks: [] }
}

function aboutHashing({ engine, verify }: FastLoad): PlanDecision {
  if (verify)
    return decision(
      'kernel and initrd are hashed before the new kernel starts',
      `asked for with ${flagName('verify-in-purgatory')}`,
    )
  return engine === 'segments'
    ? decision(
        'nothing is hashed before the new kernel starts',
        'kexec_load runs no purgatory: this saves a SHA-256 over kernel and initrd, but memory overwritten since the load is no longer detected',
      )
    : decision(
        'kernel and initrd are hashed before the new kernel starts',
        'kexec_file_load always does this; kexec_load does not, but the policy of this machine rules it out, or it was not asked for',
      )
}

function chooseKernel(context: Context, { engine, commandLine }: FastLoad): Choice<boolean> {
  const { setupHeader, format } = context.kernel.image
  if (setupHeader === null) return decided(false, 'the kernel is loaded as it is', `${format} is not compressed`)
  const reason =
    engine === 'file'
      ? 'kexec_file_load takes it only compressed'
      : whyLeftCompressed(context, setupHeader, commandLine)
  if (reason !== null) return decided(false, 'the kernel is left compressed', reason)
  const { length, compression } = setupHeader.payload as SetupPayload
  const place = wantsKaslr(commandLine)
    ? 'a random address (KASLR) is chosen for it here'
    : 'it is not moved, because of `nokaslr` on its command line'
  const saved = `this saves the new kernel unpacking ${formatBytes(length)} of ${compression}; ${place}`
  return decided(true, 'the kernel is unpacked in advance', saved)
}

/** Other work of the code that unpacks the kernel, which nothing else would do; null for none. */
function whyLeftCompressed({ running, kernel }: Context, header: SetupHeader, commandLine: string): string | null {
  if (!hasUnpackablePayload(header)) return `${header.payload?.compression ?? 'what is in it'} cannot be unpacked here`
  if (leavesFiveLevels(running, kernel.image, commandLine))
    return 'it has to leave the page tables of the running one (la57)'
  if (encryptsMemory(running, commandLine)) return 'it has to encrypt its memory first (mem_encrypt=on)'
  if (isConfidentialGuest(running)) return 'in a confidential virtual machine it has to prepare its memory first'
  return null
}

/** AMD's SME, in the running kernel or the new one. It is off unless it is requested. */
function encryptsMemory(running: RunningMachine, commandLine: string): boolean {
  return [commandLine, running.commandLine].some((line) => hasParameter(line, 'mem_encrypt', 'on'))
}

/**
 * Guests of AMD SEV and Intel TDX: validating and accepting memory is the decompressor's work there
 * (arch/x86/boot/compressed/{sev,mem}.c).
 */
function isConfidentialGuest({ flags }: RunningMachine): boolean {
  return (
    flags.has('tdx_guest') || (flags.has('hypervisor') && ['sev', 'sev_es', 'sev_snp'].some((name) => flags.has(name)))
  )
}

function chooseUnpacking({ policy, initrds }: Context, engine: Engine): Choice<boolean> {
  const packed = initrds.archives.flatMap(({ source, size }) => {
    const compression = source === null ? null : unpackableCompression(source)
    return compression === null ? [] : [`${formatBytes(size)} of ${compression}`]
  })
  const asItIs = 'the initrd is loaded as it is'
  if (packed.length === 0) return decided(false, asItIs, 'nothing in it can be unpacked in advance')
  // The unpacked kernel has no signature of its own, which IMA may require.
  const isAppraised = policy !== null && policy.ima.present !== false && policy.ima.rules.length > 0
  if (engine === 'file' && isAppraised)
    return decided(false, asItIs, 'IMA has rules, and only the file itself can be signed')
  return decided(
    true,
    'the initrd is unpacked in advance',
    `this saves the new kernel unpacking ${packed.join(' and ')}, and takes more memory until it runs`,
  )
}
