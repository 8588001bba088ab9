import { expect, test } from 'vitest'
import { kexecFileLoad } from '../../../src/engine/kexec-file-load.ts'

// include/uapi/linux/kexec.h: KEXEC_FILE_ON_CRASH is 2, KEXEC_FILE_NO_INITRAMFS 4.
test.each([
  [{ panic: false, initrdFd: 7 }, 0],
  [{ panic: true, initrdFd: 7 }, 2],
  [{ panic: false, initrdFd: -1 }, 4],
  [{ panic: true, initrdFd: -1 }, 6],
])('%o is called with the flags %i', (load, flags) => {
  expect(kexecFileLoad({ ...load, kernelFd: 3, commandLine: '', path: '/boot/vmlinuz' }).flags).toBe(flags)
})
