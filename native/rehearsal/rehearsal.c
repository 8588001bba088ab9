// The first process of both kernels of a rehearsal, in QEMU: of the kernel that loads, and of the one that is loaded.
// An overlay puts it into the initrd as /linux-kexec-rehearsal, beside the file /linux-kexec-rehearsal.conf; rdinit=
// starts it.
//
// It mounts /proc, /sys and /dev, reports what it sees, runs the commands of the file, and switches the machine off; or
// it becomes the initrd's own init, and a child of it reports when that has left the initrd. It needs nothing of the
// initrd, so it runs in any. A report goes to the second serial port, and to the console where
// that port cannot be opened: every line begins with the word that the file gives, which nothing else in the guest
// knows.
//
// The file has strings that end with NUL: the word, the path of the port, the root directory of the commands, the
// initrd's own init or an empty string, then for each command 'report' or 'console' (where its output goes), its
// arguments, and an empty string.
//
// There is no libc, no writable data and no relocation. scripts/build-programs.mjs checks that, and compiles this into
// src/rehearsal/init/init-code.ts.

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/reboot.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include <linux/utsname.h>
#include <linux/wait.h>
#include <stdbool.h>

#if defined(__x86_64__)
#include "../deadman/x86_64.h"
#elif defined(__aarch64__)
#include "../deadman/aarch64.h"
#else
#error "no system calls for this architecture"
#endif

// As src/rehearsal/init/init.ts has it.
#define CONFIGURATION "/linux-kexec-rehearsal.conf"

enum {
  LONGEST_CONFIGURATION = 64 * 1024,
  MOST_ARGUMENTS = 64,
  CHUNK = 4096,
  // MNT_DETACH of include/linux/fs.h, which programs have from libc.
  DETACH = 2,
  WATCH_NANOSECONDS = 100 * 1000 * 1000,
};

struct report {
  const char* word;
  long fd;
};

static long call(long number, long a, long b, long c, long d, long e) { return system_call(number, a, b, c, d, e); }

static long open_file(const char* path, long flags) { return call(__NR_openat, AT_FDCWD, (long)path, flags, 0, 0); }

static void close_file(long fd) { call(__NR_close, fd, 0, 0, 0, 0); }

static _Noreturn void exit_with(long status) {
  for (;;) call(__NR_exit_group, status, 0, 0, 0, 0);
}

static unsigned length_of(const char* text) {
  unsigned length = 0;
  while (text[length] != 0) length++;  // NOLINT(clang-analyzer-core.*): of texts that the kernel wrote, too
  return length;
}

// A terminal may take less at a time than it is given.
static void write_all(long fd, const char* bytes, long length) {
  while (length > 0) {
    long written = call(__NR_write, fd, (long)bytes, length, 0, 0);
    if (written <= 0) return;
    bytes += written;
    length -= written;
  }
}

static void put(const struct report* report, const char* text) { write_all(report->fd, text, length_of(text)); }

static void begin(const struct report* report, const char* key) {
  put(report, "\n");
  put(report, report->word);
  put(report, " ");
  put(report, key);
  put(report, " ");
}

static void say(const struct report* report, const char* key, const char* value) {
  begin(report, key);
  put(report, value);
  put(report, "\n");
}

static void put_number(const struct report* report, unsigned long number) {
  char digits[24];
  unsigned at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  put(report, digits + at);
}

static void say_number(const struct report* report, const char* key, unsigned long number) {
  begin(report, key);
  put_number(report, number);
  put(report, "\n");
}

// The first line of a file.
static void say_file(const struct report* report, const char* key, const char* path) {
  char bytes[CHUNK];
  long fd = open_file(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  begin(report, key);
  for (;;) {
    long length = call(__NR_read, fd, (long)bytes, sizeof bytes, 0, 0);
    if (length <= 0) break;
    long line = 0;
    // The kernel has written these bytes, which the analyzer does not see.
    while (line < length && bytes[line] != '\n') line++;  // NOLINT(clang-analyzer-core.*)
    write_all(report->fd, bytes, line);
    if (line < length) break;
  }
  put(report, "\n");
  close_file(fd);
}

// The size and the CRC-32 (of IEEE 802.3) of the initrd as the kernel got it; with retain_initrd it is in a file.
static void say_initrd(const struct report* report) {
  unsigned char bytes[CHUNK];
  unsigned crc = ~0U;
  unsigned long size = 0;
  long fd = open_file("/sys/firmware/initrd", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  for (;;) {
    long length = call(__NR_read, fd, (long)bytes, sizeof bytes, 0, 0);
    if (length <= 0) break;
    size += (unsigned long)length;
    for (long at = 0; at < length; at++) {
      crc ^= bytes[at];  // NOLINT(clang-analyzer-core.*): as above
      for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320U & -(crc & 1));
    }
  }
  close_file(fd);
  begin(report, "initrd");
  put_number(report, size);
  put(report, " ");
  put_number(report, ~crc);
  put(report, "\n");
}

static void mount(const char* type, const char* directory) {
  call(__NR_mkdirat, AT_FDCWD, (long)directory, 0755, 0, 0);
  call(__NR_mount, (long)type, (long)directory, (long)type, 0, 0);
}

static void mount_all(void) {
  mount("proc", "/proc");
  mount("sysfs", "/sys");
  mount("devtmpfs", "/dev");
  mount("securityfs", "/sys/kernel/security");
  mount("tmpfs", "/tmp");
}

// The initrd's own init finds them as the kernel leaves them.
static void unmount_all(void) {
  static const char* const directories[] = {"/tmp", "/sys/kernel/security", "/dev", "/sys", "/proc"};
  for (unsigned at = 0; at < sizeof directories / sizeof *directories; at++)
    call(__NR_umount2, (long)directories[at], DETACH, 0, 0, 0);
}

static void use_as(long fd, long as) {
  if (fd < 0 || fd == as) return;
  call(__NR_dup3, fd, as, 0, 0, 0);
}

// Runs a command to its end. @returns its exit status; 128 and the signal that ended it; 127 where it does not start
static unsigned long run(const struct report* report, const char* output, char** arguments) {
  static const char* const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                            "HOME=/root", "TERM=dumb", "LANG=C.UTF-8", 0};
  long child = call(__NR_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    call(__NR_setsid, 0, 0, 0, 0, 0);
    use_as(open_file("/dev/null", O_RDONLY), 0);
    long console = open_file("/dev/console", O_WRONLY | O_NOCTTY);
    use_as(console, 1);
    use_as(console, 2);
    if (output[0] == 'r') use_as(report->fd, 1);
    call(__NR_execve, (long)arguments[0], (long)arguments, (long)environment, 0, 0);
    exit_with(127);
  }
  for (;;) {
    int status = 0;
    long ended = call(__NR_wait4, -1, (long)&status, 0, 0, 0);
    if (ended < 0) return 255;
    if (ended != child) continue;
    return (status & 0x7f) == 0 ? (unsigned long)(status >> 8 & 0xff) : 128UL + (status & 0x7f);
  }
}

// The commands, until one fails. @param at behind the path of the port
static void run_all(const struct report* report, char* at, const char* end) {
  char* arguments[MOST_ARGUMENTS + 1];
  while (at < end) {
    const char* output = at;
    unsigned count = 0;
    for (at += length_of(at) + 1; at < end && *at != 0; at += length_of(at) + 1) {
      if (count < MOST_ARGUMENTS) arguments[count++] = at;
    }
    at++;
    arguments[count] = 0;
    if (count == 0) continue;
    say(report, "begin", arguments[0]);
    unsigned long status = run(report, output, arguments);
    say_number(report, "end", status);
    if (status != 0) return;
  }
}

static _Noreturn void switch_off(void) {
  call(__NR_sync, 0, 0, 0, 0, 0);
  call(__NR_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, 0, 0);
  call(__NR_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_HALT, 0, 0);
  exit_with(0);
}

// The file system of a path, as a number. @returns whether it could be told
static bool file_system_of(long directory, const char* path, unsigned long* number) {
  struct statx found;
  // The analyser does not see that the call writes it.
  found.stx_dev_major = found.stx_dev_minor = 0;
  if (call(__NR_statx, directory, (long)path, 0, STATX_TYPE, (long)&found) < 0) return false;
  *number = (unsigned long)found.stx_dev_major << 32 | found.stx_dev_minor;
  return true;
}

// Waits until the first process has another root directory, and a program of it: switch_root(8) and systemd first
// change the one, then start the other. @param processes a /proc that stays, whatever the init does with its own
static _Noreturn void watch(const struct report* report, long processes) {
  unsigned long initrd = 0;
  unsigned long root = 0;
  unsigned long program = 0;
  // systemd sends every process a SIGTERM before it leaves the initrd.
  unsigned long all = ~0UL;
  call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&all, 0, sizeof all, 0);
  // Kernels before 4.11 cannot tell.
  if (!file_system_of(AT_FDCWD, "/", &initrd)) exit_with(1);
  while (!(file_system_of(processes, "1/root", &root) && root != initrd &&
           file_system_of(processes, "1/exe", &program) && program != initrd)) {
    struct __kernel_timespec pause = {0, WATCH_NANOSECONDS};
    call(__NR_nanosleep, (long)&pause, 0, 0, 0, 0);
  }
  char path[CHUNK];
  long length = call(__NR_readlinkat, processes, (long)"1/exe", (long)path, sizeof path - 1, 0);
  path[length > 0 ? length : 0] = 0;
  say(report, "root", path);
  say(report, "done", "");
  exit_with(0);
}

// @param stack argc, argv, envp, as the kernel leaves them
static void become(const struct report* report, const char* init, long* stack) {
  long processes = open_file("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  unmount_all();
  char** arguments = (char**)(stack + 1);
  if (call(__NR_clone, SIGCHLD, 0, 0, 0, 0) == 0) {
    // systemd leaves such processes alone (https://systemd.io/ROOT_STORAGE_DAEMONS).
    arguments[0][0] = '@';
    watch(report, processes);
  }
  arguments[0] = (char*)init;
  long error = call(__NR_execve, (long)init, (long)arguments, (long)(arguments + stack[0] + 1), 0, 0);
  say_number(report, "no-init", (unsigned long)-error);
}

static void first(char* text, long length, long* stack) {
  const char* port = text + length_of(text) + 1;
  const char* root = port + length_of(port) + 1;
  const char* init = root + length_of(root) + 1;
  struct report report = {text, -1};
  mount_all();
  report.fd = open_file(port, O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (report.fd < 0) report.fd = open_file("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
  struct new_utsname names;
  call(__NR_uname, (long)&names, 0, 0, 0, 0);
  say_file(&report, "command-line", "/proc/cmdline");
  say_file(&report, "memory", "/proc/meminfo");
  say_file(&report, "lockdown", "/sys/kernel/security/lockdown");
  say_initrd(&report);
  say(&report, "up", names.release);
  if (init[0] != 0) return become(&report, init, stack);
  if (root[1] != 0) {
    call(__NR_chdir, (long)root, 0, 0, 0, 0);
    call(__NR_chroot, (long)".", 0, 0, 0, 0);
    mount_all();
  }
  run_all(&report, (char*)init + length_of(init) + 1, text + length);
  say(&report, "done", "");
}

// Called by the start code of each architecture. @param stack argc, argv, envp, as the kernel leaves them
__attribute__((used)) _Noreturn void program(long* stack) {
  // Started by a person, it does nothing.
  if (call(__NR_getpid, 0, 0, 0, 0, 0) != 1) exit_with(2);
  char text[LONGEST_CONFIGURATION];
  long fd = open_file(CONFIGURATION, O_RDONLY | O_CLOEXEC);
  long length = fd < 0 ? -1 : call(__NR_read, fd, (long)text, sizeof text, 0, 0);
  close_file(fd);
  if (length > 0 && text[length - 1] == 0) first(text, length, stack);
  switch_off();
}
