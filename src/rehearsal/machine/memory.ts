const MIB = 1024 * 1024

/**
 * Memory of the machine, MiB: the archive and what is unpacked of it, the plan's files a second time as the kernel holds them, and
 * what both kernels need. A kernel between the first and the last of several kexecs has an archive of all these, makes another, and
 * the kernel holds a third.
 * @param archive bytes of the loading kernel's initrd @param planned bytes of the kernel and the initrd of the plan
 */
export function memoryFor(archive: number, planned: number, kexecs = 1): number {
  const bytes = kexecs === 1 ? 2 * archive + 5 * planned : 5 * archive + 9 * planned
  return Math.max(1024, Math.ceil(bytes / MIB) + 384)
}
