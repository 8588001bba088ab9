import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type Evidence, KexecError } from './errors.ts'

/**
 * A segment of kexec_load(2): bytes, and the physical memory they are copied to. The rest of that memory becomes zeros.
 */
export interface NativeSegment {
  /** Do not change the bytes until the call is done: the kernel reads them in place. */
  readonly bytes: Uint8Array
  /** Physical; both of whole pages. */
  readonly address: number
  readonly size: number
}

/**
 * The addon's calls: thin syscalls that return 0 or a positive errno and decide nothing (native/). Command lines and paths are
 * text, or bytes where they are not UTF-8 (exact-text.ts).
 * Loaded on first use, so that list, inspect and plan work where no addon was built.
 */
export interface Native {
  /**
   * kexec_file_load(2) off the event loop. Resolves to 0 or the errno. initrdFd is -1 when there is none. `thread[0]`
   * becomes the id of the thread that makes the call. A crash of the kernel in the call is never reported: see
   * `probeThread`.
   */
  kexecFileLoad(
    kernelFd: number,
    initrdFd: number,
    commandLine: string | Uint8Array,
    flags: number,
    thread: Int32Array,
  ): Promise<number>
  kexecFileLoadSync(kernelFd: number, initrdFd: number, commandLine: string | Uint8Array, flags: number): number
  /**
   * kexec_load(2) off the event loop, of at most 16 segments; an empty list unloads the loaded kernel. Otherwise as
   * `kexecFileLoad`.
   */
  kexecLoad(entry: number, segments: readonly NativeSegment[], flags: number, thread: Int32Array): Promise<number>
  kexecLoadSync(entry: number, segments: readonly NativeSegment[], flags: number): number
  /** tgkill(2) without a signal: 0, or ESRCH when this process no longer has that thread. */
  probeThread(thread: number): number
  /** reboot(2) with LINUX_REBOOT_CMD_KEXEC. Returns only on failure, with the errno. */
  rebootKexec(): number
  /**
   * reboot(2) with wrong magic numbers, which never changes anything. EINVAL when this process may reboot, else the
   * errno of the obstacle (EPERM, ENOSYS, …).
   */
  probeReboot(): number
  /** flock(2). 0 or the errno. */
  lock(fd: number, operation: number): number
  /** memfd_create(2). The descriptor, or the errno negated. */
  memfdCreate(name: string, flags: number): number
  /** lseek(2) to the end: /dev/kmsg then yields only records that come later. 0 or the errno. */
  seekEnd(fd: number): number
  /** fgetxattr(2), up to 4096 bytes. The bytes, each as one character; or the errno negated. */
  getAttribute(fd: number, name: string): string | number
  /** flistxattr(2), up to 4096 bytes: names, each with a NUL behind it. Or the errno negated. */
  listAttributes(fd: number): string | number
  /** fsetxattr(2). 0 or the errno. */
  setAttribute(fd: number, name: string, value: Uint8Array): number
  /** close(2), of descriptors that Node did not open: in a worker thread Node warns of those. 0 or the errno. */
  close(fd: number): number
  /**
   * ioctl(2) with WDIOC_SETTIMEOUT, on an open watchdog. The seconds that its driver took, which may be others; or the
   * errno negated.
   */
  watchdogSetTimeout(fd: number, seconds: number): number
  /**
   * clock_gettime(2) and the processor's counter, into `clocks`: the counter, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW,
   * CLOCK_REALTIME, the counter again, and its frequency in Hz, or 0 where the processor does not state it. Clocks in
   * nanoseconds. 0, or ENOSYS on an architecture whose counter it does not read.
   */
  readClocks(clocks: BigInt64Array): number
  /** ioctl(2) with FS_IOC_GETFLAGS: an inode's flags, or the errno negated. */
  getInodeFlags(fd: number): number
  /** ioctl(2) with FS_IOC_SETFLAGS. 0 or the errno. */
  setInodeFlags(fd: number, flags: number): number
  /**
   * syncfs(2), then ioctl(2) with EXT4_IOC_CHECKPOINT, which empties ext4's journal. 0 or the errno: ENOTTY on other file
   * systems and before Linux 5.14.
   */
  flushJournal(fd: number): number
  /** sync(2), in a child process: storage that does not answer blocks it for ever. The child, or the errno negated. */
  sync(): number
  /** umount2(2), in a child process as `sync`. */
  unmount(target: string | Uint8Array, flags: number): number
  /** mount(2) with MS_REMOUNT | MS_RDONLY, in a child process as `sync`. */
  remountReadOnly(target: string | Uint8Array): number
  /**
   * The result of a child's call: 0 or the errno; -EAGAIN while the call has not returned; another errno negated when
   * the result is unknown.
   */
  childResult(child: number): number
}

/**
 * The only places where the addon may be: this may run as root. A local build (`npm run build:native`) was made on
 * purpose or is newer than the package's own, so it comes first. src/native.ts, dist/native.js and
 * dist/linux-kexec.cjs, whose URL all files of the bundle have, are one directory below the package.
 */
const candidates = ['../build/Release/linux_kexec.node', `../prebuilds/linux-${process.arch}/linux_kexec.node`]

let loaded: Native | undefined

/**
 * The addon, loaded on the first call. Throws KexecError: 'unsupported-platform' when this is not Linux, 'native-missing'
 * when none of the files could be loaded.
 */
export function native(): Native {
  loaded ??= load()
  return loaded
}

function load(): Native {
  if (process.platform !== 'linux') {
    throw new KexecError(`kexec is a Linux system call, this is ${process.platform}`, {
      reason: 'unsupported-platform',
      refused: true,
    })
  }
  const require = createRequire(import.meta.url)
  const evidence: Evidence[] = []
  for (const candidate of candidates) {
    const path = fileURLToPath(new URL(candidate, import.meta.url))
    // The module loader would search at length for a missing file.
    if (!existsSync(path)) {
      evidence.push({ source: path, value: 'no such file' })
      continue
    }
    try {
      return require(path)
    } catch (error) {
      evidence.push({ source: path, value: firstLine(error) })
    }
  }
  throw new KexecError('the native addon could not be loaded', {
    reason: 'native-missing',
    refused: true,
    hint: `the package brings it built for x64 and arm64 (this is ${process.arch}); elsewhere, run \`npm install && npm run build:native\` in the package's directory`,
    evidence,
  })
}

/** Node adds a stack of requiring files to the message. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] as string
}
