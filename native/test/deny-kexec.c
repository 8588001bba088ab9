// deny-kexec ERRNO -- COMMAND [ARGUMENT…]
//
// Runs COMMAND with kexec_load, kexec_file_load and reboot failing with ERRNO before they reach the kernel, for it and
// everything it starts. This makes `npm test` as root harmless, and shows in tests that an errno arrives unchanged.
// Exit status: that of COMMAND; 125 when the filter cannot be set, 127 when COMMAND cannot be run.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define NATIVE_ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#elif defined(__s390x__)
#define NATIVE_ARCH AUDIT_ARCH_S390X
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_ARCH AUDIT_ARCH_PPC64LE
#else
#error "deny-kexec: add this architecture's AUDIT_ARCH"
#endif

#ifndef SYS_kexec_file_load
#define SYS_kexec_file_load 294  // where headers may be too old: arm64 and riscv64
#endif

// x32 calls carry this bit in the number, and the architecture of x86_64.
#define X32_SYSCALL_BIT 0x40000000

// asm-generic/errno: the kernel's MAX_ERRNO. seccomp cuts greater ones down to it.
#define MAX_ERRNO 4095

static int install_filter(unsigned int error) {
  struct sock_filter program[] = {
    // Numbers mean nothing under another architecture (int 0x80 on x86_64), so such a call ends the process.
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#if defined(__x86_64__)
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_SYSCALL_BIT, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kexec_load, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kexec_file_load, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_reboot, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
  };
  struct sock_fprog filter = {.len = sizeof(program) / sizeof(program[0]), .filter = program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

int main(int argc, char** argv) {
  char* end = NULL;
  const long error = argc > 1 ? strtol(argv[1], &end, 10) : 0;
  if (argc < 4 || strcmp(argv[2], "--") != 0 || end == argv[1] || *end != '\0' || error < 1 || error > MAX_ERRNO) {
    fputs("usage: deny-kexec ERRNO -- COMMAND [ARGUMENT...]\n", stderr);
    return 125;
  }
  if (install_filter((unsigned int)error) != 0) {
    perror("deny-kexec: seccomp");
    return 125;
  }
  execvp(argv[3], argv + 3);
  fprintf(stderr, "deny-kexec: %s: %s\n", argv[3], strerror(errno));
  return 127;
}
