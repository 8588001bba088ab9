import { fileBytes } from '../image/bytes.ts'
import type { InitrdPart } from '../initrd/index.ts'
import { unpackableCompression, unpackInitrd } from '../initrd/unpacked.ts'
import type { KexecPolicy } from '../policy/index.ts'
import type { MemoryFile } from '../system/memory-file.ts'
import type { Findings } from './decision.ts'
import type { Engine } from './engine.ts'
import type { InitrdChoice } from './initrds.ts'
import { formatBytes } from './text.ts'

/** What a fast load does before the reboot instead of after it. */
export interface FastMeasures {
  /** Unpack the initrds in memory. */
  readonly unpackInitrds: boolean
}

export const noMeasures: FastMeasures = { unpackInitrds: false }

/** Decides what of `fast` can be had, and tells of each measure what it saves and what it gives up. */
export function chooseFastMeasures(
  policy: KexecPolicy | null,
  { engine, verify }: { readonly engine: Engine; readonly verify: boolean },
  { initrds }: InitrdChoice,
  findings: Findings,
): FastMeasures {
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
  findings.decide(
    'fast',
    'the kernel is left compressed',
    'it unpacks and moves itself, so that the address it runs at stays random (KASLR)',
  )
  return { unpackInitrds: chooseUnpacking(policy, engine, initrds, findings) }
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

/** Parts of which those that can be are unpacked, and what must stay open until they are loaded. */
export interface UnpackedParts {
  readonly parts: InitrdPart[]
  close(): void
}

/** Unpacks what can be. @throws KexecError as `unpackInitrd` */
export async function unpackParts(
  parts: readonly InitrdPart[],
  signal: AbortSignal | undefined,
): Promise<UnpackedParts> {
  const opened: MemoryFile[] = []
  const close = () => {
    for (const memory of opened) memory.close()
  }
  try {
    const unpacked: InitrdPart[] = []
    for (const part of parts) {
      const memory = 'read' in part.bytes ? await unpackInitrd(part.bytes, signal) : null
      if (memory !== null) opened.push(memory)
      unpacked.push(
        memory === null ? part : { name: part.name, bytes: fileBytes(memory.file, memory.size), fd: memory.fd },
      )
    }
    return { parts: unpacked, close }
  } catch (error) {
    close()
    throw error
  }
}
