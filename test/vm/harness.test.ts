import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  buildGuest,
  type Guest,
  type GuestKernel,
  newestKernels,
  runVm,
  startVm,
  type Vm,
  VmError,
} from '../../src/vm/index.ts'
import { vmTest } from '../../src/vm/vitest/index.ts'

const progress = (message: string) => console.error(message)

let directory: string
let guest: Guest

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-harness-'))
  guest = await buildGuest({
    kernels: await newestKernels({ progress }),
    tarball: await packTarball(),
    files: [
      { path: '/home/tester/note', data: 'for tester\n', uid: 1000, gid: 1000, mode: 0o600 },
      { path: '/usr/bin/lsscsi', data: '#!/bin/sh\necho not busybox\n', mode: 0o755 },
    ],
    progress,
  })
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A package with a bin, as `npm pack` makes it. */
async function packTarball(): Promise<string> {
  const source = join(directory, 'package')
  const manifest = { name: 'example', version: '1.0.0', bin: { greet: 'greet.cjs' } }
  await promisify(execFile)('mkdir', ['-p', source])
  writeFileSync(join(source, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(source, 'greet.cjs'), '#!/usr/bin/env node\nconsole.log("hello from", process.version)\n')
  await promisify(execFile)('tar', ['-czf', join(directory, 'example.tgz'), '-C', directory, 'package'])
  return join(directory, 'example.tgz')
}

describe('a guest that is up', () => {
  let vm: Vm
  beforeAll(async () => {
    vm = await startVm({ guest, progress })
    await vm.booted()
  })
  afterAll(() => vm.stop())

  test('has what it was built with: the kernel, Node, the package, two users', async () => {
    const { stdout } = await vm.run('uname -r; greet; su tester -c "cat ~/note; id -u"; ls /boot /usr/lib/modules')
    const [release, greeting, note, uid] = stdout.split('\n')
    expect(release).toBe(guest.kernels[0]?.release)
    // Debian's own Node cannot go into a guest: another of the same major version does.
    expect(greeting).toMatch(`hello from ${process.version.split('.', 1)[0]}.`)
    expect([note, uid]).toEqual(['for tester', '1000'])
    for (const kernel of guest.kernels) {
      expect(stdout).toContain(`vmlinuz-${kernel.release}`)
      expect(stdout).toContain(`initrd.img-${kernel.release}`)
    }
  })

  test('reports status, standard output and standard error', async () => {
    expect(await vm.run('echo out; echo err >&2; exit 3')).toMatchObject({
      status: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    })
    expect(await vm.run('')).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(await vm.run('kill -9 $$')).toMatchObject({ status: 137 })
  })

  test('calls the program that was put there rather than the busybox applet of that name', async () => {
    expect((await vm.run('lsscsi; sh -c lsscsi')).stdout).toBe('not busybox\nnot busybox\n')
  })

  test('passes 300 000 bytes of anything, and a script of 20 000', async () => {
    const { stdoutBytes, stderr } = await vm.run(
      'head -c 300000 /dev/urandom >/tmp/bytes; cat /tmp/bytes; sha256sum </tmp/bytes >&2',
    )
    expect(stdoutBytes).toHaveLength(300_000)
    const { createHash } = await import('node:crypto')
    expect(stderr).toContain(createHash('sha256').update(stdoutBytes).digest('hex'))
    const text = Array.from({ length: 2000 }, (_, line) => `line ${String(line).padStart(4, '0')}`).join('\n')
    expect((await vm.run(`cat <<'END'\n${text}\nEND\n`)).stdout).toBe(`${text}\n`)
  })

  test('takes scripts asked for at once one after another', async () => {
    const results = await Promise.all([1, 2, 3].map((number) => vm.run(`echo ${number} >>/tmp/order; cat /tmp/order`)))
    expect(results.map(({ stdout }) => stdout)).toEqual(['1\n', '1\n2\n', '1\n2\n3\n'])
  })

  test('PID 1 reaps orphans', async () => {
    const { stdout } = await vm.run(
      `for n in 1 2 3; do (true & exec true) & done; wait
       for n in $(seq 300); do ps -o pid,stat >/tmp/processes; grep -Eq '[0-9] +Z' /tmp/processes || break; sleep 0.1; done
       cat /tmp/processes`,
    )
    expect(stdout).not.toMatch(/\d+ +Z/)
  })

  test('a command started beside goes on and prints to the console', async () => {
    await vm.spawn('sleep 0.1; echo spoken; touch /tmp/done')
    const { status } = await vm.run('for n in $(seq 1000); do [ -f /tmp/done ] && exit 0; sleep 0.1; done; exit 1')
    expect(status).toBe(0)
    // The console is another port than the one that the answer came by.
    await expect.poll(() => vm.consoleTail(5), { timeout: 60_000 }).toContain('spoken')
  })
})

const withMachine = vmTest(() => ({ guest }))

describe('each way a run can end', () => {
  test('passed: stopped when asked to', async () => {
    expect(await runVm({ guest }, async (vm) => vm.run('true'))).toEqual({ kind: 'passed' })
  })

  withMachine('passed: the guest powered itself off', async ({ vm }) => {
    await vm.spawn('sleep 0.2; poweroff -f')
    await expect(vm).toHaveOutcome('passed')
    await expect(vm.run('true')).rejects.toThrow('the machine has been stopped')
  })

  test('failed: what ran in it reports a status', async () => {
    const outcome = await runVm({ guest }, async (vm) => vm.run('echo trouble >/dev/console; exit 7'))
    expect(outcome).toMatchObject({ kind: 'failed', status: 7 })
    expect(outcome).toHaveProperty('consoleTail', expect.arrayContaining(['trouble']))
  })

  withMachine('panicked: with the message and the last console lines', async ({ vm }) => {
    const error = await vm.run('echo c >/proc/sysrq-trigger').catch((error: unknown) => error)
    expect(error).toBeInstanceOf(VmError)
    expect((error as VmError).outcome).toMatchObject({ kind: 'panicked', message: 'sysrq triggered crash' })
    // How long the trace below the panic's own line is differs from run to run.
    expect((error as VmError).message).toMatch(
      /the kernel panicked: sysrq triggered crash[\s\S]*The console ended with:\n/,
    )
    expect(vm.console.map(({ text }) => text).join('')).toContain('Kernel panic - not syncing: sysrq triggered crash')
    await expect(vm).toHaveOutcome('panicked')
  })

  test('panicked: even when the machine neither resets nor lets QEMU go', async () => {
    const vm = await startVm({ guest, commandLine: 'console=ttyS0 panic=0 loglevel=6 no_timer_check' })
    await vm.booted()
    await vm.spawn('echo c >/proc/sysrq-trigger')
    expect((await vm.outcome).kind).toBe('panicked')
  })

  withMachine('timed-out: names what was waited for', async ({ vm }) => {
    await expect(vm.run('sleep 60', { deadline: 300 })).rejects.toThrow(
      'timed out after 300 ms, waiting for `sleep 60`',
    )
    await expect(vm).toHaveOutcome('timed-out', { waitingFor: '`sleep 60`', deadline: 300 })
    await expect(vm.booted()).rejects.toThrow(VmError)
    await expect(expect(vm).not.toHaveKexecedInto('6')).rejects.toThrow('timed out after 300 ms')
  })

  test('timed-out: a machine that does not end', async () => {
    await using vm = await startVm({ guest })
    expect(await vm.ended({ deadline: 1 })).toMatchObject({ kind: 'timed-out', waitingFor: 'the end of the machine' })
    expect((await vm.ended()).kind).toBe('timed-out')
  })

  test('qemu-died: killed by somebody', async () => {
    const vm = await startVm({ guest })
    const boot = vm.booted()
    process.kill(vm.pid as number, 'SIGKILL')
    await expect(boot).rejects.toThrow('QEMU died (SIGKILL)')
    expect(await vm.outcome).toMatchObject({ kind: 'qemu-died', signal: 'SIGKILL' })
  })

  test('qemu-died: with its own words when it does not start', async () => {
    const vm = await startVm({ guest, accelerator: 'tcg', qemuArguments: ['-device', 'no-such-device'] })
    await expect(vm.booted()).rejects.toThrow('no-such-device')
    expect(await vm.outcome).toMatchObject({ kind: 'qemu-died', status: 1 })
  })

  withMachine('rebooted: a firmware reset that was not allowed', async ({ vm }) => {
    await vm.spawn('reboot -f')
    await expect(vm.booted()).rejects.toThrow('the machine was reset through its firmware')
    await expect(vm).toHaveOutcome('rebooted')
  })
})

test('a firmware reset that is allowed boots again, with a console section of its own', async () => {
  const vm = await startVm({ guest, firmwareReboot: 'allowed' })
  const first = await vm.booted()
  await vm.spawn('reboot -f')
  const second = await vm.booted()
  expect(second.bootId).not.toBe(first.bootId)
  expect([first.startedBy, second.startedBy]).toEqual(['firmware', 'firmware'])
  expect(vm.console.filter(({ release }) => release !== null)).toHaveLength(2)
  await vm.spawn('echo c >/proc/sysrq-trigger')
  expect((await vm.outcome).kind).toBe('panicked')
})

test('a guest without Node is up just the same', async () => {
  const small = await buildGuest({ kernels: await newestKernels({ progress }), node: false, progress })
  const outcome = await runVm({ guest: small, memory: 256 }, async (vm) =>
    vm.run('! command -v node && echo $((6 * 7))'),
  )
  expect(outcome).toEqual({ kind: 'passed' })
})

test('with a boot loader the machine goes through firmware and GRUB, at each reboot', async () => {
  const newest = guest.kernels.at(-1) as GuestKernel
  const vm = await startVm({
    guest,
    kernel: newest,
    bootLoader: 'grub',
    append: 'panic=7',
    firmwareReboot: 'allowed',
    progress,
  })
  for (const round of [1, 2]) {
    const boot = await vm.booted()
    expect(boot.release).toBe(newest.release)
    expect(boot.commandLine).toMatch(/^BOOT_IMAGE=\/boot\/vmlinuz-\S+ console=ttyS0 .* panic=7$/)
    if (round === 1) await vm.spawn('reboot -f')
  }
  await vm.stop()
})

// With a thread for each processor, QEMU 7.2 lost three of four of them.
test('a machine of two processors survives that its kernel changes its own code', async () => {
  const vm = await startVm({ guest, kernel: guest.kernels.at(-1) as GuestKernel, cpus: 2 })
  const key = '/proc/sys/kernel/sched_schedstats'
  const switching = `for n in $(seq 700); do echo 1 >${key}; echo 0 >${key}; done; touch /tmp/switched`
  const { status, stderr } = await vm.run(
    `(${switching}) & until [ -f /tmp/switched ]; do ls -R /proc/sys >/dev/null; done`,
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  await vm.stop()
})

test('after TERM and KILL to every process PID 1 is there, reaps them, and starts nothing', async () => {
  const vm = await startVm({ guest })
  await vm.booted()
  const list = "ps -o pid,stat,args >/tmp/left; echo left:; grep -v -e '\\[' -e ps.-o -e PID /tmp/left; echo all-told"
  await vm.spawn(`kill -15 -1; sleep 0.5; kill -9 -1; sleep 0.5; ${list}`)
  await expect.poll(() => vm.consoleTail(), { timeout: 240_000 }).toContain('all-told')
  const log = vm.consoleTail().join('\n')
  const left = log.slice(log.indexOf('left:')).split('\n').slice(1, -1)
  expect(left).toHaveLength(2)
  expect(left[0]).toContain('/sbin/init')
  expect(left[1]).toContain('script.')
  await vm.stop()
})

describe('nothing is left behind', () => {
  /** A program that starts a machine and waits for ever, built because Node 20 does not run TypeScript. */
  let program: string
  beforeAll(async () => {
    program = join(directory, 'program.mjs')
    const source = `import { startVm } from ${JSON.stringify(join(import.meta.dirname, '../../src/vm/index.ts'))}
      const vm = await startVm({ guest: JSON.parse(process.argv[2]), accelerator: 'tcg' })
      console.log(vm.pid)
      await vm.outcome`
    await build({
      stdin: { contents: source, resolveDir: import.meta.dirname },
      ...{ bundle: true, platform: 'node', format: 'esm', outfile: program },
    })
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
    'when the program is ended with %s',
    async (signal) => {
      // Its own: other tests make directories beside each other.
      const temporary = mkdtempSync(join(directory, 'temporary-'))
      const child = spawn(process.execPath, [program, JSON.stringify(guest)], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TMPDIR: temporary },
      })
      const pid = await new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))))
      // Empty for a moment: the kernel shows no command line while setpriv becomes QEMU.
      await expect.poll(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), { timeout: 60_000 }).toContain('qemu')
      child.kill(signal)
      await new Promise((resolve) => child.once('close', resolve))
      await expect.poll(() => isAlive(pid), { timeout: 60_000 }).toBe(false)
      expect(readdirSync(temporary)).toEqual([])
    },
  )

  test('when it is stopped', async () => {
    const vm = await startVm({ guest })
    await vm.stop()
    expect(isAlive(vm.pid as number)).toBe(false)
  })

  function isAlive(pid: number): boolean {
    if (!existsSync(`/proc/${pid}`)) return false
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  }
})

test('a machine without anything to boot is refused', async () => {
  await expect(startVm({})).rejects.toThrow(RangeError)
  await expect(startVm({ guest, bootLoader: 'disk' })).rejects.toThrow(/needs a disk/)
})
