/** The facts in a kernel's file name in /boot. */
export interface KernelName {
  readonly file: string
  /**
   * The part of the name that an initrd of this kernel shares: '6.1.0-50-amd64', 'linux-lts',
   * 'genkernel-x86_64-6.6.58-gentoo'; '' for a bare name.
   */
  readonly suffix: string
  /** The version in the name, or null: 'vmlinuz-linux' has none. */
  readonly version: string | null
  /** Whether the distributions with such names always make an initrd. */
  readonly expectsInitrd: boolean
  /** Whether only a kernel has such a name, so that a directory or FIFO of that name deserves a problem. */
  readonly unmistakable: boolean
}

interface Pattern {
  /** The whole file name; its first group is the suffix. */
  readonly name: RegExp
  readonly expectsInitrd: boolean
  readonly unmistakable: boolean
}

/** Names of kernels, by distribution. The first match counts. */
const patterns: readonly Pattern[] = [
  // Debian, Ubuntu, Red Hat, SUSE, Void, Arch (vmlinuz-linux-lts), Alpine (vmlinuz-virt), Slackware (vmlinuz-huge-5.15.19);
  // vmlinux on powerpc, s390x and MIPS.
  { name: /^vmlinu[xz]-(.+)$/, expectsInitrd: true, unmistakable: true },
  // Gentoo's genkernel.
  { name: /^kernel-(genkernel-.+)$/, expectsInitrd: true, unmistakable: true },
  // A link to the current kernel, or the only one: appliances, live media.
  { name: /^vmlinu[xz]((?:\.old)?)$/, expectsInitrd: false, unmistakable: true },
  // Kernels that people build themselves and embedded systems (Yocto, Buildroot), many with everything built in.
  { name: /^(?:bzImage|zImage|Image|Image\.gz)(?:-(.+))?$/, expectsInitrd: false, unmistakable: false },
  { name: /^(?:kernel|linux)-(\d.*)$/, expectsInitrd: false, unmistakable: false },
]

/** Files that packaging tools, signers and editors leave beside a kernel; GRUB's grub-mkconfig skips the same ones. */
const notKernels =
  /(?:\.(?:dpkg-[a-z]+|rpmsave|rpmnew|rpmorig|ucf-[a-z]+|pacnew|pacsave|bak|sig|sign|asc|hmac|sha256|sha512|efi|config|map|tmp|new|swp)|~)$/i

/** The kernel that a file name promises, or undefined when the name is not a kernel's. */
export function kernelName(file: string): KernelName | undefined {
  if (notKernels.test(file)) return undefined
  for (const { name, expectsInitrd, unmistakable } of patterns) {
    const match = name.exec(file)
    if (match === null) continue
    const suffix = match[1] ?? ''
    return { file, suffix, version: versionIn(suffix), expectsInitrd, unmistakable }
  }
  return undefined
}

/** The release in a suffix: all of '6.1.0-50-amd64', the end of 'genkernel-x86_64-6.6.58-gentoo', null for 'linux-lts'. */
function versionIn(suffix: string): string | null {
  if (isRescueSuffix(suffix)) return null
  return /(?:^|-)(\d+\.\d.*)$/.exec(withoutOld(suffix))?.[1] ?? null
}

/** Without the '.old' that `make install` gives to a replaced kernel. */
export function withoutOld(suffix: string): string {
  return suffix.replace(/\.old$/, '')
}

/** Red Hat's rescue kernel, vmlinuz-0-rescue-MACHINEID: a copy of the first installed kernel. */
function isRescueSuffix(suffix: string): boolean {
  return suffix.startsWith('0-rescue')
}

/** Whether a kernel is a rescue kernel, by its path: Red Hat's, or /MACHINEID/0-rescue/linux of kernel-install. */
export function isRescue(kernel: string | null): boolean {
  return kernel !== null && /\/(?:vmlinu[xz]-0-rescue[^/]*|0-rescue[^/]*\/[^/]+)$/.test(kernel)
}

/** Whether a kernel is one that `make install` replaced, kept as a way back; by its path. */
export function isReplaced(kernel: string | null): boolean {
  return kernel?.endsWith('.old') ?? false
}
