import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { json, machineForFile } from './guests.ts'
import { INTERNALS, internals } from './internals.ts'

const unexported = await internals({
  'native.ts': 'native',
  'engine/call.ts': 'makeCall',
  'engine/kexec-file-load.ts': 'kexecFileLoad',
})
const machine = machineForFile({ append: 'crashkernel=128M' }, { files: [unexported] })
const kernel = () => `/boot/vmlinuz-${machine.newer}`
const isLoaded = async () => (await json(machine.vm, 'linux-kexec status')).document.loaded

afterEach(() => machine.vm.run('[ $(cat /sys/kernel/kexec_loaded) = 0 ] || linux-kexec unload'))

test('load, then unload, then status', async () => {
  expect(await machine.vm.run('linux-kexec load newest')).toMatchObject({ status: 0 })
  expect(await isLoaded()).toBe(true)
  expect(await json(machine.vm, 'linux-kexec unload')).toMatchObject({ status: 0, document: { unloaded: true } })
  expect(await isLoaded()).toBe(false)
  expect(await json(machine.vm, 'linux-kexec unload')).toMatchObject({ status: 0, document: { unloaded: false } })
})

describe('the command line limit', () => {
  const ofLength = (length: number) => `'root=${'x'.repeat(length - 5)}'`

  test('exactly the limit loads', async () => {
    const { document } = await json(machine.vm, `linux-kexec inspect ${kernel()}`)
    expect(document.maxCommandLine).toBe(2016)
    expect(await machine.vm.run(`linux-kexec load newest --command-line ${ofLength(2016)}`)).toMatchObject({
      status: 0,
    })
    expect(await isLoaded()).toBe(true)
  })

  test('one byte more is refused by us', async () => {
    const { status, document } = await json(machine.vm, `linux-kexec load newest --command-line ${ofLength(2017)}`)
    expect({ status, reason: document.error.reason }).toEqual({ status: 3, reason: 'cmdline-too-long' })
  })

  test('and the kernel agrees with both', async () => {
    const ask = (length: number) =>
      machine.vm.run(`cat > /root/ask.mjs <<'END'
import { openSync } from 'node:fs'
import { native } from '${INTERNALS}'
const NO_INITRAMFS = 4
console.log(native().kexecFileLoadSync(openSync('${kernel()}'), -1, 'x'.repeat(${length}), NO_INITRAMFS))
END
node /root/ask.mjs`)
    const EINVAL = '22\n'
    expect((await ask(2017)).stdout).toBe(EINVAL)
    expect((await ask(2016)).stdout).toBe('0\n')
  })
})

describe('transactions', () => {
  test('a failing load after a good one keeps the good one, and says what the kernel said', async () => {
    await machine.vm.run('linux-kexec load newest')
    const { status, stdout } = await machine.vm.run(`
      cp ${kernel()} /root/kernel
      exec 9>>/root/kernel
      linux-kexec load /root/kernel --reuse-cmdline --json`)
    expect(status).toBe(1)
    expect(JSON.parse(stdout).error).toMatchObject({
      reason: 'file-busy',
      code: 'ETXTBSY',
      errno: -26,
      syscall: 'kexec_file_load',
      refused: false,
    })
    expect(await isLoaded()).toBe(true)
  })

  test("a kernel that the kernel itself refuses is told with the kernel's own words", async () => {
    const { status, stdout } = await machine.vm.run(`cat > /root/fail.mjs <<'END'
import { plan, status } from '/usr/lib/node_modules/linux-kexec/dist/index.js'
import { kexecFileLoad, makeCall } from '${INTERNALS}'
import { openSync } from 'node:fs'
try {
  const path = '/etc/passwd'
  await makeCall(kexecFileLoad({ kernelFd: openSync(path), initrdFd: -1, commandLine: '', panic: false, path }))
} catch (error) {
  console.log(JSON.stringify(error))
}
END
node /root/fail.mjs`)
    expect(status).toBe(0)
    const error = JSON.parse(stdout)
    expect(error).toMatchObject({ reason: 'not-a-kernel', code: 'ENOEXEC', errno: -8 })
  })

  test('SIGTERM during a load ends with nothing half done', async () => {
    const { stdout } = await machine.vm.run(`
      linux-kexec load newest --json > /root/out 2>/dev/null & pid=$!
      # The kernel log is opened right before the syscall: then the load is at its last step.
      until ls -l /proc/$pid/fd 2>/dev/null | grep -q /dev/kmsg; do [ -d /proc/$pid ] || break; done
      kill -TERM $pid; wait $pid; echo $?`)
    expect(stdout.trim()).toBe('1')
    const { stdout: out } = await machine.vm.run('cat /root/out')
    expect(JSON.parse(out).error.reason).toBe('aborted')
    expect(await isLoaded()).toBe(false)
  })

  test('an AbortSignal before the syscall keeps what was loaded', async () => {
    await machine.vm.run('linux-kexec load newest')
    const { stdout } = await machine.vm.run(`cat > /root/abort.mjs <<'END'
import { plan, status } from '/usr/lib/node_modules/linux-kexec/dist/index.js'
const p = await plan({ entry: 'newest' })
const error = await p.load({ signal: AbortSignal.abort() }).catch((error) => error)
console.log(JSON.stringify({ reason: error.reason, loaded: status().loaded }))
END
node /root/abort.mjs`)
    expect(JSON.parse(stdout)).toEqual({ reason: 'aborted', loaded: true })
  })

  test('a file that changed between plan and load is refused', async () => {
    const { stdout } = await machine.vm.run(`cat > /root/change.mjs <<'END'
import { appendFileSync, copyFileSync } from 'node:fs'
import { plan } from '/usr/lib/node_modules/linux-kexec/dist/index.js'
copyFileSync('${kernel()}', '/root/changing')
const p = await plan({ kernel: '/root/changing', reuseCommandLine: true })
appendFileSync('/root/changing', 'x')
const error = await p.load().catch((error) => error)
console.log(JSON.stringify(error))
END
node /root/change.mjs`)
    expect(JSON.parse(stdout)).toMatchObject({ reason: 'file-changed', refused: true })
  })
})

describe('the crash kernel', () => {
  beforeAll(async () => {
    expect(Number((await machine.vm.run('cat /sys/kernel/kexec_crash_size')).stdout)).toBeGreaterThan(0)
  })

  test('is loaded beside the normal one and unloaded by itself', async () => {
    const load = await json(machine.vm, 'linux-kexec load newest --panic')
    expect(load.status).toBe(0)
    expect(load.document.plan.commandLine).not.toContain('crashkernel')
    expect((await json(machine.vm, 'linux-kexec status')).document).toMatchObject({ loaded: false, crashLoaded: true })
    const again = await json(machine.vm, 'linux-kexec plan newest --panic')
    expect(again.document.warnings.map(({ code }: { code: string }) => code)).toContain('crash-kernel-replaced')
    await machine.vm.run('linux-kexec load newest')
    expect(await json(machine.vm, 'linux-kexec unload --panic')).toMatchObject({
      status: 0,
      document: { unloaded: true },
    })
    expect((await json(machine.vm, 'linux-kexec status')).document).toMatchObject({ loaded: true, crashLoaded: false })
  })
})

describe('as a library', () => {
  test('a plain Node script plans, explains, loads and unloads', async () => {
    const { status, stdout, stderr } = await machine.vm.run(`mkdir -p /root/app/node_modules && cd /root/app
ln -sfn /usr/lib/node_modules/linux-kexec node_modules/linux-kexec
cat > app.mjs <<'END'
import { discover, plan, status, unload } from 'linux-kexec'
const entries = await discover()
const p = await plan({ entry: entries[0].id, append: 'panic=10' })
const explanation = p.explain()
await p.load()
const loaded = status().loaded
unload()
const again = await plan({ entry: 'newest' })
again.loadSync()
const reloaded = status().loaded
unload()
console.log(JSON.stringify({ count: entries.length, explanation, loaded, reloaded, after: status().loaded }))
END
node app.mjs`)
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const told = JSON.parse(stdout)
    expect(told).toMatchObject({ count: 2, loaded: true, reloaded: true, after: false })
    expect(told.explanation).toContain('with panic=10 appended')
  })
})
