// try-kexec IMAGE…
//
// Asks the kernel to take each image by kexec_file_load, then whether it would take anything by kexec_load, and prints of
// each what came of it and what the kernel wrote to its log meanwhile:
//
//     image NAME ERRNO
//     log TEXT
//
// ERRNO is 0 when it was taken. kexec_load is called with more segments than there can be (KEXEC_SEGMENT_MAX): a kernel that
// allows the call refuses that with EINVAL. For guests only: it replaces what is loaded.
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int kernel_log = -1;

static void print_outcome(const char* kind, const char* name, long result) {
  int error = result == 0 ? 0 : errno;
  char record[8192];
  printf("%s %s %d\n", kind, name, error);
  for (;;) {
    ssize_t length = kernel_log < 0 ? -1 : read(kernel_log, record, sizeof record - 1);
    if (length < 0 && errno == EPIPE && kernel_log >= 0) continue;
    if (length < 0) break;
    record[length] = '\0';
    char* text = strchr(record, ';');
    if (text == NULL) continue;
    text[strcspn(text, "\n")] = '\0';
    printf("log %s\n", text + 1);
  }
}

int main(int count, char** names) {
  kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (kernel_log >= 0) lseek(kernel_log, 0, SEEK_END);
  for (int index = 1; index < count; index++) {
    int image = open(names[index], O_RDONLY | O_CLOEXEC);
    if (image < 0) return perror(names[index]), 1;
    print_outcome("image", names[index],
                  syscall(SYS_kexec_file_load, image, -1, 1UL, "", (unsigned long)KEXEC_FILE_NO_INITRAMFS));
    close(image);
  }
  print_outcome("call", "kexec_load",
                syscall(SYS_kexec_load, 0UL, (unsigned long)KEXEC_SEGMENT_MAX + 1, NULL, (unsigned long)KEXEC_ARCH_DEFAULT));
  return 0;
}
