// The system calls kexec needs. Each function makes one call and returns what the kernel said: 0 or a positive errno,
// where nothing else is said.
// No Node-API here, so that they can be tested by themselves.
#ifndef LINUX_KEXEC_NATIVE_SYSCALLS_H_
#define LINUX_KEXEC_NATIVE_SYSCALLS_H_

#include <cstddef>
#include <cstdint>

namespace linux_kexec {

// A segment of kexec_load(2) as the kernel reads it: struct kexec_segment of include/uapi/linux/kexec.h.
struct Segment {
  const void* bytes;
  size_t length;
  // Physical, and of whole pages.
  size_t address;
  size_t size;
};

// The most that any kernel takes: KEXEC_SEGMENT_MAX of include/uapi/linux/kexec.h.
constexpr size_t kMaxSegments = 16;

// kexec_file_load(2). `length` counts the command line's NUL, so it is never 0: with 0 x86 kernels write before their
// buffer, and arm64 kernels delete the bootargs. ENOSYS where the architecture has no such call (32-bit arm).
int KexecFileLoad(int kernel, int initrd, const char* command_line, size_t length, unsigned long flags);

// kexec_load(2). An empty list of segments unloads the loaded kernel.
int KexecLoad(size_t entry, size_t count, const Segment* segments, unsigned long flags);

// reboot(2) with LINUX_REBOOT_CMD_KEXEC. Does not sync, unmount or stop anything.
int RebootKexec();

// reboot(2) with both magic numbers wrong, which no kernel obeys: EINVAL to a caller who may reboot, EPERM without
// CAP_SYS_BOOT (which is checked first, kernel/reboot.c), else the answer of a filter or a security module.
int ProbeReboot();

// flock(2).
int Lock(int descriptor, int operation);

// memfd_create(2). The descriptor, or the errno negated.
int MemfdCreate(const char* name, unsigned int flags);

// lseek(2) to the end of a file.
int SeekEnd(int descriptor);

// fgetxattr(2). The value's length, or the errno negated: -ERANGE when `value` is too small for it.
int GetAttribute(int descriptor, const char* name, void* value, size_t size);

// flistxattr(2). The length of the names, each with its NUL, or the errno negated.
int ListAttributes(int descriptor, char* names, size_t size);

// fsetxattr(2).
int SetAttribute(int descriptor, const char* name, const void* value, size_t length);

// close(2).
int Close(int descriptor);

// ioctl(2) with WDIOC_SETTIMEOUT: the seconds that the watchdog's driver took, or the errno negated.
int WatchdogSetTimeout(int descriptor, int seconds);

// The processor's counter, read right before and right after the kernel's clocks. The counter runs on over a kexec; the
// clocks begin anew. Clocks in nanoseconds.
struct Clocks {
  uint64_t before;
  int64_t boottime;
  int64_t monotonic_raw;
  int64_t realtime;
  uint64_t after;
  // Of the counter, in Hz, where the processor states it; else 0.
  uint64_t frequency;
};

// clock_gettime(2), and the counter. ENOSYS on an architecture whose counter this does not read.
int ReadClocks(Clocks* clocks);

// ioctl(2) with FS_IOC_GETFLAGS: the inode's flags, or the errno negated.
int GetInodeFlags(int descriptor);

// ioctl(2) with FS_IOC_SETFLAGS.
int SetInodeFlags(int descriptor, int flags);

// syncfs(2), then ioctl(2) with EXT4_IOC_CHECKPOINT, which empties the journal (fs/ext4/ioctl.c, Linux 5.14): a boot
// loader that replays no journal then reads what was written. ENOTTY on other file systems.
int FlushJournal(int descriptor);

// gettid(2): the calling thread.
int ThreadId();

// tgkill(2) without a signal. ESRCH when this process no longer has that thread.
int ProbeThread(int thread);

// Storage that does not answer blocks these three in the kernel for ever, out of reach of any signal. So each is made
// in a child process, which does nothing else. Returns the child, or the errno negated; ChildResult returns the child's
// result.

// sync(2).
int Sync();

// umount2(2).
int Unmount(const char* target, int flags);

// mount(2) with MS_REMOUNT | MS_RDONLY.
int RemountReadOnly(const char* target);

// waitpid(2) with WNOHANG: 0 or the errno of the child's call. -EAGAIN while the call has not returned, another errno
// negated when there is no such child; -EINTR when a signal has ended it.
int ChildResult(int child);

}  // namespace linux_kexec

#endif  // LINUX_KEXEC_NATIVE_SYSCALLS_H_
