import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findProgram } from '../../src/vm/host/process.ts'
import { tarball } from './guests.ts'

/** From a mirror to a machine with firmware and GRUB, with nothing in the cache. */
const program = `
const { buildGuest, newestKernels, startVm } = await import(${JSON.stringify(join(import.meta.dirname, '../../dist/vm/index.js'))})
const kernels = await newestKernels({ count: 1 })
const guest = await buildGuest({ kernels, tarball: ${JSON.stringify(tarball)} })
const vm = await startVm({ guest, accelerator: 'tcg', bootLoader: 'shim' })
const { release } = await vm.booted({ deadline: 900_000 })
console.log(release === kernels[0].release, (await vm.run('linux-kexec --version')).status, (await vm.stop()).kind)
`

const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-programs-'))
const bin = join(directory, 'bin')
afterAll(() => rmSync(directory, { recursive: true }))
beforeAll(async () => {
  const { jobs } = (await import(join(import.meta.dirname, '../../scripts/programs.mjs'))) as {
    jobs: { harness: readonly string[] }
  }
  mkdirSync(bin)
  // What they start themselves is their packages' business: apt-get and npm get their PATH back.
  for (const name of jobs.harness) {
    const wrapper = `#!/bin/sh\nPATH='${process.env['PATH']}' exec '${findProgram(name)}' "$@"\n`
    writeFileSync(join(bin, name), wrapper, { mode: 0o755 })
  }
})

test('the harness does with the programs of its list alone', { timeout: 1_200_000 }, async () => {
  const { NODE_OPTIONS: _, ...environment } = process.env
  const env = { ...environment, PATH: bin, XDG_CACHE_HOME: join(directory, 'cache') }
  const args = ['--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: 1_190_000 })
  expect(stdout).toBe('true 0 passed\n')
})
