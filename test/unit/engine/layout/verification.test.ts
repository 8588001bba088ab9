import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { TABLE, verification } from '../../../../src/engine/layout/x86_64/verification.ts'
import { compiler, verificationCode } from '../../../../src/engine/layout/x86_64/verification-code.ts'
import { x86_64 } from '../../../../src/engine/layout/x86_64/x86_64.ts'
import { untested } from '../../../untested.ts'
import { debianKernel, segmentMachine } from './machines.ts'

const root = join(import.meta.dirname, '../../../..')
const code = Buffer.from(verificationCode, 'base64')

/**
 * Runs the code in a process of its own: `run CODE TABLE-OFFSET MEMORY ADDRESS`, with MEMORY where the segments are to lie.
 * When the hashes differ it writes to a port, which no process may: SIGSEGV.
 */
const runner = `
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
static void *map(const char *path, unsigned long address, int protection) {
  int fd = open(path, O_RDONLY);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) exit(2);
  void *at = mmap((void *)address, status.st_size, protection, MAP_PRIVATE | (address ? MAP_FIXED_NOREPLACE : 0), fd, 0);
  if (at == MAP_FAILED) exit(3);
  return at;
}
int main(int count, char **words) {
  if (count != 5) return 1;
  char *code = map(words[1], 0, PROT_READ | PROT_EXEC);
  map(words[3], strtoul(words[4], 0, 0), PROT_READ);
  ((void (*)(const void *))code)(code + strtoul(words[2], 0, 0));
  puts("as it was");
  return 0;
}
`

const MEMORY = 0x10000000

const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-verification-'))
const hasCompiler = process.arch === 'x64' && spawnSync('gcc', ['--version']).status === 0
if (!hasCompiler) untested('without gcc on x86_64 the code that hashes segments cannot be run here')

function compiled(): string {
  const program = join(directory, 'run')
  writeFileSync(`${program}.c`, runner)
  execFileSync('gcc', ['-O1', '-D_GNU_SOURCE', '-o', program, `${program}.c`])
  return program
}

describe.runIf(hasCompiler)('the code that is run between the kernels', () => {
  test('is what its source compiles to, with the same compiler', ({ skip }) => {
    const own = `gcc ${execFileSync('gcc', ['-dumpfullversion'], { encoding: 'utf8' }).trim()}`
    execFileSync(process.execPath, [join(root, 'scripts/build-purgatory.mjs'), directory])
    const made = readFileSync(join(directory, 'verification.bin'))
    if (own !== compiler) return skip(`it was made by ${compiler}, and here is ${own}`)
    expect(made.equals(code)).toBe(true)
  })

  test('goes on when the memory is what was loaded, and not when a bit of it is another', () => {
    const program = compiled()
    const memory = randomBytes(300_000)
    // Of all lengths around a block, one behind the other and apart.
    const lengths = [0, 1, 55, 56, 63, 64, 65, 119, 128, 4096, 200_001]
    let at = 0
    const segments = lengths.map((length) => {
      const segment = { bytes: memory.subarray(at, at + length), address: MEMORY + at, size: length }
      at += length + 7
      return segment
    })
    const run = (content: Buffer) => {
      const [blob, image] = [join(directory, 'blob'), join(directory, 'memory')]
      writeFileSync(blob, verification(segments))
      writeFileSync(image, content)
      const { stdout, signal } = spawnSync(program, [blob, String(TABLE), image, String(MEMORY)], { encoding: 'utf8' })
      return signal ?? stdout
    }
    expect(run(memory)).toBe('as it was\n')
    for (const { address, size } of segments.filter((each) => each.size > 0)) {
      for (const offset of [0, size - 1]) {
        const changed = Buffer.from(memory)
        changed[address - MEMORY + offset] = (changed[address - MEMORY + offset] as number) ^ 1
        expect(run(changed)).toBe('SIGSEGV')
      }
    }
    // What lies between the segments is not theirs.
    const others = Buffer.from(memory)
    others[at - 1] = (others[at - 1] as number) ^ 1
    expect(run(others)).toBe('as it was\n')
  })
})

test('the table says where everything that is copied will lie, but for the code itself', () => {
  const { bytes: kernel } = debianKernel()
  const machine = x86_64.readMachine(segmentMachine('bios-6.1'))
  const parts = { kernel, initrd: Buffer.alloc(5000, 'initrd'), commandLine: 'ro' }
  const image = x86_64.build(machine, { ...parts, verify: true })
  const own = image.segments.find(({ address }) => address === image.entry)
  const others = image.segments.filter((segment) => segment !== own)
  const table = Buffer.from(own?.bytes.subarray(4096 + TABLE) ?? [])
  const hash = createHash('sha256')
  for (const { bytes } of others) hash.update(bytes)
  expect(table.toString('hex', 0, 32)).toBe(hash.digest('hex'))
  const ranges = Array.from({ length: Number(table.readBigUInt64LE(32)) }, (_, index) => ({
    address: Number(table.readBigUInt64LE(40 + index * 16)),
    length: Number(table.readBigUInt64LE(48 + index * 16)),
  }))
  expect(ranges).toEqual(others.map(({ address, bytes }) => ({ address, length: bytes.length })))
  // The trampoline calls it with the table: mov rdi, table; mov rax, code; call rax.
  const page = Buffer.from(own?.bytes.subarray(0, 4096) ?? [])
  const call = page.indexOf(Buffer.from('48bf', 'hex'))
  expect(Number(page.readBigUInt64LE(call + 2))).toBe(image.entry + 4096 + TABLE)
  expect(Number(page.readBigUInt64LE(call + 12))).toBe(image.entry + 4096)
  expect(page.toString('hex', call + 20, call + 22)).toBe('ffd0')
  expect(Buffer.from(own?.bytes.subarray(4096, 4096 + code.length) ?? []).equals(code)).toBe(true)
})
