import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { quoted } from './grub-judge.ts'
import { RealGrub, type RunningGrub, serialConsole } from './real-grub.ts'

/** Prints the command line that its boot loader gave it, with its final NUL, on the serial port, and stops. */
const program = Buffer.from(
  [
    '8bb628020000', // mov esi, [esi + 0x228]: boot_params.hdr.cmd_line_ptr
    'ac 88c1', // next: lodsb; mov cl, al
    '66bafd03 ec a820 74fb', // wait: mov dx, 0x3fd; in al, dx; test al, 0x20; jz wait
    '66baf803 88c8 ee', // mov dx, 0x3f8; mov al, cl; out dx, al
    '84c0 75e9', // test al, al; jnz next
    'f4 ebfd', // halt: hlt; jmp halt
  ]
    .join('')
    .replaceAll(' ', ''),
  'hex',
)

/** A kernel of that program alone, by Linux' boot protocol 2.06 (Documentation/arch/x86/boot.rst). */
function kernel(): Buffer {
  const setup = Buffer.alloc(2 * 512)
  setup[0x1f1] = 1
  setup.writeUInt32LE(1, 0x1f4)
  setup.writeUInt16LE(0xaa55, 0x1fe)
  setup.write('HdrS', 0x202, 'latin1')
  setup.writeUInt16LE(0x206, 0x206)
  setup[0x211] = 1
  setup.writeUInt32LE(0x100000, 0x214)
  setup.writeUInt32LE(0x1fffff, 0x22c)
  setup.writeUInt32LE(2047, 0x238)
  return Buffer.concat([setup, program, Buffer.alloc(512 - program.length)])
}

let grub: RealGrub
let running: RunningGrub
beforeAll(async () => {
  grub = await RealGrub.open()
  const start = 'echo @ready\nread line\neval "linux (memdisk)/start/kernel $line"\nboot\n'
  running = await grub.start({
    modules: ['normal', 'terminal', 'echo', 'read', 'eval', 'linux'],
    files: { 'grub.cfg': `${serialConsole}${start}`, kernel: kernel() },
    plan: { table: 'msdos', partitions: [], prefix: '', config: '', firmware: 'pc' },
  })
})
afterAll(async () => {
  await running?.stop()
  grub?.close()
})

describe("what arrives in a kernel of the arguments of GRUB's linux command", () => {
  test.each<[string, string[]]>([
    ['root=/dev/sda1 ro   quiet', ['root=/dev/sda1', 'ro', 'quiet']],
    [`'a b' "c d" e\\ f`, ['a b', 'c d', 'e f']],
    [`key="value with blanks" 'key2=other value'`, ['key=value with blanks', 'key2=other value']],
    [`'say "hello"' it\\'s back\\\\slash`, ['say "hello"', "it's", 'back\\slash']],
    [`'"' "'" '\\' '\\"'`, ['"', "'", '\\', '\\"']],
    [`empty= '' "" end`, ['empty=', '', '', 'end']],
    [`-- init=/bin/sh --- $unset a\${unset}b \\$x`, ['--', 'init=/bin/sh', '---', 'ab', '$x']],
    ['tab\\\tin "tab\tin"', ['tab\tin', 'tab\tin']],
    ['"{braces}" a#b; echo', ['{braces}', 'a#b']],
    ['umlaut=ä', ['umlaut=ä']],
  ])('%s', async (line, words) => {
    const text = await running.answer(line, '\0')
    const commandLine = /BOOT_IMAGE=.*/s.exec(text)?.[0]
    expect(commandLine).toBe(`${['BOOT_IMAGE=(memdisk)/start/kernel', ...words.map(quoted)].join(' ')}\0`)
  })
})
