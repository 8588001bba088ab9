import type { ImageName } from './images.ts'

/** What a system call came to. */
export interface CallOutcome {
  /** Null when the kernel took it. */
  readonly errno: string | null
  /** What the kernel wrote to its log meanwhile. */
  readonly log: readonly string[]
}

/** What was seen in a scenario: outcome.json of its fixture. */
export interface ScenarioOutcome {
  readonly title: string
  /** Release of the kernel that was asked. */
  readonly kernel: string
  /** Why nobody could tell beforehand; null where a prediction has to be made. */
  readonly unknowable: string | null
  /** Of kexec_file_load. */
  readonly images: Partial<Record<ImageName, CallOutcome>>
  /** Of a kexec_load that asks for too much: EINVAL when the call is allowed. */
  readonly kexecLoad: CallOutcome
}

/** Reads what try-kexec printed. @param errnoName of Linux, by number */
export function parseAttempts(
  text: string,
  errnoName: (errno: number) => string,
): Pick<ScenarioOutcome, 'images' | 'kexecLoad'> {
  const images: Partial<Record<ImageName, CallOutcome>> = {}
  let kexecLoad: CallOutcome | undefined
  let log: string[] = []
  for (const line of text.split('\n')) {
    const [, kind, name = '', errno] = /^(image|call) (\S+) (\d+)$/.exec(line) ?? []
    if (line.startsWith('log ')) log.push(line.slice(4))
    if (kind === undefined) continue
    log = []
    const outcome = { errno: errno === '0' ? null : errnoName(Number(errno)), log }
    if (kind === 'call') kexecLoad = outcome
    else images[name.replace('/images/', '') as ImageName] = outcome
  }
  if (kexecLoad === undefined) throw new Error(`try-kexec did not come to its end:\n${text}`)
  return { images, kexecLoad }
}
