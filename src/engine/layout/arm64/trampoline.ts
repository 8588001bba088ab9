/**
 * movz and movk: a half-word into a register, with the rest cleared or left alone. Arm Architecture Reference Manual,
 * C6.2.
 */
const MOVZ = 0xd2800000
const MOVK = 0xf2800000
/** br: a branch to the address in a register. */
const BR = 0xd61f0000

/**
 * The code that the running kernel jumps to. It sets the state in which the new kernel must be entered.
 *
 * The running kernel (arch/arm64/kernel/relocate_kernel.S, cpu-reset.S) leaves interrupts and MMU off, the data written
 * back and the instruction cache invalid, at the exception level that it was booted at. After kexec_load it passes 0 in
 * x0, since only kexec_file_load gives it a device tree. The boot protocol (Documentation/arch/arm64/booting.rst, "Call
 * the kernel image") wants the tree's address there, and zeros in x1 to x3.
 *
 * Addresses are part of the instructions, which are always little-endian, so it runs under either byte order.
 * @param deviceTree its address, physical
 * @param entry the kernel's first byte
 */
export function trampoline(deviceTree: number, entry: number): Buffer {
  const [x0, x1, x2, x3, x17] = [0, 1, 2, 3, 17]
  return encode([
    ...load(x0, deviceTree),
    MOVZ | x1,
    MOVZ | x2,
    MOVZ | x3,
    ...load(x17, entry),
    // x17 is free for this by the procedure call standard.
    BR | (x17 << 5),
  ])
}

/** An address of 64 bits, half a word at a time. */
function load(register: number, address: number): number[] {
  const halves = [0n, 16n, 32n, 48n].map((shift) => Number((BigInt(address) >> shift) & 0xffffn))
  return halves.map((half, index) => (index === 0 ? MOVZ : MOVK) | (index << 21) | (half << 5) | register)
}

function encode(instructions: readonly number[]): Buffer {
  const code = Buffer.alloc(instructions.length * 4)
  for (const [index, instruction] of instructions.entries()) code.writeUInt32LE(instruction >>> 0, index * 4)
  return code
}
