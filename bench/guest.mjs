// What the benchmarks do with their guests. It imports nothing of dist/, which `setUp` of scripts/setup.mjs may still have to make.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** @param seconds ten times as many are added to the two minutes that the script may take @returns what it printed */
export async function output(vm, script, seconds = 0) {
  const { status, stdout, stderr } = await vm.run(script, { deadline: 120_000 + seconds * 10_000 })
  if (status !== 0) throw new Error(`${script}\nended with status ${status}\n${stdout}${stderr}`)
  return stdout
}

/** Static, so that it runs in any guest. @returns the program's path */
export function compile(root, name) {
  const directory = join(root, 'build/bench')
  mkdirSync(directory, { recursive: true })
  const program = join(directory, name)
  execFileSync('gcc', ['-O2', '-static', '-Wall', '-Werror', '-o', program, join(root, 'bench', `${name}.c`)])
  return program
}
