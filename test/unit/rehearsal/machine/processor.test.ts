import { expect, test } from 'vitest'
import { stateOf } from '../../../../src/rehearsal/machine/processor.ts'

/** What QEMU 7.2 shows of a processor (target/i386/cpu-dump.c), shortened. */
const cpu = (number: number, halted: 0 | 1) => `
CPU#${number}
RAX=0000000000000000 RBX=ffffffff82e14900 RCX=0000000000000001 RDX=0000000000000000
RIP=ffffffff81e5b3fb RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=${halted}
ES =0000 0000000000000000 ffffffff 00c00000`

test.each<[string, string[], string | null]>([
  ['one that is idle in some looks', [cpu(0, 0), cpu(0, 1), cpu(0, 0)], 'waiting'],
  ['one that never rests', [cpu(0, 0), cpu(0, 0)], 'looping'],
  ['a second one that was not started', [cpu(0, 0) + cpu(1, 1)], 'looping'],
  ['all idle', [cpu(0, 1) + cpu(1, 1)], 'waiting'],
  ['a machine whose registers do not tell', ['CPU#0\n PC=ffff800010000000 X00=0000000000000000'], null],
])('%s', (_name, looks, state) => {
  expect(stateOf(looks)).toBe(state)
})
