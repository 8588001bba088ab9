/** An element of DER (ITU-T X.690): what a tag, its length and its content are in the bytes. */
export interface DerElement {
  /** The identifier octet: class, constructed bit and number; numbers above 30 do not occur here. */
  readonly tag: number
  readonly content: Buffer
  /** The whole element: tag, length and content. */
  readonly whole: Buffer
}

/** The bytes are not DER, or not of the shape that was asked for. The message completes "its …". */
export class NotDer extends Error {}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  sequence: 0x30,
  set: 0x31,
  context0: 0x80,
  context0Constructed: 0xa0,
  context1Constructed: 0xa1,
  context3Constructed: 0xa3,
} as const

/** More elements side by side than any signature has. */
const MAX_CHILDREN = 1024

/** The first element of `bytes`. Strict: lengths are definite, as short as can be, and inside `bytes`. @throws NotDer */
export function firstElement(bytes: Buffer): DerElement {
  const tag = bytes[0]
  const first = bytes[1]
  if (tag === undefined || first === undefined) throw new NotDer('ASN.1 ends where an element is expected')
  if ((tag & 0x1f) === 0x1f) throw new NotDer('ASN.1 has a tag that no signature has')
  let length = first
  let start = 2
  if (first >= 0x80) {
    const count = first - 0x80
    if (count === 0 || count > 4 || bytes.length < 2 + count) throw new NotDer('ASN.1 has a length that is not DER')
    length = bytes.readUIntBE(2, count)
    start += count
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw new NotDer('ASN.1 has a length that is not DER')
  }
  if (length > bytes.length - start) throw new NotDer('ASN.1 has an element that is longer than what holds it')
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(0, start + length) }
}

/** The elements inside an element; nothing is left over. Does not descend, so depth costs nothing. @throws NotDer */
export function children(element: DerElement): DerElement[] {
  const found: DerElement[] = []
  for (let rest = element.content; rest.length > 0; ) {
    if (found.length === MAX_CHILDREN) throw new NotDer('ASN.1 has more elements than any signature')
    const child = firstElement(rest)
    found.push(child)
    rest = rest.subarray(child.whole.length)
  }
  return found
}

/** `element` when it is there and has this tag. @throws NotDer */
export function expectTag(element: DerElement | undefined, tag: number, what: string): DerElement {
  if (element?.tag !== tag) throw new NotDer(`ASN.1 has no ${what} where one is expected`)
  return element
}

/** An object identifier in dotted form. @throws NotDer */
export function objectIdentifier(element: DerElement | undefined, what: string): string {
  const { content } = expectTag(element, tags.objectIdentifier, what)
  if (content.length === 0 || content.length > 32 || (content[content.length - 1] as number) >= 0x80) {
    throw new NotDer(`ASN.1 has no ${what} where one is expected`)
  }
  const numbers: number[] = []
  let value = 0
  for (const octet of content) {
    value = value * 128 + (octet & 0x7f)
    if (octet >= 0x80) continue
    numbers.push(value)
    value = 0
  }
  const first = numbers[0] as number
  const root = Math.min(2, Math.floor(first / 40))
  return [root, first - root * 40, ...numbers.slice(1)].join('.')
}
