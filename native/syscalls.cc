#include "syscalls.h"

#include <linux/fs.h>
#include <linux/reboot.h>
#include <linux/watchdog.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

// Headers older than the architecture's kexec_file_load lack its number, while the running kernel may have the call.
// Numbers: scripts/syscall.tbl and arch/*/kernel/syscalls/syscall.tbl in the kernel.
#ifndef SYS_kexec_file_load
#if defined(__x86_64__) && !defined(__ILP32__)
#define SYS_kexec_file_load 320
#elif defined(__aarch64__) || (defined(__riscv) && __riscv_xlen == 64) || defined(__loongarch__)
#define SYS_kexec_file_load 294
#elif defined(__powerpc64__)
#define SYS_kexec_file_load 382
#elif defined(__s390x__)
#define SYS_kexec_file_load 381
#endif
#endif

// The headers of 32-bit arm have a number (401), but no kernel has the call (CONFIG_KEXEC_FILE does not exist).
#if defined(__arm__)
#undef SYS_kexec_file_load
#endif

namespace linux_kexec {
namespace {

int ErrnoUnlessZero(long result) { return result == 0 ? 0 : errno; }

#if defined(__x86_64__) || defined(__i386__)
// RDTSC waits for nothing by itself: LFENCE keeps it in its place (Intel SDM, RDTSC).
uint64_t ReadCounter() {
  __builtin_ia32_lfence();
  const uint64_t counter = __builtin_ia32_rdtsc();
  __builtin_ia32_lfence();
  return counter;
}
uint64_t CounterFrequency() { return 0; }
#define HAS_COUNTER
#elif defined(__aarch64__)
// Arm ARM D12.2: an ISB keeps the read in its place. The kernel lets programs read both registers
// (arch_counter_set_user_access of drivers/clocksource/arm_arch_timer.c).
uint64_t ReadCounter() {
  uint64_t counter = 0;
  asm volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(counter)::"memory");
  return counter;
}
uint64_t CounterFrequency() {
  uint64_t frequency = 0;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
  return frequency;
}
#define HAS_COUNTER
#endif

#ifdef HAS_COUNTER
// The C library's function has another name on each of them.
int Nanoseconds(int clock, int64_t& nanoseconds) {
  struct {
    long seconds;
    long nanoseconds;
  } time = {};
  const int error = ErrnoUnlessZero(syscall(SYS_clock_gettime, clock, &time));
  nanoseconds = static_cast<int64_t>(time.seconds) * 1000000000 + time.nanoseconds;
  return error;
}
#endif

// The child is a copy of one thread of many: it may make system calls and nothing else. Each errno fits an exit status.
template <typename Call>
int InChild(Call call) {
  const pid_t child = fork();
  if (child == 0) _exit(call());
  return child > 0 ? child : -errno;
}

}  // namespace

int KexecFileLoad([[maybe_unused]] int kernel, [[maybe_unused]] int initrd, [[maybe_unused]] const char* command_line,
                  [[maybe_unused]] size_t length, [[maybe_unused]] unsigned long flags) {
#ifdef SYS_kexec_file_load
  return ErrnoUnlessZero(syscall(SYS_kexec_file_load, kernel, initrd, length, command_line, flags));
#else
  return ENOSYS;
#endif
}

int KexecLoad(size_t entry, size_t count, const Segment* segments, unsigned long flags) {
  return ErrnoUnlessZero(syscall(SYS_kexec_load, entry, count, segments, flags));
}

int RebootKexec() { return ErrnoUnlessZero(reboot(static_cast<int>(LINUX_REBOOT_CMD_KEXEC))); }

int ProbeReboot() { return ErrnoUnlessZero(syscall(SYS_reboot, 0, 0, LINUX_REBOOT_CMD_KEXEC, nullptr)); }

int Lock(int descriptor, int operation) { return ErrnoUnlessZero(flock(descriptor, operation)); }

int MemfdCreate(const char* name, unsigned int flags) {
  const int descriptor = memfd_create(name, flags);
  return descriptor >= 0 ? descriptor : -errno;
}

int SeekEnd(int descriptor) { return lseek(descriptor, 0, SEEK_END) >= 0 ? 0 : errno; }

int GetAttribute(int descriptor, const char* name, void* value, size_t size) {
  const ssize_t length = fgetxattr(descriptor, name, value, size);
  return length >= 0 ? static_cast<int>(length) : -errno;
}

int ListAttributes(int descriptor, char* names, size_t size) {
  const ssize_t length = flistxattr(descriptor, names, size);
  return length >= 0 ? static_cast<int>(length) : -errno;
}

int SetAttribute(int descriptor, const char* name, const void* value, size_t length) {
  return ErrnoUnlessZero(fsetxattr(descriptor, name, value, length, 0));
}

int Close(int descriptor) { return ErrnoUnlessZero(close(descriptor)); }

int WatchdogSetTimeout(int descriptor, int seconds) {
  return ioctl(descriptor, WDIOC_SETTIMEOUT, &seconds) == 0 ? seconds : -errno;
}

int ReadClocks([[maybe_unused]] Clocks* clocks) {
#ifdef HAS_COUNTER
  clocks->frequency = CounterFrequency();
  clocks->before = ReadCounter();
  int error = Nanoseconds(CLOCK_BOOTTIME, clocks->boottime);
  if (error == 0) error = Nanoseconds(CLOCK_MONOTONIC_RAW, clocks->monotonic_raw);
  if (error == 0) error = Nanoseconds(CLOCK_REALTIME, clocks->realtime);
  clocks->after = ReadCounter();
  return error;
#else
  return ENOSYS;
#endif
}

// The request names a long, and the kernel reads and writes an int (fs/ioctl.c).
int GetInodeFlags(int descriptor) {
  int flags = 0;
  return ioctl(descriptor, FS_IOC_GETFLAGS, &flags) == 0 ? flags : -errno;
}

int SetInodeFlags(int descriptor, int flags) { return ErrnoUnlessZero(ioctl(descriptor, FS_IOC_SETFLAGS, &flags)); }

int FlushJournal(int descriptor) {
  // fs/ext4/ext4.h: headers for programs have it only since Linux 6.0.
  constexpr unsigned long kExt4Checkpoint = _IOW('f', 43, uint32_t);
  if (syncfs(descriptor) != 0) return errno;
  uint32_t flags = 0;
  return ErrnoUnlessZero(ioctl(descriptor, kExt4Checkpoint, &flags));
}

int ThreadId() { return static_cast<int>(syscall(SYS_gettid)); }

int ProbeThread(int thread) { return ErrnoUnlessZero(syscall(SYS_tgkill, syscall(SYS_getpid), thread, 0)); }

int Sync() {
  return InChild([] {
    sync();
    return 0;
  });
}

int Unmount(const char* target, int flags) {
  return InChild([=] { return ErrnoUnlessZero(umount2(target, flags)); });
}

int RemountReadOnly(const char* target) {
  // A remount ignores the source, but valgrind and some LSMs require a string.
  return InChild([=] { return ErrnoUnlessZero(mount("none", target, nullptr, MS_REMOUNT | MS_RDONLY, nullptr)); });
}

int ChildResult(int child) {
  int status = 0;
  const pid_t ended = waitpid(child, &status, WNOHANG);
  if (ended == 0) return -EAGAIN;
  if (ended < 0) return -errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

}  // namespace linux_kexec
