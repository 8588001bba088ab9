// The least a load can cost: kexec_file_load(2) and nothing else. Prints the nanoseconds of the call, then unloads.
// bare-load KERNEL INITRD COMMAND-LINE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KEXEC_FILE_UNLOAD 1UL

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int kernel = open(argv[1], O_RDONLY | O_CLOEXEC);
  const int initrd = open(argv[2], O_RDONLY | O_CLOEXEC);
  const long long start = now();
  const long result = syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], 0UL);
  const long long end = now();
  if (result != 0) {
    fprintf(stderr, "kexec_file_load: %s\n", strerror(errno));
    return 1;
  }
  printf("%lld\n", end - start);
  return syscall(SYS_kexec_file_load, -1, -1, 1UL, "", KEXEC_FILE_UNLOAD) == 0 ? 0 : 1;
}
