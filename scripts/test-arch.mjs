#!/usr/bin/env node
// npm run test:arch [-- vitest arguments]
// The longer job beside `npm test`: machines of every architecture that QEMU shows, with Debian's kernels and our command in
// them, under the same filter. Some 9 minutes on two cores, and 500 MB of downloads the first time.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root, setUp } from './setup.mjs'

setUp({ architectures: ['arm64', 'riscv64', 'arm', 'ppc64', 's390x'] })
const EPERM = '1'
const vitest = [process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run']
const guarded = [EPERM, '--', ...vitest, '--config', 'test/arch/vitest.config.ts', ...process.argv.slice(2)]
const { status } = spawnSync(join(root, 'build/Release/deny_kexec'), guarded, { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
