import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kexecOptions } from '../../../../src/cli/kexec8/options.ts'
import { type Circumstances, readRequest } from '../../../../src/cli/kexec8/request.ts'

const usual: Circumstances = { posixly: false, hasCrashMemory: true }
const read = (line: string, circumstances = usual) => readRequest(line.split(' ').filter(Boolean), circumstances)

describe('what is done', () => {
  test.each([
    ['vmlinuz', { unload: false, finish: 'reboot', sync: true, panic: false }],
    ['-l vmlinuz', { unload: false, finish: 'nothing', panic: false }],
    ['-p vmlinuz', { unload: false, finish: 'nothing', panic: true }],
    ['-f vmlinuz', { finish: 'exec', sync: true }],
    ['-fy vmlinuz', { finish: 'exec', sync: false }],
    ['-l -f vmlinuz', { finish: 'exec' }],
    ['-f -l vmlinuz', { finish: 'nothing' }],
    ['-u -l vmlinuz', { unload: true, finish: 'nothing' }],
  ])('%s: loads', (line, expected) => {
    expect(read(line)).toMatchObject({ kind: 'work', load: { kernel: 'vmlinuz' }, ...expected })
  })

  test.each([
    ['-e', { unload: false, finish: 'exec', sync: true }],
    ['-e -x -y', { finish: 'exec', sync: false }],
    ['-l -e', { finish: 'exec' }],
    ['-u', { unload: true, finish: 'nothing', panic: false }],
    ['-p -u', { unload: true, finish: 'nothing', panic: true }],
    ['-u -p', { unload: true, finish: 'nothing', panic: true }],
    ['-c -u', { unload: true, finish: 'nothing' }],
    ['-u -e', { unload: true, finish: 'exec' }],
  ])('%s: loads nothing', (line, expected) => {
    expect(read(line)).toMatchObject({ kind: 'work', load: null, ...expected })
  })

  test.each([
    ['-h', 'help'],
    ['-l --version --nonsense', 'version'],
    ['--print-ckr-size -l', 'crash-size'],
  ])('%s ends the reading where it stands', (line, kind) => {
    expect(read(line)).toEqual({ kind })
  })

  test.each([
    ['-S', true],
    ['--status -p', true],
    ['-lS', false],
    ['-S -l -p', true],
    ['-S -u', true],
    ['-c -S vmlinuz', true],
  ])('%s asks for the status, of the crash kernel: %s', (line, panic) => {
    expect(read(line)).toEqual({ kind: 'status', panic })
  })
})

describe('what is loaded', () => {
  test('the last of several counts, and the command line is kept to the letter', () => {
    const words = ['-l', '--initrd=a', '--ramdisk', 'b', '--append=x', '--command-line=a="b  c"  d', 'vmlinuz', 'other']
    expect(readRequest(words, usual)).toMatchObject({
      load: { kernel: 'vmlinuz', initrd: 'b', append: 'a="b  c"  d', reuseCommandLine: false, type: null },
    })
  })

  test.each([
    ['-l vmlinuz', false, 'auto'],
    ['-l -s vmlinuz', true, 'file'],
    ['-l -s -a vmlinuz', false, 'auto'],
    ['-l -c -s vmlinuz', true, 'file'],
    ['-l -s --kexec-syscall vmlinuz', false, 'segments'],
  ])('%s: only kexec_file_load: %s, engine %s', (line, fileOnly, engine) => {
    expect(read(line)).toMatchObject({ load: { fileOnly, engine } })
  })

  test('options without effect are told once, save those that nobody misses', () => {
    expect(read('-lxi --reset-vga --reset-vga --mem-max=0x1000 vmlinuz')).toMatchObject({
      ignored: [
        expect.stringMatching(/^--reset-vga has no effect: /),
        expect.stringMatching(/^--mem-max has no effect: /),
      ],
    })
  })
})

describe('operands that are left over', () => {
  test.each([
    [
      '-l vmlinuz initrd.img',
      ["'initrd.img' has no effect: only one kernel is loaded; name an initrd with --initrd=FILE"],
    ],
    ['-l vmlinuz a b', ["'a', 'b' have no effect: only one kernel is loaded; name an initrd with --initrd=FILE"]],
    ['-e now', ["'now' has no effect: nothing is loaded here"]],
    ['-u x', ["'x' has no effect: nothing is loaded here"]],
    ['-l vmlinuz', []],
    ['-e', []],
  ])('kexec %s', (words, ignored) => {
    expect(read(words)).toMatchObject({ kind: 'work', ignored })
  })
})

describe('what is wrong, with the exit status of kexec-tools', () => {
  test.each([
    ['', 255, 'no kernel was named'],
    ['-l', 255, 'no kernel was named'],
    ['-l --nonsense', 1, 'there is no option --nonsense'],
    ['-l --apend=x v', 1, 'there is no option --apend; did you mean --append?'],
    ['-?', 1, 'there is no option -?'],
    ['--re', 1, '--re could be --reuseinitrd, --reset-vga, '],
    ['--load=x', 1, '--load takes no value'],
    ['-l --append', 1, '--append needs a value'],
    ['--mem-min=1k -l v', 1, "--mem-min takes an address, not '1k'"],
    ['--entry=08 -l v', 1, "--entry takes an address, not '08'"],
    ['-l --serial=com1 v', 255, '--serial takes ttyS0, ttyS1 or a port such as 0x3f8'],
    ['-l --serial-baud=0 v', 255, '--serial-baud takes a rate that divides 115200'],
    ['-e --append=x', 1, '--append says what to load, but no load was asked for'],
    ['-u --noefi', 1, '--noefi says what to load'],
    ['-S --initrd=x', 1, '--initrd says what to load'],
    ['-l --load-preserve-context v', 1, '--load-preserve-context is supported only by kexec-tools, with kexec_load'],
    ['--load-jump-back-helper', 1, '--load-jump-back-helper is supported only by kexec-tools, with kexec_load'],
    ['-l --reuseinitrd v', 1, '--reuseinitrd is not supported by any x86 kernel'],
    ['-l --dtb=x v', 255, '--dtb is not supported by kexec_file_load'],
    ['-l --real-mode v', 255, '--real-mode is supported only by kexec-tools, with kexec_load'],
    ['-l --module=x v', 255, '--module is for multiboot images'],
  ])('%s', (line, status, problem) => {
    expect(read(line)).toMatchObject({ kind: 'wrong', status, problem: expect.stringContaining(problem) })
  })

  test.each(['-l -c -a v', '-l --mem-min=0x10 v', '-l --mem-max= v', '-l --serial=0x2f8 v', '-l --serial-baud=9600 v'])(
    '%s is not',
    (line) => {
      expect(read(line)).toMatchObject({ kind: 'work', load: { kernel: 'v' } })
    },
  )

  test('a crash kernel without memory reserved, before anything else', () => {
    const bare = { ...usual, hasCrashMemory: false }
    expect(read('-p', bare)).toMatchObject({ status: 1, problem: 'no memory is reserved for a crash kernel' })
    expect(read('-p -u', bare)).toMatchObject({ kind: 'work', unload: true })
  })
})

test('whatever the words, there is an answer, and nothing is loaded without a kernel', () => {
  const option = fc.constantFrom(...kexecOptions)
  const word = fc.oneof(
    option.map(({ name }) => `--${name}`),
    fc.tuple(option, fc.string()).map(([{ name }, value]) => `--${name}=${value}`),
    fc.string({ unit: fc.constantFrom('-', 'l', 'p', 'u', 'e', 'f', 's', 't', '?'), maxLength: 4 }),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(word), fc.boolean(), fc.boolean(), (words, posixly, hasCrashMemory) => {
      const request = readRequest(words, { posixly, hasCrashMemory })
      if (request.kind !== 'work') return
      if (request.load !== null) expect(words).toContain(request.load.kernel)
      if (request.panic && request.load !== null) expect(hasCrashMemory).toBe(true)
    }),
    { numRuns: 1000 },
  )
})
