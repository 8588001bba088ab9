import { expect, test } from 'vitest'
import { plan } from '../../../src/index.ts'
import { makeMachine, newer } from './debian.ts'

const initrds = [`/boot/initrd.img-${newer}`]

test.each(['', 'root=/dev/vda1  a="b  c"', 'an "open quote', 'two\nlines', 'same same'])(
  'an exact command line is kept to the letter: %j',
  async (exactCommandLine) => {
    using made = await plan({ root: makeMachine(), kernel: `/boot/vmlinuz-${newer}`, initrds, exactCommandLine })
    expect(made.commandLine).toBe(exactCommandLine)
    expect(made.refusals).toEqual([])
  },
)

test('one that is too long for the kernel is refused as any other', async () => {
  const exactCommandLine = 'x'.repeat(2017)
  using made = await plan({ root: makeMachine(), kernel: `/boot/vmlinuz-${newer}`, initrds, exactCommandLine })
  expect(made.refusals).toMatchObject([{ reason: 'cmdline-too-long' }])
})

test('without root= and without an initrd it is warned of', async () => {
  using made = await plan({ root: makeMachine(), kernel: `/boot/vmlinuz-${newer}`, exactCommandLine: 'ro' })
  expect(made.warnings).toContainEqual({ code: 'no-root', text: expect.stringContaining('no root=') })
})
