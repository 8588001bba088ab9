// What Debian's libstdc++ and libgcc want of glibc and musl does not have. Built as ld-linux-x86-64.so.2, beside links
// to the two, it lets Bun for musl run on a Debian without a libstdc++ for musl (scripts/test-runtimes.mjs). The addon
// takes none of these.
#include <stddef.h>

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl*,cppcoreguidelines-avoid-non-const-global-variables)
size_t strftime_l(char*, size_t, const char*, const void*, void*);
size_t __strftime_l(char* text, size_t size, const char* format, const void* time, void* locale) {
  return strftime_l(text, size, format, time, locale);
}
unsigned int arc4random(void) { return 4; }
int __cxa_thread_atexit_impl(void) { return 0; }
int _dl_find_object(void) { return -1; }
int __cpu_indicator_init(void) { return 0; }
unsigned int __cpu_model[4];
char __libc_single_threaded;
// NOLINTEND(bugprone-reserved-identifier,cert-dcl*,cppcoreguidelines-avoid-non-const-global-variables)
