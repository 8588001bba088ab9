{
  'targets': [
    {
      'target_name': 'linux_kexec',
      'sources': ['native/addon.cc', 'native/syscalls.cc', 'native/runtime.cc'],
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      'defines': [
        'NAPI_VERSION=8',
        'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # A worker thread that exits with a load in the queue would abort the whole process without it.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      # glibc turns lseek into lseek64 with it, a name musl does not promise.
      'defines!': ['_FILE_OFFSET_BITS=64'],
      # One file for glibc and musl: nothing from libstdc++ (native/runtime.cc stands in; assertions would call
      # into it), no FORTIFY (musl has no *_chk).
      # CMakeLists.txt has the same flags; scripts/check-native.mjs gates what comes out.
      'cflags!': ['-O3'],
      'cflags': [
        '-Os',
        '-Wall',
        '-Wextra',
        '-fvisibility=hidden',
        '-ffunction-sections',
        '-fstack-protector-strong',
        '-fstack-clash-protection',
        '-U_FORTIFY_SOURCE',
        '-U_GLIBCXX_ASSERTIONS',
        # GCC 12 and clang have it.
        '<!(${CXX:-c++} -Werror -ftrivial-auto-var-init=zero -fsyntax-only -x c++ /dev/null 2>/dev/null && echo -ftrivial-auto-var-init=zero || echo -fvisibility=hidden)',
      ],
      'cflags_cc': ['-fno-exceptions', '-fno-rtti', '-fno-threadsafe-statics'],
      'cflags_cc!': ['-fexceptions', '-frtti'],
      'ldflags': [
        '-nodefaultlibs',
        # They only serve static objects with destructors, of which there are none, and Debian's lack the marks that
        # let the CPU check branches (CET, BTI).
        '-nostartfiles',
        '-Wl,--version-script=<(module_root_dir)/native/exports.map',
        '-Wl,-z,relro,-z,now,-z,noexecstack',
        '-Wl,--gc-sections',
      ],
      'libraries': ['-lgcc'],
      'conditions': [
        ['target_arch=="x64"', {'cflags': ['-fcf-protection=full']}],
        # Outline atomics would import __getauxval, which musl does not have.
        ['target_arch=="arm64"', {'cflags': ['-mbranch-protection=standard', '-mno-outline-atomics']}],
      ],
    },
    {
      # The net under `npm test`: see the file.
      'target_name': 'deny_kexec',
      'type': 'executable',
      'sources': ['native/test/deny-kexec.c'],
      'cflags': ['-Wall', '-Wextra'],
    },
  ],
}
