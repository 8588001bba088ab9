#!/usr/bin/env node
// node scripts/build-purgatory.mjs [DIRECTORY]
// Compiles native/purgatory/x86_64.c into src/engine/layout/x86_64/verification-code.ts. With a directory, it compiles into
// verification.bin there instead, which test/unit/engine/layout/verification.test.ts compares with that file.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'native/purgatory')

// The code runs between two kernels: without vector registers, a red zone (an NMI would overwrite it), a library or relocations.
const flags = [
  ...['-std=c17', '-O2', '-m64', '-march=x86-64', '-mgeneral-regs-only', '-mno-red-zone', '-fpie', '-ffreestanding'],
  ...[
    '-fno-builtin',
    '-fno-strict-aliasing',
    '-fno-tree-loop-distribute-patterns',
    '-fno-stack-protector',
    '-fcf-protection=none',
  ],
  ...['-fno-asynchronous-unwind-tables', '-fno-jump-tables', '-Wall', '-Wextra', '-Werror'],
]

const run = (program, ...options) => execFileSync(program, options, { encoding: 'utf8', cwd: source })

function build(directory) {
  const [object, linked, blob] = ['x86_64.o', 'x86_64.elf', 'verification.bin'].map((name) => join(directory, name))
  run('gcc', ...flags, '-c', 'x86_64.c', '-o', object)
  run('ld', '-m', 'elf_x86_64', '-T', 'x86_64.ld', '--no-dynamic-linker', '-pie', '-o', linked, object)
  const relocations = run('readelf', '--relocs', linked)
  if (!relocations.includes('There are no relocations')) throw new Error(`the code needs relocations:\n${relocations}`)
  run('objcopy', '-O', 'binary', '-j', '.blob', linked, blob)
  return readFileSync(blob)
}

const [directory] = process.argv.slice(2)
if (directory !== undefined) build(directory)
else {
  const made = mkdtempSync(join(tmpdir(), 'linux-kexec-purgatory-'))
  try {
    const lines =
      build(made)
        .toString('base64')
        .match(/.{1,110}/g) ?? []
    const compiler = run('gcc', '-dumpfullversion').trim()
    const text = `// Compiled from native/purgatory/x86_64.c by scripts/build-purgatory.mjs. Do not edit.

/** The version of the compiler: another version makes other bytes from the same source. */
export const compiler = 'gcc ${compiler}'

/** Code that verifies the hash of the loaded segments, in base64. Its entry point is its first byte. */
export const verificationCode =
${lines.map((line) => `  '${line}'`).join(' +\n')}
`
    writeFileSync(join(root, 'src/engine/layout/x86_64/verification-code.ts'), text)
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}
