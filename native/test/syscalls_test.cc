// syscalls_test ERRNO: the calls of syscalls.h, under `deny-kexec ERRNO`, which makes kexec_load, kexec_file_load and
// reboot fail with that number before they reach the kernel. Exits 0 when every check holds.
#include "syscalls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

int failures = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void Check(bool holds, const char* what, int line) {
  if (holds) return;
  std::fprintf(stderr, "syscalls_test.cc:%d: %s\n", line, what);
  ++failures;
}
#define CHECK(condition) Check((condition), #condition, __LINE__)

// A reboot(2) whose magic numbers are wrong does nothing even without the filter: EPERM, or EINVAL for a caller who may
// reboot.
bool RebootIsDenied(int error) {
  return error != EINVAL && syscall(SYS_reboot, 0, 0, 0, nullptr) == -1 && errno == error;
}

void KexecFileLoadReturnsTheErrno(int error) {
  using linux_kexec::KexecFileLoad;
  CHECK(KexecFileLoad(-1, -1, "", 1, 0) == error);
  CHECK(KexecFileLoad(-1, -1, "console=ttyS0", 14, 4) == error);
  const std::string huge(1 << 20, 'x');
  CHECK(KexecFileLoad(-1, -1, huge.c_str(), huge.size() + 1, ~0UL) == error);
}

void KexecLoadReturnsTheErrno(int error) {
  using linux_kexec::KexecLoad;
  const std::array<char, 4> bytes{};
  const std::array<linux_kexec::Segment, 1> segments{{{bytes.data(), bytes.size(), 0x100000, 4096}}};
  CHECK(KexecLoad(0x100000, segments.size(), segments.data(), 0) == error);
  CHECK(KexecLoad(~0UL, linux_kexec::kMaxSegments + 1, nullptr, ~0UL) == error);
  CHECK(KexecLoad(0, 0, nullptr, 0) == error);
}

void RebootKexecReturnsTheErrno(int error) {
  CHECK(linux_kexec::RebootKexec() == error);
  CHECK(linux_kexec::ProbeReboot() == error);
}

void ThreadsAreToldApart() {
  CHECK(linux_kexec::ProbeThread(linux_kexec::ThreadId()) == 0);
  // PID_MAX_LIMIT of include/linux/threads.h: no thread has it.
  CHECK(linux_kexec::ProbeThread(4 * 1024 * 1024) == ESRCH);
}

void MemfdIsWritableAndClosedOnExec() {
  const int descriptor = linux_kexec::MemfdCreate("kernel", MFD_CLOEXEC);
  CHECK(descriptor >= 0);
  CHECK((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(write(descriptor, "HdrS", 4) == 4);
  close(descriptor);
  // memfd_create(2): a name has at most 249 bytes.
  CHECK(linux_kexec::MemfdCreate(std::string(250, 'x').c_str(), MFD_CLOEXEC) == -EINVAL);
}

void SeekEndGoesBehindTheLastByte() {
  const int descriptor = linux_kexec::MemfdCreate("log", MFD_CLOEXEC);
  CHECK(write(descriptor, "0123456789", 10) == 10);
  CHECK(lseek(descriptor, 0, SEEK_SET) == 0);
  CHECK(linux_kexec::SeekEnd(descriptor) == 0);
  CHECK(lseek(descriptor, 0, SEEK_CUR) == 10);
  close(descriptor);
  CHECK(linux_kexec::SeekEnd(-1) == EBADF);
}

void AttributesAreReadOrRefused() {
  const int descriptor = linux_kexec::MemfdCreate("attributes", MFD_CLOEXEC);
  std::array<char, 8> value{};
  CHECK(linux_kexec::GetAttribute(-1, "security.ima", value.data(), value.size()) == -EBADF);
  const int error = linux_kexec::GetAttribute(descriptor, "user.linux-kexec.none", value.data(), value.size());
  CHECK(error == -ENODATA || error == -EOPNOTSUPP);
  if (fsetxattr(descriptor, "security.ima", "0123456789", 8, 0) == 0) {
    CHECK(linux_kexec::GetAttribute(descriptor, "security.ima", value.data(), value.size()) == 8);
    CHECK(std::memcmp(value.data(), "01234567", 8) == 0);
    CHECK(linux_kexec::GetAttribute(descriptor, "security.ima", value.data(), 4) == -ERANGE);
  }
  std::array<char, 256> names{};
  CHECK(linux_kexec::ListAttributes(-1, names.data(), names.size()) == -EBADF);
  CHECK(linux_kexec::SetAttribute(-1, "user.x", "1", 1) == EBADF);
  if (linux_kexec::SetAttribute(descriptor, "security.linux-kexec", "1", 1) == 0) {
    CHECK(linux_kexec::GetAttribute(descriptor, "security.linux-kexec", value.data(), value.size()) == 1);
    const int length = linux_kexec::ListAttributes(descriptor, names.data(), names.size());
    CHECK(std::string(names.data(), static_cast<size_t>(length)).find("security.linux-kexec") != std::string::npos);
  }
  CHECK(linux_kexec::Close(descriptor) == 0);
  CHECK(linux_kexec::Close(descriptor) == EBADF);
}

// Any descriptor but a watchdog's: those would begin to count.
void OtherFilesHaveNoTimeout() {
  const int descriptor = linux_kexec::MemfdCreate("watchdog", MFD_CLOEXEC);
  CHECK(linux_kexec::WatchdogSetTimeout(descriptor, 60) == -ENOTTY);
  CHECK(linux_kexec::Close(descriptor) == 0);
  CHECK(linux_kexec::WatchdogSetTimeout(-1, 60) == -EBADF);
}

void FlagsOfAnInode() {
  const int descriptor = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  CHECK(descriptor >= 0);
  const int flags = linux_kexec::GetInodeFlags(descriptor);
  if (flags >= 0) {
    CHECK(linux_kexec::SetInodeFlags(descriptor, flags) == 0);
  } else {
    CHECK(flags == -ENOTTY || flags == -EOPNOTSUPP);
  }
  CHECK(linux_kexec::Close(descriptor) == 0);
  CHECK(linux_kexec::FlushJournal(-1) == EBADF);
  CHECK(linux_kexec::GetInodeFlags(-1) == -EBADF);
  CHECK(linux_kexec::SetInodeFlags(-1, 0) == EBADF);
}

int ResultOf(int child) {
  int result = -EAGAIN;
  while (result == -EAGAIN) result = linux_kexec::ChildResult(child);
  return result;
}

void MountsThatAreNotThereAreRefused() {
  // The kernel looks up the path before or after it checks CAP_SYS_ADMIN, depending on its version.
  const auto refused = [](int child) {
    const int error = ResultOf(child);
    return error == ENOENT || error == EPERM;
  };
  CHECK(refused(linux_kexec::Unmount("/nonexistent/linux-kexec", 0)));
  CHECK(refused(linux_kexec::RemountReadOnly("/nonexistent/linux-kexec")));
}

void ChildrenAreToldApart() {
  CHECK(linux_kexec::ChildResult(4 * 1024 * 1024) == -ECHILD);
  const int child = linux_kexec::Sync();
  CHECK(child > 0);
  CHECK(ResultOf(child) == 0);
  CHECK(linux_kexec::ChildResult(child) == -ECHILD);
  const pid_t killed = fork();
  if (killed == 0) {
    pause();
    _exit(0);
  }
  CHECK(linux_kexec::ChildResult(killed) == -EAGAIN);
  kill(killed, SIGKILL);
  CHECK(ResultOf(killed) == -EINTR);
}

void LocksExcludeEachOther() {
  const int descriptor = linux_kexec::MemfdCreate("lock", MFD_CLOEXEC);
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  const int other = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  CHECK(linux_kexec::Lock(descriptor, LOCK_EX | LOCK_NB) == 0);
  CHECK(linux_kexec::Lock(other, LOCK_EX | LOCK_NB) == EWOULDBLOCK);
  close(descriptor);
  CHECK(linux_kexec::Lock(other, LOCK_EX | LOCK_NB) == 0);
  close(other);
  CHECK(linux_kexec::Lock(-1, LOCK_EX) == EBADF);
}

// The counter and the clocks of the same kernel go on together.
void ClocksGoOn() {
  linux_kexec::Clocks first{};
  linux_kexec::Clocks second{};
  const int error = linux_kexec::ReadClocks(&first);
#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
  CHECK(error == 0);
  usleep(20000);
  CHECK(linux_kexec::ReadClocks(&second) == 0);
  CHECK(first.before < first.after && first.after < second.before);
  CHECK(first.boottime + 20000000 <= second.boottime);
  CHECK(first.monotonic_raw < second.monotonic_raw);
  CHECK(first.realtime > 0);
  CHECK(first.frequency == second.frequency);
#else
  CHECK(error == ENOSYS);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  const int error = argc == 2 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 0;
  if (error == 0 || !RebootIsDenied(error)) {
    std::fputs("run me as `deny-kexec ERRNO -- syscalls_test ERRNO`, with an ERRNO other than 22\n", stderr);
    return 2;
  }
  KexecFileLoadReturnsTheErrno(error);
  KexecLoadReturnsTheErrno(error);
  RebootKexecReturnsTheErrno(error);
  ThreadsAreToldApart();
  MemfdIsWritableAndClosedOnExec();
  SeekEndGoesBehindTheLastByte();
  AttributesAreReadOrRefused();
  OtherFilesHaveNoTimeout();
  FlagsOfAnInode();
  MountsThatAreNotThereAreRefused();
  CHECK(ResultOf(linux_kexec::Sync()) == 0);
  ChildrenAreToldApart();
  LocksExcludeEachOther();
  ClocksGoOn();
  return failures == 0 ? 0 : 1;
}
