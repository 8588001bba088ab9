/** Characters of the console that are kept: a guest may print for ever. */
const MOST = 4 * 1024 * 1024

/** Characters before the last piece in which a text is looked for: more than a line has. */
const RECENT = 8 * 1024

/** The end of a text that comes in pieces. */
export class RecentText {
  readonly #before: number
  #pieces: string[] = []
  #length = 0
  #recent = ''

  /** @param sought length of a text that is looked for in `recent` */
  constructor(sought = 0) {
    this.#before = RECENT + sought
  }

  push(piece: string): void {
    this.#pieces.push(piece)
    this.#length += piece.length
    this.#recent = this.#recent.slice(-this.#before) + piece
    // In large steps: a piece may be one character.
    if (this.#length < 2 * MOST) return
    const text = this.text()
    this.#pieces = [text]
    this.#length = text.length
  }

  clear(): void {
    this.#pieces = []
    this.#length = 0
    this.#recent = ''
  }

  /** The last piece, with what came before it. */
  get recent(): string {
    return this.#recent
  }

  text(): string {
    return this.#pieces.join('').slice(-MOST)
  }
}
