/** Size of the trampoline in bytes: its code, a GDT, and the rest of a page as its stack. */
export const TRAMPOLINE_SIZE = 4096

/** Offsets in the page. */
const GDT = 0x100
const GDT_POINTER = 0x120

/** Selectors that the boot protocol requires, and their descriptors, flat from 0 to 4 GiB: 64-bit code, and data. */
const BOOT_CS = 0x10
const BOOT_DS = 0x18
const CODE_DESCRIPTOR = 0x00af9a000000ffffn
const DATA_DESCRIPTOR = 0x00cf92000000ffffn

/** Bytes in hexadecimal, their effect, and the 64-bit operand that follows them. */
type Instruction = readonly [bytes: string, mnemonic: string, operand?: number]

/**
 * The code that the running kernel jumps to. It sets the state in which the new kernel must be entered.
 *
 * The running kernel (arch/x86/kernel/relocate_kernel_64.S) leaves the CPU in long mode, interrupts off, all registers
 * zero, without a GDT or a stack of ours, on page tables that map all memory and every segment to themselves. The
 * 64-bit boot protocol (Documentation/arch/x86/boot.rst) also requires a GDT with __BOOT_CS and __BOOT_DS in use, and
 * the address of the boot parameters in rsi. It does not mention bits in page tables that the processor ignores. Some
 * kernels, such as 5.10, take such bits of the first entry for a part of an address when they go from 5 levels of page
 * tables to 4 (arch/x86/boot/compressed/). Kernels from 6.12 on set one there (_PAGE_NOPTISHADOW), so it is cleared
 * here.
 * @param address its place, physical
 * @param bootParameters their address
 * @param entry the new kernel's 64-bit entry point
 * @param check code that is called first, and its argument in rdi
 */
export function trampoline(address: number, bootParameters: number, entry: number, check: Check | null): Buffer {
  const enter = assemble([
    ...(check === null ? [] : call(check)),
    ['48be', 'mov rsi, bootParameters', bootParameters],
    ['31db', 'xor ebx, ebx'],
    ['31ed', 'xor ebp, ebp'],
    ['31ff', 'xor edi, edi'],
    ...cleanFirstEntry,
    ['48b8', 'mov rax, entry', entry],
    ['ffe0', 'jmp rax'],
  ])
  // Its length does not depend on the addresses in it.
  const at = address + loadSegments(address, 0).length
  const page = Buffer.alloc(TRAMPOLINE_SIZE)
  Buffer.concat([loadSegments(address, at), enter]).copy(page)
  page.writeBigUInt64LE(CODE_DESCRIPTOR, GDT + BOOT_CS)
  page.writeBigUInt64LE(DATA_DESCRIPTOR, GDT + BOOT_DS)
  // Its limit is the last byte of four descriptors.
  page.writeUInt16LE(4 * 8 - 1, GDT_POINTER)
  page.writeBigUInt64LE(BigInt(address + GDT), GDT_POINTER + 2)
  return page
}

/**
 * In the topmost page table: bits 52 to 63, which are not part of the address. Without an entry there zeros stay zeros.
 */
const cleanFirstEntry: readonly Instruction[] = [
  ['0f20d8', 'mov rax, cr3'],
  ['482500f0ffff', 'and rax, -4096: without the bits for caches'],
  ['488b08', 'mov rcx, [rax]'],
  ['48c1e10c', 'shl rcx, 12'],
  ['48c1e90c', 'shr rcx, 12'],
  ['488908', 'mov [rax], rcx'],
]

/** The places of code and of its data. */
export interface Check {
  readonly code: number
  readonly table: number
}

function call({ code, table }: Check): Instruction[] {
  return [
    ['48bf', 'mov rdi, table', table],
    ['48b8', 'mov rax, code', code],
    ['ffd0', 'call rax'],
  ]
}

function loadSegments(address: number, next: number): Buffer {
  return assemble([
    ['fa', 'cli'],
    ['fc', 'cld'],
    ['48bc', 'mov rsp, the end of this page', address + TRAMPOLINE_SIZE],
    ['48b8', 'mov rax, the GDT pointer', address + GDT_POINTER],
    ['0f0110', 'lgdt [rax]'],
    ['b818000000', 'mov eax, __BOOT_DS'],
    ['8ed8', 'mov ds, eax'],
    ['8ec0', 'mov es, eax'],
    ['8ed0', 'mov ss, eax'],
    ['8ee0', 'mov fs, eax'],
    ['8ee8', 'mov gs, eax'],
    ['6a10', 'push __BOOT_CS'],
    ['48b8', 'mov rax, the next instruction after the return', next],
    ['50', 'push rax'],
    ['48cb', 'retfq: a far return is what loads CS in long mode'],
  ])
}

function assemble(instructions: readonly Instruction[]): Buffer {
  return Buffer.concat(
    instructions.flatMap(([bytes, , operand]) => {
      const code = Buffer.from(bytes, 'hex')
      if (operand === undefined) return [code]
      const quad = Buffer.alloc(8)
      quad.writeBigUInt64LE(BigInt(operand))
      return [code, quad]
    }),
  )
}
