import type { Duplex } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** Milliseconds to wait for what must come: within a test's own deadline, and far more than GRUB needs on any machine. */
const DEADLINE = 240_000

/** What a machine says on a serial port, and what we say to it. */
export class Conversation {
  readonly #port: Duplex
  readonly #decoder = new StringDecoder('utf8')
  #text = ''
  #look = () => {}

  constructor(port: Duplex) {
    this.#port = port
    port.on('data', (chunk: Buffer) => {
      this.#text += this.#decoder.write(chunk).replaceAll('\r', '')
      this.#look()
    })
    port.on('close', () => this.#look())
  }

  say(text: string): void {
    this.#port.write(text)
  }

  /** Resolves when all has been read that the other side had said before: it lies in the socket, one turn of the loop away. */
  async delivered(): Promise<void> {
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Drops what was said so far. */
  forget(): void {
    this.#text = ''
  }

  /** @returns what was said, up to and with what was waited for. @throws when it does not come, with all that did. */
  expect(what: string | RegExp, deadline = DEADLINE): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        clearTimeout(timer)
        this.#look = () => {}
        reject(new Error(`${why} while waiting for ${what}; the console says:\n${this.#text.slice(-4000)}`))
      }
      const timer = setTimeout(() => fail(`${deadline} ms passed`), deadline)
      this.#look = () => {
        const found = typeof what === 'string' ? this.#text.indexOf(what) : this.#text.search(what)
        if (found === -1) return this.#port.closed ? fail('the machine ended') : undefined
        clearTimeout(timer)
        this.#look = () => {}
        resolve(this.#text)
      }
      this.#look()
    })
  }
}

/** QEMU's monitor (QMP), for snapshots. */
export class Monitor {
  readonly #conversation: Conversation
  #ready: Promise<unknown>

  constructor(port: Duplex) {
    this.#conversation = new Conversation(port)
    this.#ready = this.#conversation.expect('QMP').then(() => this.#ask('qmp_capabilities'))
  }

  /** A command of QEMU's monitor for people. @throws when it answers anything: these are silent when they succeed. */
  async human(command: string): Promise<void> {
    await this.#ready
    const answer = await this.#ask('human-monitor-command', { 'command-line': command })
    if (answer !== '') throw new Error(`QEMU answered to ${command}: ${answer}`)
  }

  async #ask(execute: string, args: object = {}): Promise<unknown> {
    this.#conversation.forget()
    this.#conversation.say(JSON.stringify({ execute, arguments: args }))
    // With the end of its line: a part of an answer may look like one.
    const text = await this.#conversation.expect(/^\{"(return|error)".*\}\n/m)
    const line = text.split('\n').find((candidate) => /^\{"(return|error)"/.test(candidate)) ?? ''
    const { return: value, error } = JSON.parse(line)
    if (error !== undefined) throw new Error(`QEMU's monitor: ${error.desc}`)
    return value
  }
}
