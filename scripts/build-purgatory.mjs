#!/usr/bin/env node
// node scripts/build-purgatory.mjs [DIRECTORY]
// Compiles native/purgatory/x86_64.c into src/engine/layout/x86_64/verification-code.ts; with a directory, into verification.bin
// there, and leaves the source as it is (test/unit/engine/layout/verification.test.ts compares them).
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'native/purgatory')

// Nothing that the place between two kernels lacks: no vector registers, no red zone that an NMI would overwrite, no calls into
// a library, nothing to be relocated.
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
  if (!relocations.includes('There are no relocations'))
    throw new Error(`it would have to be relocated:\n${relocations}`)
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
    const text = `// Made by scripts/build-purgatory.mjs of native/purgatory/x86_64.c; not to be edited.

/** The compiler's version: another one makes other bytes of the same source. */
export const compiler = 'gcc ${compiler}'

/** Code that hashes what was loaded, in base64; it is entered at its first byte. */
export const verificationCode =
${lines.map((line) => `  '${line}'`).join(' +\n')}
`
    writeFileSync(join(root, 'src/engine/layout/x86_64/verification-code.ts'), text)
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}
