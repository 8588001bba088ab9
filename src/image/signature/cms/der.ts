import type { BaseBlock, fromBER } from 'asn1js'
import { Unreadable } from './report.ts'

/** One element of ASN.1: tag, length and contents, with the bytes they were read from. */
export interface Element {
  readonly tagClass: TagClass
  readonly tag: number
  /** The whole element. */
  readonly raw: Buffer
  /** Its contents, without tag and length. */
  readonly content: Buffer
  readonly children: readonly Element[]
  /** An object identifier in dotted form, or null for any other element. */
  readonly oid: string | null
  /** A point in time as ISO 8601, or null for any other element or an impossible date. */
  readonly time: string | null
}

export type TagClass = 'universal' | 'application' | 'context' | 'private'

export const INTEGER = 2
export const OCTET_STRING = 4
export const SEQUENCE = 16
export const SET = 17

/** More than ten of the largest certificates take; hostile input is stopped there. */
const LIMITS = { maxDepth: 40, maxNodes: 20_000, maxContentLength: 1024 * 1024 } as const

const tagClasses: readonly TagClass[] = ['universal', 'application', 'context', 'private']

let parse: typeof fromBER | undefined

/** Loads the ASN.1 library, which only signed images need. Await it before calling `readDer`. */
export async function loadAsn1(): Promise<void> {
  parse ??= (await import('asn1js')).fromBER
}

/**
 * Reads the element at the start of `bytes`; the following bytes are ignored.
 * @throws Unreadable on bytes that are not ASN.1, or on more elements than any signature has
 */
export function readDer(bytes: Buffer, what: string): Element {
  if (parse === undefined) throw new Error('loadAsn1() comes before readDer()')
  let answer: ReturnType<typeof fromBER>
  try {
    answer = parse(bytes, { ...LIMITS, parseEmbedded: false, copyInput: false })
  } catch (error) {
    throw new Unreadable(`${what} is not readable ASN.1: ${(error as Error).message}`)
  }
  if (answer.offset < 0 || answer.result === undefined) {
    const reason = answer.result?.error ? `: ${answer.result.error}` : ''
    throw new Unreadable(`${what} is not readable ASN.1${reason}`)
  }
  return elementOf(answer.result as unknown as Block, what)
}

/** The used part of the library's objects. */
type Block = BaseBlock & {
  readonly valueBlock: { readonly value?: unknown; toString(): string }
  toDate?(): Date
}

function elementOf(block: Block, what: string): Element {
  const { tagClass, tagNumber, isConstructed, blockLength } = block.idBlock
  const view = block.valueBeforeDecodeView
  const raw = Buffer.from(view.buffer, view.byteOffset, view.byteLength)
  // An indefinite length ends with two zero bytes of its own.
  const end = block.lenBlock.isIndefiniteForm ? raw.length - 2 : raw.length
  const isUniversal = tagClass === 1
  // A string or a boolean with the mark of a constructed element has no list there.
  const inner = isConstructed ? block.valueBlock.value : undefined
  const children: readonly Block[] = Array.isArray(inner) ? inner : []
  const content = raw.subarray(blockLength + block.lenBlock.blockLength, end)
  const elements = children.filter(isNoEnd).map((child) => elementOf(child, what))
  // The library reads on where a length ends inside an element; other readers must not.
  const isWhole = block.lenBlock.isIndefiniteForm || content.length === block.lenBlock.length
  const filled = elements.reduce((sum, element) => sum + element.raw.length, 0)
  if (!isWhole || (isConstructed && filled !== content.length)) {
    throw new Unreadable(`${what} is not readable ASN.1: its lengths do not agree`)
  }
  return {
    tagClass: tagClasses[tagClass - 1] ?? 'private',
    tag: tagNumber,
    raw,
    content,
    children: elements,
    oid: isUniversal && tagNumber === 6 ? block.valueBlock.toString() : null,
    time: isUniversal && (tagNumber === 23 || tagNumber === 24) ? timeOf(block) : null,
  }
}

/** Two zero bytes end the contents of an element of indefinite length, and are not part of them. */
function isNoEnd({ idBlock }: Block): boolean {
  return idBlock.tagClass !== 1 || idBlock.tagNumber !== 0
}

function timeOf(block: Block): string | null {
  try {
    return block.toDate?.().toISOString() ?? null
  } catch {
    return null
  }
}

/** The children in sequence; each is requested by its expected kind. */
export class Fields {
  readonly #children: readonly Element[]
  readonly #what: string
  #next = 0

  /**
   * @throws Unreadable when `element` is not the expected SEQUENCE
   */
  constructor(element: Element | undefined, what: string) {
    if (element === undefined || !is(element, SEQUENCE))
      throw new Unreadable(`${what} is missing or not an ASN.1 sequence`)
    this.#children = element.children
    this.#what = what
  }

  /** The next field, which must be a universal one with this tag. @throws Unreadable */
  required(tag: number, name: string): Element {
    const element = this.#children[this.#next]
    if (element === undefined || !is(element, tag)) throw new Unreadable(`${this.#what} has no ${name}`)
    this.#next++
    return element
  }

  /** The next field, of any kind. @throws Unreadable when there is none */
  any(name: string): Element {
    const element = this.#children[this.#next]
    if (element === undefined) throw new Unreadable(`${this.#what} has no ${name}`)
    this.#next++
    return element
  }

  /** The next field if it is the context-specific one with this number. */
  tagged(tag: number): Element | undefined {
    const element = this.#children[this.#next]
    if (element?.tagClass !== 'context' || element.tag !== tag) return undefined
    this.#next++
    return element
  }
}

export function is(element: Element, tag: number): boolean {
  return element.tagClass === 'universal' && element.tag === tag
}

/** The object identifier that an AlgorithmIdentifier, or any sequence like it, begins with. @throws Unreadable */
export function firstOid(element: Element, what: string): string {
  const oid = element.children[0]?.oid
  if (typeof oid !== 'string') throw new Unreadable(`${what} has no object identifier`)
  return oid
}
