/**
 * Bytes of a kernel's begin that the running one copies to address 0 from its jump target (kexec_sequence of
 * arch/powerpc/kernel/misc_64.S): the code of the other processors from 0x60 on, until the new kernel calls them.
 */
export const HEAD = 0x100

/** The first processor's first instruction: a branch over the head. Power ISA, Book I, 2.4. */
const BRANCH_OVER_HEAD = 0x48000000 | HEAD

/** addis and ori: the upper half-word into a register, the lower one beside it. Power ISA, Book I, 3.3.9 and 3.3.13. */
const ADDIS = 0x3c000000
const ORI = 0x60000000
const [r3, r4, r5, r17] = [3, 4, 5, 17]

/** Of the header of a device tree, bytes from its start: the physical id of the processor that boots. */
const BOOT_PROCESSOR = 28

/** Addresses consist of two half-words, of which the upper one counts as signed. */
export const REACH = 2 ** 31

/**
 * The code that the running kernel jumps to. It sets the state in which the new kernel must be entered.
 *
 * The running kernel (kexec_sequence) leaves interrupts and MMU off, and enters it in its own byte order with the
 * processor's physical id in r3. It sends all others to 0x60, where the copy of the head lies. They are big-endian
 * then, which a kernel's head corrects. The new kernel must be entered with the address of the device tree in r3, its
 * own in r4, and 0 in r5 (__start_initialization_multiplatform of arch/powerpc/kernel/head_64.S). The tree must have
 * the id of this processor.
 *
 * The words are little-endian: programs of this byte order, such as this one, have a running kernel of the same.
 * @param head the first bytes of the new kernel, the only ones that it does not move to 0 itself
 * @param deviceTree its address, physical
 * @param kernel the address of the kernel's first byte
 */
export function trampoline(head: Uint8Array, deviceTree: number, kernel: number): Buffer {
  const code = words([
    0x7c711b78, // mr     r17,r3
    // So that all others read the present bytes at 0 before the new kernel writes there.
    0x3cc00001, // lis    r6,1
    0x7cc903a6, // mtctr  r6
    0x42000000, // bdnz   .
    ...load(r3, deviceTree),
    0x38a00000 | BOOT_PROCESSOR, // li     r5,28
    0x7c00052c | (r17 << 21) | (r3 << 16) | (r5 << 11), // stwbrx r17,r3,r5
    ...load(r4, kernel),
    0x38a00000, // li     r5,0
    0x7c8903a6, // mtctr  r4
    0x4e800420, // bctr
  ])
  const begin = Buffer.alloc(HEAD)
  begin.set(head.subarray(0, HEAD))
  begin.writeUInt32LE(BRANCH_OVER_HEAD, 0)
  return Buffer.concat([begin, code])
}

/** An address below REACH. */
function load(register: number, address: number): number[] {
  return [ADDIS | (register << 21) | (address >>> 16), ORI | (register << 21) | (register << 16) | (address & 0xffff)]
}

function words(instructions: readonly number[]): Buffer {
  const code = Buffer.alloc(instructions.length * 4)
  for (const [index, instruction] of instructions.entries()) code.writeUInt32LE(instruction >>> 0, index * 4)
  return code
}
