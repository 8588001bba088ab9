import { type ImageFormat, magicAt, unknownImage } from './image.ts'

/** ELF, "Executable and Linking Format" (gABI): a vmlinux, or any program mistaken for a kernel. */
export const elf: ImageFormat = {
  name: 'ELF',
  recognise: (head) => magicAt(head, 0, '\x7fELF') && head.length >= 20,
  inspect(head) {
    const little = head[5] !== 2
    const read = (offset: number) => (little ? head.readUInt16LE(offset) : head.readUInt16BE(offset))
    const is64 = head[4] === 2
    const architecture = architectureOf(read(18), is64, little)
    const type = types.get(read(16)) ?? 'file'
    return {
      ...unknownImage,
      format: 'ELF',
      description: `an ELF ${architecture?.replace('_', '-') ?? `(machine ${read(18)})`} ${type}`,
      architecture,
    }
  },
}

const types = new Map([
  [1, 'object file'],
  [2, 'executable'],
  [3, 'executable (position-independent) or shared object'],
  [4, 'core dump'],
])

/** e_machine, as in the kernel's include/uapi/linux/elf-em.h. */
function architectureOf(machine: number, is64: boolean, little: boolean): string | null {
  switch (machine) {
    case 3:
      return 'i386'
    case 62:
      return 'x86_64'
    case 40:
      return 'armv7l'
    case 183:
      return 'aarch64'
    case 243:
      return is64 ? 'riscv64' : 'riscv32'
    case 258:
      return 'loongarch64'
    case 21:
      return little ? 'ppc64le' : 'ppc64'
    case 22:
      return 's390x'
    case 8:
      return is64 ? 'mips64' : 'mips'
    default:
      return null
  }
}
