#!/usr/bin/env node
// npm run test:trial [-- [--trials N] [--seed S] [--kind WORDS]]
// Trials of random kinds, one after the other on a machine with GRUB and two slots, in QEMU. The same seed draws the same trials.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fail, root, setUp } from './setup.mjs'

const { values } = parseArgs({
  options: { trials: { type: 'string' }, seed: { type: 'string' }, kind: { type: 'string' } },
})
const { trials = '100', seed = new Date().toISOString().slice(0, 10).replaceAll('-', ''), kind = '' } = values
for (const [name, value] of Object.entries({ trials, seed }))
  if (!/^\d{1,9}$/.test(value)) fail(`--${name} takes a number, not '${value}'`)

setUp({ architectures: [] })
console.log(`npm run test:trial -- --trials ${trials} --seed ${seed}`)
const EPERM = '1'
const vitest = [process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run']
const guarded = [EPERM, '--', ...vitest, '--config', 'test/trial/vitest.config.ts', '--reporter=verbose']
const { status } = spawnSync(join(root, 'build/Release/deny_kexec'), guarded, {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, LINUX_KEXEC_TRIALS: trials, LINUX_KEXEC_SEED: seed, LINUX_KEXEC_KIND: kind },
})
process.exit(status ?? 1)
