import type { QemuProcess } from '../../vm/machine/qemu.ts'
import type { ProcessorState } from '../model/rehearsal.ts'

/** How often the processors are looked at, and milliseconds between two looks. */
const LOOKS = 8
const PAUSE = 60

/** Milliseconds for an answer of QEMU, which is late while it translates. */
const DEADLINE = 5000

/**
 * Whether the processors of a machine run, or wait for an interrupt. QEMU shows it for x86 alone (HLT of `info registers`,
 * target/i386/cpu-dump.c). @returns null where it does not, or does not answer
 */
export async function processorState(qemu: QemuProcess): Promise<ProcessorState | null> {
  const texts: string[] = []
  for (let look = 0; look < LOOKS; look++) {
    const text = await ask(qemu, `registers-${look}`, 'info registers -a')
    if (text === null) return null
    texts.push(text)
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
  }
  return stateOf(texts)
}

/** @param looks what QEMU showed, of all processors each time */
export function stateOf(looks: readonly string[]): ProcessorState | null {
  const processors = looks.map((text) => [...text.matchAll(/\bHLT=([01])/g)].map(([, bit]) => bit === '1'))
  if (processors.some((halted) => halted.length === 0)) return null
  // A kernel with nothing to do leaves its halt for each interrupt, and a processor that was not started yet has halted.
  const halts = processors.filter((halted) => halted.every(Boolean)).length
  return halts > 0 ? 'waiting' : 'looping'
}

/** Has QEMU's monitor for people answer. @param id of the request */
function ask({ monitor, exit }: QemuProcess, id: string, line: string): Promise<string | null> {
  return new Promise((resolve) => {
    let rest = ''
    const ended = (answer: string | null) => {
      clearTimeout(timer)
      monitor.off('data', take)
      resolve(answer)
    }
    const take = (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const each of lines) {
        const message = JSON.parse(each) as { id?: string; return?: unknown }
        if (message.id === id) ended(typeof message.return === 'string' ? message.return : null)
      }
    }
    const timer = setTimeout(ended, DEADLINE, null)
    void exit.then(() => ended(null))
    monitor.on('data', take)
    const request = { execute: 'human-monitor-command', id, arguments: { 'command-line': line } }
    monitor.write(`${JSON.stringify(request)}\n`)
  })
}
