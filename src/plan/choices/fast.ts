import { hasParameter } from '../../cmdline/look-up.ts'
import { wantsKaslr } from '../../engine/layout/x86_64/kaslr.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { SetupHeader, SetupPayload } from '../../image/model/setup-header.ts'
import { hasUnpackablePayload } from '../../image/unpack/payload.ts'
import { unpackableCompression } from '../../initrd/unpacked.ts'
import type { KexecPolicy } from '../../policy/policy.ts'
import type { System } from '../../system/system.ts'
import { formatBytes } from '../../text.ts'
import { leavesFiveLevels, readFlags } from '../checks/paging.ts'
import type { InitrdChoice } from '../context/initrds.ts'
import type { PlannedKernel } from '../context/kernel.ts'
import type { Findings } from '../model/decision.ts'
import type { Engine } from './engine.ts'

/** What a fast load does before the reboot instead of after it. */
export interface FastMeasures {
  /** Unpack the initrds in memory. */
  readonly unpackInitrds: boolean
  /** Start what the kernel would unpack in its place. */
  readonly unpackKernel: boolean
  /** Lay kernel and initrd into memory that is free when they are loaded. */
  readonly inFreeMemory: boolean
}

export const noMeasures: FastMeasures = { unpackInitrds: false, unpackKernel: false, inFreeMemory: false }

/** What a fast load is planned for. */
export interface FastLoad {
  readonly policy: KexecPolicy | null
  readonly engine: Engine
  readonly kernel: PlannedKernel
  readonly choice: InitrdChoice
  readonly commandLine: string
  /** Whether all of it is hashed before the new kernel starts, although nobody but us would. */
  readonly verify: boolean
  readonly panic: boolean
}

/** Decides what of `fast` can be had, and tells of each measure what it saves and what it gives up. */
export function chooseFastMeasures(system: System, load: FastLoad, findings: Findings): FastMeasures {
  const { policy, engine, kernel, choice, verify, panic } = load
  if (panic) {
    findings.decide('fast', 'nothing is done beforehand', 'a crash kernel waits for a panic, in memory that is short')
    return noMeasures
  }
  chooseHashing(engine, verify, findings)
  const { setupHeader, format } = kernel.image
  const inFreeMemory = engine === 'segments' && (setupHeader !== null || format === 'arm64 Image')
  if (inFreeMemory) {
    findings.decide(
      'fast',
      'kernel and initrd are laid into memory that is free now',
      'that saves copying what the running kernel keeps at that place already; it gives up nothing',
    )
  }
  return {
    inFreeMemory,
    unpackKernel: chooseKernel(system, load, findings),
    unpackInitrds: chooseUnpacking(policy, engine, choice.initrds, findings),
  }
}

function chooseHashing(engine: Engine, verify: boolean, findings: Findings): void {
  if (verify) {
    findings.decide('fast', 'all is hashed on the way', 'asked for with --verify-in-purgatory')
  } else if (engine === 'segments') {
    findings.decide(
      'fast',
      'nothing is hashed on the way',
      'kexec_load runs no purgatory: that saves a SHA-256 over kernel and initrd, and gives up that memory overwritten since the load is found',
    )
  } else {
    findings.decide(
      'fast',
      'all is hashed on the way',
      'that kexec_file_load does: kexec_load, which does not, cannot be had here by rule of this machine, or was not asked for',
    )
  }
}

function chooseKernel(system: System, { engine, kernel, commandLine }: FastLoad, findings: Findings): boolean {
  const { setupHeader, format } = kernel.image
  if (setupHeader === null) {
    findings.decide('fast', 'the kernel is loaded as it is', `${format} is not compressed`)
    return false
  }
  const reason =
    engine === 'file'
      ? 'kexec_file_load takes no other'
      : whyLeftCompressed(system, kernel.image, setupHeader, commandLine)
  if (reason !== null) {
    findings.decide('fast', 'the kernel is left compressed', reason)
    return false
  }
  const { length, compression } = setupHeader.payload as SetupPayload
  const place = wantsKaslr(commandLine)
    ? 'a random address (KASLR) is chosen for it here'
    : 'it is not moved, by `nokaslr` on its command line'
  findings.decide(
    'fast',
    'the kernel is unpacked beforehand',
    `that saves it ${formatBytes(length)} of ${compression}; ${place}`,
  )
  return true
}

/** What the code that unpacks the kernel does besides, and nothing else would; null for nothing. */
function whyLeftCompressed(
  system: System,
  image: KernelImage,
  header: SetupHeader,
  commandLine: string,
): string | null {
  if (!hasUnpackablePayload(header)) return `${header.payload?.compression ?? 'what is in it'} cannot be unpacked here`
  if (leavesFiveLevels(system, image, commandLine)) return 'it has to leave the page tables of the running one (la57)'
  if (encryptsMemory(system, commandLine)) return 'it has to encrypt its memory first (mem_encrypt=on)'
  if (isConfidentialGuest(system)) return 'in a confidential virtual machine it has to prepare its memory first'
  return null
}

/** AMD's SME, which is off unless it is asked for, in the running kernel or the new one. */
function encryptsMemory(system: System, commandLine: string): boolean {
  return [commandLine, system.runningCommandLine()].some((line) => hasParameter(line, 'mem_encrypt', 'on'))
}

/**
 * Guests of AMD SEV and Intel TDX: validating and accepting memory is the decompressor's work there
 * (arch/x86/boot/compressed/{sev,mem}.c).
 */
function isConfidentialGuest(system: System): boolean {
  const flags = readFlags(system)
  return (
    flags.has('tdx_guest') || (flags.has('hypervisor') && ['sev', 'sev_es', 'sev_snp'].some((name) => flags.has(name)))
  )
}

function chooseUnpacking(
  policy: KexecPolicy | null,
  engine: Engine,
  initrds: InitrdChoice['initrds'],
  findings: Findings,
): boolean {
  const packed = initrds.flatMap(({ source, size }) => {
    const compression = source === null ? null : unpackableCompression(source)
    return compression === null ? [] : [`${formatBytes(size)} of ${compression}`]
  })
  if (packed.length === 0) {
    findings.decide('fast', 'the initrd is loaded as it is', 'nothing in it can be unpacked beforehand')
    return false
  }
  // What is unpacked has no signature of its own, which IMA may ask for.
  const isAppraised = policy !== null && policy.ima.present !== false && policy.ima.rules.length > 0
  if (engine === 'file' && isAppraised) {
    findings.decide('fast', 'the initrd is loaded as it is', 'IMA has rules, and only the file itself can be signed')
    return false
  }
  findings.decide(
    'fast',
    'the initrd is unpacked beforehand',
    `that saves the new kernel ${packed.join(' and ')}, and takes more memory until it runs`,
  )
  return true
}
