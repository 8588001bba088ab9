// The deadman of a trial: it resets the machine at the trial's deadline unless the trial is confirmed. An overlay puts
// it into the initrd as /linux-kexec-deadman, beside the file /linux-kexec-trial. With rdinit= it is the first program.
//
// As PID 1 it opens the files that it will need, starts itself a second time, and becomes the real init: the same
// process, arguments and environment. The second process is the deadman. It stays until the deadline:
// - Its argv[0] begins with '@'. systemd spares such a process of root when it leaves the initrd, and when it shuts
//   down (https://systemd.io/ROOT_STORAGE_DAEMONS).
// - It has its own session and mount namespace, made while there is only the initrd, so it keeps no later file system
//   busy. It holds two descriptors, of /proc/sysrq-trigger and /dev/kmsg, and needs no path any more.
// - It blocks all signals and takes two from the queue. SIGUSR1 ends it: the trial was confirmed. SIGUSR2 resets the
//   machine at once: the trial has failed. The kernel lets only root and CAP_KILL send them. The SIGTERM of a shutdown
//   does nothing.
// - The OOM killer spares it (oom_score_adj), and its memory is never paged out (mlockall).
//
// Nothing can keep SIGKILL from it: `kill -9 -1`, or a shutdown by sysvinit or busybox. These reboot afterwards, so
// only a shutdown that hangs between the two is unguarded.
//
// A disk or driver that hangs must not prevent the reset, hence this order:
// 1. A line in the kernel log names the trial.
// 2. sync(2) in another process, for at most SYNC_SECONDS: the logs of the failed boot can reach the disk.
// 3. 'b' to /proc/sysrq-trigger: emergency_restart(), which calls no driver of a device. Neither the mask in
//    kernel.sysrq nor lockdown apply to this file: write_sysrq_trigger() and __handle_sysrq(), drivers/tty/sysrq.c.
// 4. reboot(2), for a kernel without CONFIG_MAGIC_SYSRQ: it shuts down each device first, and may hang there.
//
// A trial without its guard must not run: the machine resets at once if the file cannot be read, or the second process
// does not start. Where the kernel itself hangs, no program helps: watchdogs, panic= and lockup detectors do.
//
// Before init starts, it loads the modules of the black box, if the overlay brings any (src/trial/black-box.ts): a
// kernel that dies soon after that leaves its last messages. Each may fail: a trial without a black box is still
// guarded.
//
// There is no libc, no writable data and no relocation. scripts/build-programs.mjs checks that, and compiles this into
// src/trial/guards/deadman-code.ts.

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/reboot.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/wait.h>

#if defined(__x86_64__)
#include "x86_64.h"
#elif defined(__aarch64__)
#include "aarch64.h"
#else
#error "no system calls for this architecture"
#endif

// As src/trial/guards/deadman.ts has them.
#define PROGRAM "/linux-kexec-deadman"
#define TRIAL "/linux-kexec-trial"
#define NAME "@linux-kexec-trial"
#define MODULE "/linux-kexec-module-"
#define MODULE_PARAMETERS "/linux-kexec-module-parameters"

enum {
  // Descriptors of the deadman: above the three that the kernel gives to its first program, and below all that it
  // closes.
  KEPT = 10,
  SYSRQ = KEPT,
  KMSG,
  // The id, the deadline, and a path of init (PATH_MAX).
  LONGEST_TRIAL = 4352,
  LONGEST_LINE = 256,
  LONGEST_PARAMETERS = 512,
  SYNC_SECONDS = 5,
  // rt_sigtimedwait() does not count time in suspend, the deadline does: so it waits in steps.
  STEP_SECONDS = 5,
  // <linux/fs.h> of the kernel; its headers for programs do not have it.
  MNT_DETACH = 2,
  // 1:11, Documentation/admin-guide/devices.txt.
  KMSG_DEVICE = 1 << 8 | 11,
};

// The kernel's types of system calls: longs in a timespec, and 64 signals, on every architecture here.
struct time {
  long seconds;
  long nanoseconds;
};

struct trial {
  char text[LONGEST_TRIAL];
  const char* id;
  const char* deadline;
  char* init;
};

struct line {
  char text[LONGEST_LINE];
  unsigned length;
};

static long call(long number, long a, long b, long c, long d, long e) { return system_call(number, a, b, c, d, e); }

static long close_descriptor(long fd) { return call(__NR_close, fd, 0, 0, 0, 0); }

static long open_at(long directory, const char* path, long flags) {
  return call(__NR_openat, directory, (long)path, flags, 0, 0);
}

static _Noreturn void leave(long status) {
  for (;;) call(__NR_exit_group, status, 0, 0, 0, 0);
}

static unsigned length_of(const char* text) {
  unsigned length = 0;
  while (text[length] != 0) length++;
  return length;
}

static int equal(const char* one, const char* other) {
  while (*one != 0 && *one == *other) one++, other++;
  return *one == *other;
}

// Decimal; -1 for anything else, and for more than 999999999.
static long number_of(const char* text) {
  long number = 0;
  unsigned digits = 0;
  for (; *text != 0; text++, digits++) {
    if (*text < '0' || *text > '9' || digits == 9) return -1;
    number = number * 10 + (*text - '0');
  }
  return digits == 0 ? -1 : number;
}

static void add(struct line* line, const char* text) {
  for (; *text != 0 && line->length < LONGEST_LINE - 1; text++) line->text[line->length++] = *text;
}

static void add_number(struct line* line, unsigned number) {
  char digits[12];
  unsigned at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  add(line, digits + at);
}

// Begins a line of the kernel log. @param level as in <linux/kern_levels.h>: '2' is shown even with `quiet`
static void begin(struct line* line, char level, const char* id) {
  const char prefix[] = {'<', level, '>', 0};
  line->length = 0;
  add(line, prefix);
  add(line, "linux-kexec: trial ");
  add(line, id);
  add(line, ": ");
}

// One write is one line of the log.
static void end(struct line* line) {
  line->text[line->length++] = '\n';
  call(__NR_write, KMSG, (long)line->text, line->length, 0, 0);
}

static void say(char level, const char* id, const char* text) {
  struct line line;
  begin(&line, level, id);
  add(&line, text);
  end(&line);
}

// The number of a signal of this set that is in the queue or comes within this time; negative if none does.
static long wait_for(unsigned long long signals, siginfo_t* info, struct time time) {
  info->si_pid = 0;
  return call(__NR_rt_sigtimedwait, (long)&signals, (long)info, (long)&time, sizeof signals, 0);
}

static unsigned long long set_of(int signal) { return 1ULL << (signal - 1); }

static void sleep_seconds(long seconds) {
  struct time time = {seconds, 0};
  call(__NR_nanosleep, (long)&time, 0, 0, 0, 0);
}

// Runs sync(2) in a process of its own: on a disk that hangs it does not return, and cannot be killed.
static void sync_for_a_while(void) {
  long child = call(__NR_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    call(__NR_sync, 0, 0, 0, 0, 0);
    leave(0);
  }
  if (child < 0) {
    // Without memory for a process the kernel can still do it by itself.
    call(__NR_write, SYSRQ, (long)"s", 1, 0, 0);
    sleep_seconds(2);
    return;
  }
  siginfo_t info;
  wait_for(set_of(SIGCHLD), &info, (struct time){SYNC_SECONDS, 0});
}

static void block_signals(void) {
  unsigned long long all = ~0ULL;
  call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&all, 0, sizeof all, 0);
}

static _Noreturn void reset(void) {
  // Else the end of its process would be ignored.
  block_signals();
  sync_for_a_while();
  for (;;) {
    call(__NR_write, SYSRQ, (long)"b", 1, 0, 0);
    sleep_seconds(1);
    call(__NR_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART, 0, 0);
    sleep_seconds(1);
  }
}

static _Noreturn void give_up(const char* id, const char* why) {
  say('2', id, why);
  say('2', id, "without its deadman the trial must not run; resetting the machine");
  reset();
}

// To a signal of some process.
static _Noreturn void answer(long signal, const char* id, const siginfo_t* info) {
  struct line line;
  begin(&line, signal == SIGUSR1 ? '5' : '2', id);
  add(&line, signal == SIGUSR1 ? "released by process " : "ended as failed by process ");
  add_number(&line, (unsigned)info->si_pid);
  add(&line, signal == SIGUSR1 ? "; its deadman ends" : "; resetting the machine");
  end(&line);
  if (signal == SIGUSR1) leave(0);
  reset();
}

// Time to the deadline, at most a step; zero when it has passed.
static struct time until(long deadline) {
  struct time now = {0, 0};
  struct time left = {0, 0};
  call(__NR_clock_gettime, CLOCK_BOOTTIME, (long)&now, 0, 0, 0);
  if (now.seconds >= deadline) return left;
  left.seconds = deadline - now.seconds;
  if (now.nanoseconds > 0) {
    left.seconds--;
    left.nanoseconds = 1000000000 - now.nanoseconds;
  }
  if (left.seconds >= STEP_SECONDS) left = (struct time){STEP_SECONDS, 0};
  return left;
}

// The deadman. @param deadline in seconds since the start of the kernel, time in suspend included, in words
static _Noreturn void watch(const char* id, const char* deadline) {
  long seconds = number_of(deadline);
  struct line line;
  call(__NR_prctl, PR_SET_NAME, (long)"kexec-deadman", 0, 0, 0);
  call(__NR_mlockall, MCL_CURRENT | MCL_FUTURE, 0, 0, 0, 0);
  begin(&line, '5', id);
  add(&line, "unless it is confirmed, the machine resets ");
  add(&line, deadline);
  add(&line, " s after the start of this kernel");
  end(&line);
  for (;;) {
    siginfo_t info;
    struct time left = until(seconds);
    // Even at the deadline: what was confirmed before it counts.
    long signal = wait_for(set_of(SIGUSR1) | set_of(SIGUSR2), &info, left);
    if (signal == SIGUSR1 || signal == SIGUSR2) answer(signal, id, &info);
    if (left.seconds == 0 && left.nanoseconds == 0) break;
  }
  begin(&line, '2', id);
  add(&line, "not confirmed within ");
  add(&line, deadline);
  add(&line, " s; resetting the machine");
  end(&line);
  reset();
}

// In the second process, before it becomes the deadman: what a new program inherits. Returns when it could not be
// started.
static void become_deadman(const struct trial* trial, long proc) {
  const char* arguments[] = {NAME, trial->id, trial->deadline, 0};
  const char* environment[] = {0};
  block_signals();
  call(__NR_setsid, 0, 0, 0, 0, 0);
  call(__NR_setpriority, PRIO_PROCESS, 0, -20, 0, 0);
  call(__NR_chdir, (long)"/", 0, 0, 0, 0);
  long score = open_at(proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  call(__NR_write, score, (long)"-1000", 5, 0, 0);
  close_descriptor(score);
  for (long fd = 0; fd < KEPT; fd++) close_descriptor(fd);
  call(__NR_execve, (long)PROGRAM, (long)arguments, (long)environment, 0, 0);
}

static void keep(long fd, long as) {
  if (fd < 0) return;
  call(__NR_dup3, fd, as, 0, 0, 0);
  close_descriptor(fd);
}

// Opens what the deadman keeps, and leaves no trace in the initrd. @returns the directory /proc
static long open_kept(void) {
  static const char kmsg[] = "/linux-kexec-kmsg";
  static const char mounted[] = "/linux-kexec-proc";
  call(__NR_mknodat, AT_FDCWD, (long)kmsg, S_IFCHR | 0600, KMSG_DEVICE, 0);
  keep(open_at(AT_FDCWD, kmsg, O_WRONLY), KMSG);
  call(__NR_unlinkat, AT_FDCWD, (long)kmsg, 0, 0, 0);

  call(__NR_mkdirat, AT_FDCWD, (long)mounted, 0700, 0, 0);
  call(__NR_mount, (long)"proc", (long)mounted, (long)"proc", 0, 0);
  long proc = open_at(AT_FDCWD, mounted, O_DIRECTORY | O_CLOEXEC);
  keep(open_at(proc, "sysrq-trigger", O_WRONLY), SYSRQ);
  call(__NR_umount2, (long)mounted, MNT_DETACH, 0, 0, 0);
  call(__NR_unlinkat, AT_FDCWD, (long)mounted, AT_REMOVEDIR, 0, 0);
  return proc;
}

// Three lines: id, deadline, path of init. @returns whether they are there
static int read_trial(struct trial* trial) {
  long fd = open_at(AT_FDCWD, TRIAL, O_RDONLY | O_CLOEXEC);
  long length = call(__NR_read, fd, (long)trial->text, sizeof trial->text, 0, 0);
  close_descriptor(fd);
  if (length <= 0 || length == sizeof trial->text || trial->text[length - 1] != '\n') return 0;
  trial->text[length - 1] = 0;
  char* at = trial->text;
  trial->id = at;
  while (*at != '\n' && *at != 0) at++;
  if (*at == 0) return 0;
  *at++ = 0;
  trial->deadline = at;
  while (*at != '\n' && *at != 0) at++;
  if (*at == 0) return 0;
  *at++ = 0;
  trial->init = at;
  return number_of(trial->deadline) > 0 && length_of(trial->init) > 0;
}

// What the module numbered 9 needs, in their order before it; that one has the parameters.
static void load_modules(const char* id) {
  char path[] = MODULE "0";
  char parameters[LONGEST_PARAMETERS];
  long fd = open_at(AT_FDCWD, MODULE_PARAMETERS, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  long length = call(__NR_read, fd, (long)parameters, sizeof parameters - 1, 0, 0);
  parameters[length < 0 ? 0 : length] = 0;
  close_descriptor(fd);
  call(__NR_unlinkat, AT_FDCWD, (long)MODULE_PARAMETERS, 0, 0, 0);
  for (char* digit = path + sizeof path - 2; *digit <= '9'; (*digit)++) {
    long module = open_at(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (module < 0) continue;
    if (call(__NR_finit_module, module, (long)(*digit == '9' ? parameters : ""), 0, 0, 0) < 0)
      say('4', id, "a module of its black box cannot be loaded");
    close_descriptor(module);
    call(__NR_unlinkat, AT_FDCWD, (long)path, 0, 0, 0);
  }
}

// As PID 1.
static _Noreturn void first(char** arguments, char** environment) {
  struct trial trial;
  long proc = open_kept();
  if (!read_trial(&trial)) give_up("(unknown)", "the file " TRIAL " is missing or damaged");
  // CLONE_VFORK: goes on here when the other process has become the deadman, or has ended.
  long child = call(__NR_clone, CLONE_VFORK | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    become_deadman(&trial, proc);
    leave(1);
  }
  if (child < 0 || call(__NR_wait4, child, 0, WNOHANG, 0, 0) != 0) give_up(trial.id, "its deadman cannot be started");
  call(__NR_unlinkat, AT_FDCWD, (long)PROGRAM, 0, 0, 0);
  call(__NR_unlinkat, AT_FDCWD, (long)TRIAL, 0, 0, 0);
  load_modules(trial.id);
  // init inherits what the kernel gave, nothing else. The log stays open for one more message.
  close_descriptor(SYSRQ);
  call(__NR_fcntl, KMSG, F_SETFD, FD_CLOEXEC, 0, 0);
  arguments[0] = trial.init;
  call(__NR_execve, (long)trial.init, (long)arguments, (long)environment, 0, 0);
  struct line line;
  begin(&line, '2', trial.id);
  add(&line, "cannot start the init ");
  add(&line, trial.init);
  end(&line);
  // The kernel panics, as for every init that ends.
  leave(1);
}

// Called by the start code of each architecture. @param stack argc, argv, envp, as the kernel leaves them
__attribute__((used)) _Noreturn void program(long* stack) {
  char** arguments = (char**)(stack + 1);
  char** environment = arguments + stack[0] + 1;
  if (call(__NR_getpid, 0, 0, 0, 0, 0) == 1) first(arguments, environment);
  // Started by a person, it does nothing.
  if (stack[0] != 3 || !equal(arguments[0], NAME) || number_of(arguments[2]) <= 0) leave(2);
  watch(arguments[1], arguments[2]);
}
