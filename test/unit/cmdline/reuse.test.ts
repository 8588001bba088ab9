import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appendParameters, removeParameter } from '../../../src/cmdline/edit.ts'
import { parseCommandLine, printCommandLine } from '../../../src/cmdline/parse.ts'
import { markOf, OF_THE_BOOT, reuseCommandLine, withoutIdleMarks } from '../../../src/cmdline/reuse.ts'
import { commandLines } from './command-lines.ts'

const reuse = (text: string, panic = false) => printCommandLine(reuseCommandLine(text, { panic }))

describe('reuse drops what belongs to the boot that was', () => {
  test.each([
    ['debian12', 'root=/dev/mapper/debian--vg-root ro quiet'],
    ['arch', commandLines.arch.trim().replace(/initrd=\S+ /g, '')],
    [
      'alpine',
      commandLines.alpine
        .trim()
        .replace(/BOOT_IMAGE=\S+ /, '')
        .replace(/ initrd=\S+/, ''),
    ],
    ['kdumpRunning', 'root=/dev/sda2 irqpoll nr_cpus=1 reset_devices disable_cpu_apicid=0'],
    ['kdumpSplit', commandLines.kdumpSplit.trim().replace(/BOOT_IMAGE=\S+ /, '')],
    ['dynamicDebug', commandLines.dynamicDebug.trim()],
    ['forInit', commandLines.forInit.trim()],
    ['empty', ''],
  ] as const)('%s', (name, expected) => {
    expect(reuse(commandLines[name])).toBe(expected)
  })

  test('every one of the list goes, however its key is written', () => {
    expect(OF_THE_BOOT).toEqual(expect.arrayContaining(['BOOT_IMAGE', 'initrd', 'elfcorehdr', 'kexec_jump_back_entry']))
    for (const name of OF_THE_BOOT) {
      for (const key of [name, name.replaceAll('_', '-')])
        expect(reuse(`root=/dev/sda1 ${key}=0x1000 "${key}=a b" ro`)).toBe('root=/dev/sda1 ro')
    }
  })

  test('a crash kernel reserves no memory for another one', () => {
    expect(reuse(commandLines.kdumpSplit, true)).toBe('root=/dev/sda2 console=ttyS0')
    expect(reuse(commandLines.rhel9, true)).not.toMatch(/crashkernel/)
    expect(reuse(commandLines.rhel9)).toMatch(/crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M/)
  })

  test('keys are matched whole, and words for init are not looked at', () => {
    expect(reuse('initrdmem=1,2 noinitrd BOOT_IMAGE_X=1 -- initrd=x BOOT_IMAGE=y')).toBe(
      'initrdmem=1,2 noinitrd BOOT_IMAGE_X=1 -- initrd=x BOOT_IMAGE=y',
    )
  })
})

test.each(Object.entries(commandLines))('%s: the hundredth kexec has the command line of the first', (_name, start) => {
  const round = (text: string) =>
    printCommandLine(
      appendParameters(removeParameter(reuseCommandLine(text), 'quiet'), 'console=ttyS0 panic=10 -- single'),
    )
  const first = round(start)
  let last = first
  for (let count = 1; count < 100; count++) last = round(`${last}\n`)
  expect(last).toBe(first)
})

test('only the newline at the end is /proc’s own', () => {
  expect(reuse('a="x\ny" b\n')).toBe('a="x\ny" b')
})

describe('what a load added for itself', () => {
  const added = 'cryptomgr.notests'

  test('goes with its mark, and nothing else goes', () => {
    expect(reuse(`root=/dev/sda1 ${added} ${markOf(added)} quiet`)).toBe('root=/dev/sda1 quiet')
    expect(reuse(`root=/dev/sda1 ${added} quiet`)).toBe(`root=/dev/sda1 ${added} quiet`)
  })

  test('leaves no mark when it was removed again', () => {
    const left = (text: string) => printCommandLine(withoutIdleMarks(parseCommandLine(text)))
    expect(left(`quiet ${markOf(added)} ro`)).toBe('quiet ro')
    expect(left(`quiet ${added} ${markOf(added)} ${markOf('ro')}`)).toBe(`quiet ${added} ${markOf(added)}`)
  })
})

test('reuse is idempotent on any text', () => {
  const word = fc.constantFrom(
    'BOOT_IMAGE=/x',
    'boot_image=1',
    'initrd=a',
    '"initrd=b c"',
    'crashkernel=1G',
    'a',
    'b="c d"',
    '--',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join(' ')),
      ),
      fc.boolean(),
      (text, panic) => {
        const once = reuse(text, panic)
        expect(reuse(`${once}\n`, panic)).toBe(once)
        expect(parseCommandLine(once).parameters.some(({ key }) => key === 'BOOT_IMAGE')).toBe(false)
      },
    ),
    { numRuns: 1000 },
  )
})
