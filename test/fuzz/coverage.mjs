import { Session } from 'node:inspector'

/**
 * Which code of this project has run so far, by V8's own block coverage. It tells a fuzzer whether an input led somewhere new.
 */
export class Coverage {
  /** Per function, one byte for each character of its source: 1 once it has run. */
  #functions = new Map()
  /** Functions that have run: 'entries/limine/path.js locate'. */
  #names = new Set()
  /** Runs of a function that looked just like this one are known already. */
  #seen = new Set()
  #session = new Session()
  #directory

  /** @param directory only files whose URL contains this count */
  constructor(directory) {
    this.#directory = directory
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
  }

  /** How many characters of source ran since the last call that had never run before. */
  take() {
    let fresh = 0
    for (const { url, functions } of this.#post('Profiler.takePreciseCoverage').result) {
      if (url.includes(this.#directory)) {
        for (const { ranges, functionName } of functions) fresh += this.#note(url, ranges, functionName)
      }
    }
    return fresh
  }

  /** Characters of source that have run. */
  get covered() {
    let count = 0
    for (const ran of this.#functions.values()) for (const byte of ran) count += byte
    return count
  }

  /**
   * Whether a function has run by the last `take`.
   * @param module below the directory: 'entries/limine' is that file, and all in the directory of this name
   */
  ran(module, name) {
    const isOfModule = (known) => known.startsWith(`${module}.`) || known.startsWith(`${module}/`)
    return [...this.#names].some((known) => isOfModule(known) && known.endsWith(` ${name}`))
  }

  #note(url, ranges, name) {
    const [whole] = ranges
    if (whole.count === 0) return 0
    this.#names.add(`${url.slice(url.indexOf(this.#directory) + this.#directory.length)} ${name}`)
    const key = `${url}:${whole.startOffset}`
    const look = `${key} ${ranges.map(({ startOffset, endOffset, count }) => `${startOffset}-${endOffset}x${count}`)}`
    if (this.#seen.has(look)) return 0
    this.#seen.add(look)
    const now = new Uint8Array(whole.endOffset - whole.startOffset)
    // Ranges are nested, the outer before the inner.
    for (const { startOffset, endOffset, count } of ranges)
      now.fill(Math.min(count, 1), startOffset - whole.startOffset, endOffset - whole.startOffset)
    const ran = this.#functions.get(key)
    if (ran === undefined) {
      this.#functions.set(key, now)
      return now.reduce((sum, byte) => sum + byte, 0)
    }
    let fresh = 0
    for (let offset = 0; offset < now.length; offset++) {
      if (now[offset] === 1 && ran[offset] === 0) {
        ran[offset] = 1
        fresh++
      }
    }
    return fresh
  }

  #post(method, parameters) {
    let answer
    this.#session.post(method, parameters, (error, result) => {
      if (error !== null) throw new Error(`${method}: ${error.message}`)
      answer = result
    })
    return answer
  }
}
