// The few parts of the C++ runtime that the addon uses, so that it needs no libstdc++. The same file then loads under
// glibc and musl, and into runtimes without a libstdc++ of their own. Exceptions are off, so code that would throw
// aborts. exports.map keeps all of it inside the addon: Node's own operator new is never replaced.
#include <cstddef>
#include <cstdlib>
#include <string>

void* operator new(size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
void* operator new[](size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t /*size*/) noexcept { operator delete(memory); }
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete[](void* memory, size_t /*size*/) noexcept { operator delete(memory); }

// The names are the compiler's and libstdc++'s, whose headers declare the latter noreturn.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-*)
extern "C" [[noreturn]] void __cxa_pure_virtual() { std::abort(); }

namespace std {
void __throw_logic_error(const char* /*what*/) { abort(); }
void __throw_length_error(const char* /*what*/) { abort(); }
void __throw_out_of_range(const char* /*what*/) { abort(); }
void __throw_out_of_range_fmt(const char* /*format*/, ...) { abort(); }
void __throw_bad_alloc() { abort(); }
void __throw_bad_array_new_length() { abort(); }
void __throw_bad_function_call() { abort(); }
}  // namespace std
// NOLINTEND(bugprone-reserved-identifier,cert-*)

// libstdc++'s headers declare these as instantiated elsewhere (up to C++17), which is here. The linker drops unused
// ones.
template class std::basic_string<char>;
