import { hasParameter } from '../../cmdline/look-up.ts'
import { parseCommandLine } from '../../cmdline/parse.ts'
import { KexecError } from '../../errors.ts'
import { type OpenImage, openImage, openInput } from '../../image/inspect/open.ts'
import { seriesName } from '../../system/architecture.ts'
import type { System } from '../../system/system.ts'
import { readRunningMachine } from './running-machine.ts'

/** In place of a path: the initrd that the running kernel was started with. A file of that name is './running'. */
export const RUNNING = 'running'

/**
 * The bytes of that initrd as the kernel got them, less a bootconfig. It is there with the parameter retain_initrd, where there was an
 * initrd, for root only (init/initramfs.c).
 */
export const RUNNING_INITRD = '/sys/firmware/initrd'

/** The first release that shows it. */
const SINCE = 6008

const CHUNK = 1024 * 1024

/**
 * Reads it once, into memory: each read copies from the kernel, and the file has no identity that lasts.
 * @throws KexecError 'not-found' with the cause, 'not-readable', 'io', 'no-memory' or 'aborted'
 */
export async function openRunningInitrd(system: System, signal: AbortSignal | undefined): Promise<OpenImage> {
  const file = openExisting(system)
  try {
    const held = await openInput(system, chunksOf(file), { name: 'initrd', signal })
    return { ...held, path: RUNNING_INITRD }
  } finally {
    file.close()
  }
}

function openExisting(system: System): OpenImage {
  try {
    return openImage(system, RUNNING_INITRD)
  } catch (error) {
    if (!(error instanceof KexecError) || error.reason !== 'not-found') throw error
    throw missing(system, error)
  }
}

async function* chunksOf({ source }: OpenImage): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < source.size; offset += CHUNK) yield source.read(offset, CHUNK)
}

function missing(system: System, cause: KexecError): KexecError {
  const { series } = readRunningMachine(system)
  const commandLine = system.runningCommandLine()
  const isRetained = commandLine !== undefined && hasParameter(parseCommandLine(commandLine), 'retain_initrd')
  const [why, hint] =
    series !== null && series < SINCE
      ? [`kernels show it since Linux ${seriesName(SINCE)}, and Linux ${seriesName(series)} is running`, NAME_IT]
      : isRetained
        ? ['it was started without one', NAME_IT]
        : [
            'it was booted without the parameter retain_initrd',
            `Boot with retain_initrd on the command line. ${NAME_IT}`,
          ]
  return new KexecError(`the running kernel does not show its initrd: ${why}`, {
    reason: 'not-found',
    path: RUNNING_INITRD,
    hint,
    evidence: commandLine === undefined ? [] : [{ source: '/proc/cmdline', value: commandLine }],
    refused: true,
    cause,
  })
}

const NAME_IT = 'Name its file instead; a file that is called `running` is `./running`.'
