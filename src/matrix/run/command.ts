import type { InitrdOverlay } from '../../initrd/overlay.ts'
import type { MatrixCell } from '../model/cell.ts'

/** The words that rehearse a cell alone; null where the command has no option for something of it. */
export function commandOf({ from, to, engine, settings }: MatrixCell): string | null {
  const { commandLine, append, remove, overlay = [], init, expect, rootImage, qemuArguments } = settings
  const { memory, cpus, timeout, accelerator, fast, tryAnyway } = settings
  if (qemuArguments !== undefined) return null
  const valued: [string, string | number | readonly string[] | undefined][] = [
    ['from', from.kernel],
    ['initrd', to.initrds],
    ['engine', engine],
    ['command-line', commandLine],
    ['remove', remove],
    ['append', append],
    ['overlay', overlay.map(overlayWord)],
    ['init', init],
    ['expect', expect],
    ['root-image', rootImage],
    ['memory', memory],
    ['cpus', cpus],
    ['timeout', timeout === undefined ? undefined : Math.max(1, Math.ceil(timeout / 1000))],
    ['accelerator', accelerator],
  ]
  const flags = [
    ...(to.initrds.length === 0 && !to.mayHoldInitrd ? ['--no-initrd'] : []),
    ...(fast === true ? ['--fast'] : []),
    ...(tryAnyway === true ? ['--try-anyway'] : []),
  ]
  const options = valued.flatMap(([name, value]) =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).map((each) => `--${name}=${each}`),
  )
  return ['linux-kexec', 'rehearse', to.kernel, ...options, ...flags].map(quoted).join(' ')
}

function overlayWord({ source, destination }: InitrdOverlay): string {
  return destination === undefined ? `${source}` : `${source}:${destination}`
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w./=:,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
