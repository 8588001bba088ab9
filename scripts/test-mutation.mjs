#!/usr/bin/env node
// npm run test:mutation [-- [--sample N] [--seed S] [--only DIRECTORY]]
// Changes the code in one place at a time and runs the unit tests that reach it, to find the places that no test judges.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root, setUp } from './setup.mjs'

setUp({ jobs: ['tests'] })
const EPERM = '1'
const guarded = [EPERM, '--', process.execPath, 'scripts/mutation/run.mjs', ...process.argv.slice(2)]
const { status } = spawnSync(join(root, 'build/Release/deny_kexec'), guarded, { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
