import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { findProgram } from '../../../src/vm/host/process.ts'

/** Chromium, where it is on this machine. */
export const chromium = ['chromium', 'chromium-browser', 'google-chrome']
  .map(findProgram)
  .find((path) => path !== undefined)

type Answer = { readonly id?: number; readonly result?: object; readonly error?: { readonly message: string } }

/** A page in a Chromium without a window, spoken to through a pipe by the Chrome DevTools Protocol. */
export class Page {
  readonly #child: ChildProcess
  readonly #profile = mkdtempSync(join(tmpdir(), 'linux-kexec-chromium-'))
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  #session: string | undefined
  #last = 0

  private constructor() {
    const where = [`--user-data-dir=${this.#profile}`, '--remote-debugging-pipe', '--no-first-run']
    // Root may not start it in its sandbox; the page is our own.
    const how = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars']
    this.#child = spawn(chromium as string, [...how, ...where], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    })
    let text = ''
    const output = this.#child.stdio[4] as Readable
    output.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = `${text}${chunk}`.split('\0')
      text = parts.pop() as string
      for (const part of parts) this.#answer(JSON.parse(part) as Answer)
    })
    this.#child.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Chromium ended'))
    })
    ;(this.#child.stdio[3] as Writable).on('error', () => {})
  }

  static async open(): Promise<Page> {
    const page = new Page()
    const { targetId } = await page.call<{ targetId: string }>('Target.createTarget', { url: 'about:blank' })
    const attached = await page.call<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true })
    page.#session = attached.sessionId
    return page
  }

  call<Result extends object>(method: string, params: object = {}): Promise<Result> {
    const id = ++this.#last
    const session = this.#session === undefined ? {} : { sessionId: this.#session }
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      ;(this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`)
    })
  }

  /** The value of an expression in the page, once its promise is kept. */
  async value<Value>(expression: string): Promise<Value> {
    const params = { expression, returnByValue: true, awaitPromise: true }
    const answer = await this.call<{ result: { value: Value }; exceptionDetails?: object }>('Runtime.evaluate', params)
    if (answer.exceptionDetails !== undefined) throw new Error(JSON.stringify(answer.exceptionDetails))
    return answer.result.value
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGKILL')
    await closed
    // Its helpers may still write for a moment.
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }

  #answer({ id, result, error }: Answer): void {
    const waiting = this.#waiting.get(id ?? 0)
    if (waiting === undefined) return
    this.#waiting.delete(id as number)
    if (error === undefined) waiting.resolve(result as never)
    else waiting.reject(new Error(error.message))
  }
}
