import type { Duplex } from 'node:stream'

/** A kernel that came up in the guest. */
export interface Boot extends BootReport {
  /** How its start came about: by power-on or a reset, or by the kernel before it. */
  readonly startedBy: 'firmware' | 'kexec'
}

/** A kernel that came up in the guest, as its agent reported it. */
export interface BootReport {
  /** `uname -r`. */
  readonly release: string
  /** `uname -a`. */
  readonly uname: string
  /** /proc/cmdline without the newline. */
  readonly commandLine: string
  /** /proc/sys/kernel/random/boot_id: differs between any two boots. */
  readonly bootId: string
  /** Memory the kernel manages, bytes. */
  readonly memTotal: number
  /** When the report arrived, milliseconds on the clock of `performance.now()`. */
  readonly at: number
}

/** The result of a command in the guest. */
export interface RunResult {
  /** As the guest's shell has it: 128 + n for a signal. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** stdout as bytes, for binary output. */
  readonly stdoutBytes: Buffer
}

/**
 * Bytes of a script in one line, before base64. The guest's tty holds 4095 bytes that nobody has read yet
 * (N_TTY_BUF_SIZE, drivers/tty/n_tty.c), so a whole line must fit there.
 */
const PART = 2400

interface Pending {
  readonly parts: string[]
  resolve(answer: string[]): void
}

/** Our end of the control channel; scripts.ts has the other end and the protocol. */
export class AgentChannel {
  readonly #stream: Duplex
  readonly #pending = new Map<string, Pending>()
  #received: Buffer[] = []
  #counter = 0

  /** @param onBoot called for each kernel that comes up */
  constructor(stream: Duplex, onBoot: (boot: BootReport) => void) {
    this.#stream = stream
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => this.#receive(chunk, performance.now(), onBoot))
  }

  /** Runs a script to its end. Scripts run one after another. */
  async run(script: string): Promise<RunResult> {
    const [status = '', stdout = '', stderr = ''] = await this.#send('exec', script)
    const stdoutBytes = Buffer.from(stdout, 'base64')
    return {
      status: Number(status),
      stdout: stdoutBytes.toString(),
      stderr: Buffer.from(stderr, 'base64').toString(),
      stdoutBytes,
    }
  }

  /** Starts a script and does not wait for it; its output goes to the console. */
  async spawn(script: string): Promise<void> {
    await this.#send('spawn', script)
  }

  /** Whether a script is running whose end has not been reported. */
  get isBusy(): boolean {
    return this.#pending.size > 0
  }

  #send(verb: 'exec' | 'spawn', script: string): Promise<string[]> {
    const id = String(++this.#counter)
    const bytes = Buffer.from(script)
    const parts: string[] = []
    for (let start = 0; start === 0 || start < bytes.length; start += PART) {
      const isLast = start + PART >= bytes.length
      parts.push(`${isLast ? verb : 'part'} ${id} ${bytes.toString('base64', start, start + PART)}\n`)
    }
    return new Promise((resolve) => {
      this.#pending.set(id, { parts, resolve })
      // Two scripts at once would overrun the guest's buffer: the next starts when the one before has ended.
      if (this.#pending.size === 1) this.#sendNext()
    })
  }

  #sendNext(): void {
    const [first] = this.#pending.values()
    const part = first?.parts.shift()
    if (part !== undefined) this.#stream.write(part)
  }

  #receive(chunk: Buffer, at: number, onBoot: (boot: BootReport) => void): void {
    let rest = chunk
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const line = Buffer.concat([...this.#received, rest.subarray(0, end)]).toString('latin1')
      this.#received = []
      rest = rest.subarray(end + 1)
      this.#take(line.replace(/\r$/, ''), at, onBoot)
    }
    if (rest.length > 0) this.#received.push(rest)
  }

  #take(line: string, at: number, onBoot: (boot: BootReport) => void): void {
    const [verb, id = '', ...words] = line.split(' ')
    if (verb === 'boot') {
      const boot = parseBoot(Buffer.from(id, 'base64').toString(), at)
      if (boot) onBoot(boot)
    } else if (verb === 'more' && this.#pending.has(id)) {
      this.#sendNext()
    } else if (verb === 'exit' || verb === 'spawned') {
      const pending = this.#pending.get(id)
      this.#pending.delete(id)
      pending?.resolve(words)
      this.#sendNext()
    }
  }
}

function parseBoot(report: string, at: number): BootReport | undefined {
  const [release, uname, commandLine, bootId, memory] = report.split('\n')
  if (release === undefined || uname === undefined || commandLine === undefined || bootId === undefined)
    return undefined
  return { release, uname, commandLine, bootId, memTotal: Number(memory) * 1024, at }
}
