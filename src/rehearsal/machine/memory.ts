const MIB = 1024 * 1024

/**
 * Memory of the machine, MiB: the archive and what is unpacked of it, the plan's files a second time as the kernel holds them, and
 * what both kernels need.
 * @param archive bytes of the loading kernel's initrd @param planned bytes of the kernel and the initrd of the plan
 */
export function memoryFor(archive: number, planned: number): number {
  return Math.max(1024, Math.ceil((2 * archive + 5 * planned) / MIB) + 384)
}
