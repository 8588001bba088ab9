import { createHash } from 'node:crypto'
import { KEXEC_SEGMENT_MAX } from '../system/kexec-abi.ts'
import type { KernelMemory } from './kernel-memory.ts'

/**
 * struct kimage of include/linux/kexec.h, alike in 5.10 to 7.2 up to the segments (seen in 6.1, 6.12 and 7.2): head, entry,
 * last_entry, start, control_code_page, swap_page, vmcoreinfo_data_copy, nr_segments, then the segments, each: buffer, its
 * size, place in memory, size there. The fingerprint is over these addresses, which differ for any two loads, and over some
 * of the image's own pages.
 */
const HEAD = 0
const COUNT = 56
const SEGMENTS = 64
const SEGMENT = 32
const PAGE = 4096

/** Flags in the low bits of an entry of the page list. */
const IND_INDIRECTION = 2
const IND_DONE = 4
const IND_SOURCE = 8
const FLAGS = BigInt(PAGE - 1)

/** Pages whose contents count: on x86 the purgatory, which has the SHA-256 of all segments, and the boot parameters. */
const PAGES = 32

/** The kernel's state: no image, an image with this fingerprint, or an unreadable one, and why. */
export type HeldImage = { readonly fingerprint: string } | { readonly empty: true } | { readonly unreadable: string }

/**
 * Reads the image that one of the kernel's pointers leads to.
 * @param pointer the address of `kexec_image` or `kexec_crash_image`
 */
export function readHeldImage(memory: KernelMemory, pointer: bigint): HeldImage {
  const address = memory.read(pointer, 8)?.readBigUInt64LE()
  if (address === undefined) return { unreadable: "the kernel's pointer to the image cannot be read" }
  if (address === 0n) return { empty: true }
  const image = memory.read(address, SEGMENTS + KEXEC_SEGMENT_MAX * SEGMENT)
  if (image === undefined) return { unreadable: "the kernel's description of the image cannot be read" }
  const count = Number(image.readBigUInt64LE(COUNT))
  if (!hasSegments(image, count)) return { unreadable: 'this kernel has an unknown description of its image' }
  const hash = createHash('sha256').update(`${address.toString(16)}\n`)
  hash.update(image.subarray(0, SEGMENTS + count * SEGMENT))
  for (const bytes of firstPages(memory, image)) hash.update(bytes)
  return { fingerprint: hash.digest('hex') }
}

function hasSegments(image: Buffer, count: number): boolean {
  if (count < 1 || count > KEXEC_SEGMENT_MAX) return false
  for (let index = 0; index < count; index++) {
    const at = SEGMENTS + index * SEGMENT
    const size = image.readBigUInt64LE(at + 8)
    const place = image.readBigUInt64LE(at + 16)
    const room = image.readBigUInt64LE(at + 24)
    if (size > room || (place & FLAGS) !== 0n || (room & FLAGS) !== 0n || room === 0n) return false
  }
  return true
}

/**
 * The list of the image's pages, as far as its first page reaches, and the first of them; for a crash kernel, its first
 * segment.
 */
function* firstPages(memory: KernelMemory, image: Buffer): Generator<Buffer> {
  const head = image.readBigUInt64LE(HEAD)
  if ((head & BigInt(IND_INDIRECTION)) === 0n) {
    const place = image.readBigUInt64LE(SEGMENTS + 16)
    const pages = Math.min(PAGES, Number(image.readBigUInt64LE(SEGMENTS + 24) / BigInt(PAGE)))
    for (let index = 0; index < pages; index++) {
      const page = memory.readPhysical(place + BigInt(index * PAGE), PAGE)
      if (page !== undefined) yield page
    }
    return
  }
  const list = memory.readPhysical(head & ~FLAGS, PAGE)
  if (list === undefined) return
  yield list
  let pages = 0
  for (let at = 0; at < PAGE && pages < PAGES; at += 8) {
    const entry = list.readBigUInt64LE(at)
    if (entry === 0n || (entry & BigInt(IND_DONE | IND_INDIRECTION)) !== 0n) return
    if ((entry & BigInt(IND_SOURCE)) === 0n) continue
    const page = memory.readPhysical(entry & ~FLAGS, PAGE)
    if (page !== undefined) yield page
    pages++
  }
}
