/** What stands where kernels have the name of their file, so that a judge sees which one was started. */
const NAME_AT = 0x400

const HEX = (text: string) => Buffer.from(text.replace(/\s+/g, ''), 'hex')

/**
 * Starts at 0x270 of the setup, in real mode: makes itself a flat protected mode, and writes to the first serial port
 * "@kernel" with the text at 0x400 of the setup, "@options" with the command line that cmd_line_ptr (0x228) leads to, "@initrd"
 * with the bytes of ramdisk_image and ramdisk_size (0x218, 0x21c), and "@end".
 */
const biosCode = HEX(`
  fa6631c08cd866c1e0046689c366054003000066a35a03660f011658036689d86605aa02000066a3a4020f20c00c010f22c066ea00000000080066b810008ed8
  66baf8038db319030000e84f0000008db300040000e8440000008db323030000e8390000008bb328020000e82e0000008db32e030000e8230000008bb3180200
  008b8b1c020000e3078a06ee4649ebf78db338030000e803000000f4ebfd8a0684c07404ee46ebf6c30a406b65726e656c20000a406f7074696f6e7320000a40
  696e6974726420000a40656e640a00900000000000000000ffff0000009acf00ffff00000092cf00170000000000`)

/**
 * A program in the form of an x86 kernel (Documentation/arch/x86/boot.rst, protocol 2.10), which boot loaders of BIOS machines
 * start. It tells what it was given.
 */
export function tellingKernel(name: string): Buffer {
  const bytes = Buffer.alloc(0x200 * 6)
  bytes[0x1f1] = 4
  bytes.writeUInt32LE(0x20, 0x1f4)
  bytes.writeUInt16LE(0xaa55, 0x1fe)
  // Over the header.
  bytes.set([0xeb, 0x6e], 0x200)
  bytes.write('HdrS', 0x202, 'latin1')
  bytes.writeUInt16LE(0x20a, 0x206)
  // LOADED_HIGH.
  bytes[0x211] = 1
  bytes.writeUInt32LE(0x100000, 0x214)
  bytes.writeUInt16LE(0xe000, 0x224)
  bytes.writeUInt32LE(0x7fffffff, 0x22c)
  bytes.writeUInt32LE(0x1000, 0x230)
  bytes.writeUInt32LE(0x7ff, 0x238)
  bytes.writeBigUInt64LE(0x100000n, 0x258)
  bytes.writeUInt32LE(0x10000, 0x260)
  biosCode.copy(bytes, 0x270)
  bytes.write(`${name}\0`, NAME_AT, 'latin1')
  return bytes
}

/** At the start of its section: writes "@kernel" with the text 0x200 further on, "@options" with its load options, "@end". */
const efiCode = HEX(`
  4883ec38488b4260488d15910000004c8d442428ff9098000000488b5c242866baf803488d3558000000e846000000488d35cafdffff4881c600040000e83300
  0000488d3543000000e8270000008b4b30488b733883f902720c8a06ee4883c60283e902ebef488d352a000000e803000000f4ebfd8a0684c07406ee48ffc6eb
  f4c30a406b65726e656c20000a406f7074696f6e7320000a40656e640a006690a1311b5b6295d2118e3f00a0c969723b`)

/** An EFI program, as a kernel with a stub is. It tells the load options that it was started with. */
export function tellingProgram(name: string): Buffer {
  const bytes = Buffer.alloc(0x600)
  const pe = 0x40
  const optional = pe + 24
  const section = optional + 112 + 6 * 8
  bytes.write('MZ', 0, 'latin1')
  bytes.writeUInt32LE(pe, 0x3c)
  bytes.write('PE\0\0', pe, 'latin1')
  bytes.writeUInt16LE(0x8664, pe + 4)
  bytes.writeUInt16LE(1, pe + 6)
  bytes.writeUInt16LE(112 + 6 * 8, pe + 20)
  bytes.writeUInt16LE(0x2e, pe + 22)
  bytes.writeUInt16LE(0x20b, optional)
  bytes.writeUInt32LE(0x400, optional + 4)
  bytes.writeUInt32LE(0x1000, optional + 16)
  bytes.writeUInt32LE(0x1000, optional + 20)
  bytes.writeUInt32LE(0x1000, optional + 32)
  bytes.writeUInt32LE(0x200, optional + 36)
  bytes.writeUInt32LE(0x2000, optional + 56)
  bytes.writeUInt32LE(0x200, optional + 60)
  // An EFI application.
  bytes.writeUInt16LE(10, optional + 68)
  bytes.writeUInt32LE(6, optional + 108)
  bytes.write('.text', section, 'latin1')
  bytes.writeUInt32LE(0x400, section + 8)
  bytes.writeUInt32LE(0x1000, section + 12)
  bytes.writeUInt32LE(0x400, section + 16)
  bytes.writeUInt32LE(0x200, section + 20)
  bytes.writeUInt32LE(0x60000020, section + 36)
  efiCode.copy(bytes, 0x200)
  bytes.write(`${name}\0`, NAME_AT, 'latin1')
  // rEFInd 0.14 takes nothing shorter for a loader.
  return Buffer.concat([bytes], 0x4000)
}
