#!/usr/bin/env node
// node scripts/build-programs.mjs [PROGRAM DIRECTORY]
// Compiles the programs that go into initrds, for each architecture, into files of src/ (`programs`, below). With a program
// and a directory, it compiles that one into a file for each architecture there instead, as far as their compilers are
// installed; tests compare these with the file in src/.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isInstalled } from './programs.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Each in native/NAME/NAME.c, and the file and constant of src/ that it becomes. */
const programs = {
  deadman: { file: 'src/trial/guards/deadman-code.ts', constant: 'deadmanCode' },
  rehearsal: { file: 'src/rehearsal/init/init-code.ts', constant: 'initCode' },
}

/** By the names of src/system/architecture.ts. */
const targets = {
  x86_64: { compiler: 'gcc', flags: ['-m64', '-march=x86-64', '-mgeneral-regs-only', '-fcf-protection=none'] },
  aarch64: { compiler: 'aarch64-linux-gnu-gcc', flags: ['-march=armv8-a', '-mgeneral-regs-only'] },
}

const flags = [
  ...[
    '-std=c17',
    '-Os',
    '-ffreestanding',
    '-fno-builtin',
    '-fno-strict-aliasing',
    '-fno-tree-loop-distribute-patterns',
  ],
  ...['-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables', '-fno-ident', '-fno-pie'],
  ...['-nostdlib', '-static', '-no-pie', '-s', '-Wall', '-Wextra', '-Werror'],
  // One segment, which suits kernels with pages of any size.
  ...['build-id=none', '-z,noseparate-code', '-z,max-page-size=65536', '-z,noexecstack'].map((option) =>
    option.startsWith('-') ? `-Wl,${option}` : `-Wl,--${option}`,
  ),
]

/** A deadman is locked into memory, and all travel in the package once for each architecture. */
const LARGEST = 8 * 1024

const run = (program, ...options) => execFileSync(program, options, { encoding: 'utf8' })

function build(program, name, directory) {
  const { compiler, flags: own } = targets[name]
  const file = join(directory, name)
  run(compiler, ...flags, ...own, join(root, 'native', program, `${program}.c`), '-o', file)
  const segments = run('readelf', '--program-headers', '--wide', file)
  const loads = segments.match(/^ {2}LOAD .*$/gm) ?? []
  if (loads.length !== 1 || !/ R E /.test(loads[0]))
    throw new Error(`${program}, ${name}: one segment to read and run was expected, and nothing to write:\n${segments}`)
  const relocations = run('readelf', '--relocs', file)
  if (!relocations.includes('There are no relocations'))
    throw new Error(`${program}, ${name} needs relocations:\n${relocations}`)
  const bytes = readFileSync(file)
  if (bytes.length > LARGEST) throw new Error(`${program}, ${name} has ${bytes.length} bytes, more than ${LARGEST}`)
  return bytes
}

function entry(program, name, directory) {
  const lines =
    build(program, name, directory)
      .toString('base64')
      .match(/.{1,110}/g) ?? []
  const version = run(targets[name].compiler, '-dumpfullversion').trim()
  return `  ${name}: {
    compiler: '${targets[name].compiler} ${version}',
    program:
${lines.map((line) => `      '${line}'`).join(' +\n')},
  },
`
}

function write(program) {
  const { file, constant } = programs[program]
  const made = mkdtempSync(join(tmpdir(), `linux-kexec-${program}-`))
  try {
    const text = `// Compiled from native/${program} by scripts/build-programs.mjs. Do not edit.

/**
 * By architecture: the program in base64, and its compiler. Another version of that makes other bytes from the same source.
 */
export const ${constant} = {
${names.map((name) => entry(program, name, made)).join('')}} as const
`
    writeFileSync(join(root, file), text)
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}

const names = Object.keys(targets)
const [program, directory] = process.argv.slice(2)
if (program === undefined) for (const each of Object.keys(programs)) write(each)
else for (const name of names.filter((each) => isInstalled(targets[each].compiler))) build(program, name, directory)
