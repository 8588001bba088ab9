import type { Vm } from '../../src/vm/index.ts'

/** elf(5): what `readCore` looks at. */
const PT_LOAD = 1
const PT_NOTE = 4

/** Where x86-64 kernels are linked to (__START_KERNEL_map, arch/x86/include/asm/page_64_types.h). */
const KERNEL_MAP = 0xffffffff80000000n

interface Segment {
  readonly type: number
  readonly offset: number
  /** Where the kernel that crashed had it mapped. */
  readonly virtual: bigint
  readonly address: bigint
  readonly size: number
}

/** The memory of the kernel that crashed, as its successor shows it in /proc/vmcore. */
export interface Core {
  /** 4 of elf(5) is ET_CORE, 62 of it EM_X86_64. */
  readonly type: number
  readonly machine: number
  readonly segments: readonly Segment[]
  /** VMCOREINFO, the kernel's own note: 'OSRELEASE' → '6.1.0-…', 'SYMBOL(init_uts_ns)' → an address, … */
  readonly facts: ReadonlyMap<string, string>
}

/** Bytes of a file in the guest; whole pages are read. */
async function read(vm: Vm, offset: number, length: number): Promise<Buffer> {
  const PAGE = 4096
  const first = Math.floor(offset / PAGE)
  const count = Math.ceil((offset + length) / PAGE) - first
  const { stdoutBytes } = await vm.run(`dd if=/proc/vmcore bs=${PAGE} skip=${first} count=${count} 2>/dev/null`)
  return stdoutBytes.subarray(offset - first * PAGE, offset - first * PAGE + length)
}

/** Reads what /proc/vmcore begins with: the headers and the notes. */
export async function readCore(vm: Vm): Promise<Core> {
  const header = await read(vm, 0, 64)
  if (!header.subarray(0, 6).equals(Buffer.from('\x7fELF\x02\x01', 'latin1'))) throw new Error('no 64-bit ELF file')
  const [at, entry, count] = [Number(header.readBigUInt64LE(32)), header.readUInt16LE(54), header.readUInt16LE(56)]
  const table = await read(vm, at, entry * count)
  const segments = Array.from({ length: count }, (_, index) => {
    const own = table.subarray(index * entry, (index + 1) * entry)
    return {
      type: own.readUInt32LE(0),
      offset: Number(own.readBigUInt64LE(8)),
      virtual: own.readBigUInt64LE(16),
      address: own.readBigUInt64LE(24),
      size: Number(own.readBigUInt64LE(32)),
    }
  })
  const notes = segments.find(({ type }) => type === PT_NOTE)
  const text = notes === undefined ? '' : (await read(vm, notes.offset, notes.size)).toString('latin1')
  // The first stands right behind the note's name, which ends in zeros.
  const facts = [...text.matchAll(/(?<![^\n\0])([A-Z]+(?:\([\w.]+\))?)=(.*)$/gm)]
  return {
    type: header.readUInt16LE(16),
    machine: header.readUInt16LE(18),
    segments: segments.filter(({ type }) => type === PT_LOAD),
    facts: new Map(facts.map(([, name = '', value = '']) => [name, value])),
  }
}

/** Bytes at a virtual address of the kernel that crashed, found as debuggers find them: by what the segments say. */
export async function atVirtual(vm: Vm, { segments }: Core, address: bigint, length: number): Promise<Buffer> {
  const segment = segments.find((each) => address >= each.virtual && address < each.virtual + BigInt(each.size))
  if (segment === undefined) throw new Error(`no segment holds ${address.toString(16)}`)
  return read(vm, segment.offset + Number(address - segment.virtual), length)
}

/** What the kernel that crashed said of itself (uname(2)): read from its own memory, found through its own symbols. */
export async function unameOf(vm: Vm, { segments, facts }: Core): Promise<readonly string[]> {
  const FIELD = 65
  const symbol = BigInt(`0x${facts.get('SYMBOL(init_uts_ns)')}`)
  const physical = symbol - KERNEL_MAP + BigInt(facts.get('NUMBER(phys_base)') ?? '')
  const address = physical + BigInt(facts.get('OFFSET(uts_namespace.name)') ?? '')
  const segment = segments.find((each) => address >= each.address && address < each.address + BigInt(each.size))
  if (segment === undefined) throw new Error(`no segment holds ${address.toString(16)}`)
  const bytes = await read(vm, segment.offset + Number(address - segment.address), 6 * FIELD)
  return Array.from({ length: 6 }, (_, index) =>
    bytes.toString('latin1', index * FIELD, (index + 1) * FIELD).replace(/\0.*$/s, ''),
  )
}

/** Files laid over the guest's initrd: the crash kernel comes up in it, with the agent and without the root disk. */
export const crashOverlay = `mkdir -p /root/over/usr/bin /root/over/usr/lib/linux-kexec-vm
  ln -s /bin/busybox /root/over/usr/bin/busybox
  cp /usr/lib/linux-kexec-vm/agent /root/over/usr/lib/linux-kexec-vm/agent
  cat > /root/over/init <<'END'
#!/bin/busybox sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
exec /usr/lib/linux-kexec-vm/agent
END
  chmod 755 /root/over/init`
