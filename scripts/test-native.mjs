#!/usr/bin/env node
// npm run test:native
// The native code under AddressSanitizer and UBSan, by itself and in Node, and the addon as it is shipped. Everything
// runs under deny-kexec, so kexec_load, kexec_file_load and reboot fail with an errno of our choice before they reach the
// kernel.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requirePrograms } from './programs.mjs'

/** EPERM, ENOEXEC (Node 20 has another name for it) and EKEYREJECTED (Node has none). */
const errnos = [1, 8, 129]

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const sanitized = join(root, 'build-sanitize')
const shipped = join(root, 'build-cmake')
const denyKexec = join(sanitized, 'deny_kexec')
let passed = 0
let failed = 0

requirePrograms(['cmake', 'make', 'g++', 'gcc', 'readelf'], 'Testing the native code')
const built =
  step('build with sanitizers', () => cmake(sanitized, '-DLINUX_KEXEC_SANITIZE=ON')) &&
  step('build as shipped', () => cmake(shipped))
if (built) {
  step('gate', () => run(process.execPath, ['scripts/check-native.mjs', join(shipped, 'linux_kexec.node')]))
  step('deny-kexec: exit status of the command', () =>
    run(denyKexec, ['1', '--', 'sh', '-c', 'exit 42'], { status: 42 }),
  )
  step('deny-kexec: refuses an errno of 0', () => run(denyKexec, ['0', '--', 'true'], { status: 125 }))
  step('deny-kexec: a command that is not there', () => run(denyKexec, ['1', '--', '/nonexistent'], { status: 127 }))
  for (const errno of errnos) {
    step(`system calls, errno ${errno}`, () => denied(errno, [join(sanitized, 'syscalls_test'), `${errno}`]))
    step(`addon with sanitizers, errno ${errno}`, () => addon(sanitized, errno, sanitizerEnvironment()))
    step(`addon as shipped, errno ${errno}`, () => addon(shipped, errno))
  }
}
console.log(`native: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

/** Runs one step and counts it, or the tests it says it ran. */
function step(name, action) {
  process.stdout.write(`${name} … `)
  const start = performance.now()
  const { ok, output, tests } = action()
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  passed += tests?.passed ?? (ok ? 1 : 0)
  // A crash ends a run before its tests are counted.
  failed += ok ? 0 : Math.max(1, tests?.failed ?? 0)
  console.log(`${ok ? 'ok' : 'FAILED'}${tests ? `, ${tests.passed} tests` : ''} (${seconds} s)`)
  if (!ok) console.log(output)
  return ok
}

function cmake(directory, ...options) {
  const configured = run('cmake', ['-S', root, '-B', directory, ...options])
  return configured.ok ? run('cmake', ['--build', directory, '--parallel', `${availableParallelism()}`]) : configured
}

function addon(directory, errno, environment = {}) {
  const script = join(root, 'native/test/addon.test.mjs')
  const command = [process.execPath, '--test-reporter=tap', script, join(directory, 'linux_kexec.node'), `${errno}`]
  const result = denied(errno, command, environment)
  const count = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(result.output)?.[1] ?? 0)
  return { ...result, ok: result.ok && count('pass') > 0, tests: { passed: count('pass'), failed: count('fail') } }
}

function sanitizerEnvironment() {
  const libasan = spawnSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim()
  // Node itself has no sanitizer, so its runtime must come first; and it leaves memory to the kernel when it exits.
  return { LD_PRELOAD: libasan, ASAN_OPTIONS: 'detect_leaks=0', UBSAN_OPTIONS: 'print_stacktrace=1' }
}

function denied(errno, command, environment = {}) {
  return run(denyKexec, [`${errno}`, '--', ...command], { env: { ...process.env, ...environment } })
}

function run(program, args, { status: expected = 0, env = process.env } = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, { cwd: root, env, encoding: 'utf8' })
  const ending = error?.message ?? (signal ? `killed by ${signal}` : `exit ${status}, expected ${expected}`)
  return { ok: status === expected, output: `${stdout ?? ''}${stderr ?? ''}${program}: ${ending}` }
}
