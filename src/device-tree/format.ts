// A flattened device tree: Devicetree Specification, chapter 5. All numbers are big-endian.

/** Fields of the header, bytes from its start. */
export const field = {
  magic: 0,
  totalSize: 4,
  structure: 8,
  names: 12,
  reservations: 16,
  version: 20,
  oldestReader: 24,
  bootProcessor: 28,
  namesSize: 32,
  structureSize: 36,
} as const

export const HEADER = 40
export const MAGIC = 0xd00dfeed
export const VERSION = 17
export const OLDEST_READER = 16

export const BEGIN_NODE = 1
export const END_NODE = 2
export const PROPERTY = 3
export const NOTHING = 4
export const END = 9

/** Bytes of an entry: address and size. */
export const RESERVATION = 16
