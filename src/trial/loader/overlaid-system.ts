import { System } from '../../system/system.ts'

/** A machine as it would be with another content of one file: nothing is written. */
export class OverlaidSystem extends System {
  readonly #path: string
  readonly #content: Buffer

  /** @param path of an existing file, as seen inside the root */
  constructor(root: string, path: string, content: Buffer) {
    super(root)
    this.#path = path
    this.#content = content
  }

  override readHead(path: string, length: number): Buffer {
    return this.#leadsThere(path) ? this.#content.subarray(0, length) : super.readHead(path, length)
  }

  #leadsThere(path: string): boolean {
    try {
      return this.resolve(path) === this.#path
    } catch {
      return false
    }
  }
}
