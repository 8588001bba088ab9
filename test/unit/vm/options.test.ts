import { expect, test } from 'vitest'
import { buildGuest, newestKernels, startVm } from '../../../src/vm/index.ts'

test.each<[string, () => Promise<unknown>, RegExp]>([
  ['startVm()', () => startVm({ memry: 512 } as never), /startVm\(\) has no option 'memry'/],
  ['startVm()', () => startVm({ memory: '1G' } as never), /'memory' of startVm\(\) takes a whole number/],
  ['startVm()', () => startVm({ bootLoader: 'lilo' } as never), /takes 'none', 'uefi', 'grub', 'shim' or 'disk'/],
  ['buildGuest()', () => buildGuest({ kernels: [], package: ['a'] } as never), /no option 'package'/],
  ['buildGuest()', () => buildGuest({ kernels: [], userland: 'upstart' } as never), /'userland' of buildGuest\(\)/],
  ['newestKernels()', () => newestKernels({ count: 0 }), /'count' of newestKernels\(\) takes/],
])('%s names what it does not take', async (_, call, words) => {
  await expect(call()).rejects.toMatchObject({ reason: 'invalid-argument', message: expect.stringMatching(words) })
})
