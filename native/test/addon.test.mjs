// deny-kexec ERRNO -- node addon.test.mjs ADDON ERRNO
// The addon in Node: arguments, errnos, and worker threads that go away. Without the filter it refuses to start.
import assert from 'node:assert/strict'
import { pbkdf2 } from 'node:crypto'
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'

const [addon, errno] = [process.argv[2], Number(process.argv[3])]
const status = readFileSync('/proc/self/status', 'utf8')
assert.match(status, /^Seccomp:\t2$/m, 'run me under deny-kexec')
assert.match(status, /^NoNewPrivs:\t1$/m, 'run me under deny-kexec')
const native = createRequire(import.meta.url)(addon)
// Descriptors of -1 are refused by any kernel, filter or not.
assert.equal(native.kexecFileLoadSync(-1, -1, '', 0), errno, 'run me under deny-kexec with the same errno')

const [ESRCH, SUCCESS] = [3, 0]

/** The place where a load names its thread. */
const cell = () => new Int32Array(1)

test('the errno comes back from both ways of loading, and from reboot', async () => {
  assert.equal(native.kexecFileLoadSync(-1, -1, 'root=/dev/vda1 ro', 4), errno)
  assert.equal(await native.kexecFileLoad(-1, -1, 'root=/dev/vda1 ro', 4, cell()), errno)
  assert.equal(native.rebootKexec(), errno)
})

test('any text is a command line', async () => {
  for (const text of [
    '',
    'quiet',
    'naïve=„ja“ 🐧',
    '\ud800 lone surrogate',
    'x'.repeat(1 << 20),
    '🐧'.repeat(1 << 18),
    Buffer.from('caf\xe9=\xff', 'latin1'),
    new Uint8Array(0),
  ]) {
    assert.equal(native.kexecFileLoadSync(-1, -1, text, 0xffffffff), errno)
    assert.equal(await native.kexecFileLoad(-1, -1, text, 0, cell()), errno)
  }
})

test('a wrong argument is a TypeError, and never a call', () => {
  const load = [-1, -1, '', 0]
  const wrong = {
    0: [undefined, null, '3', 3n, 1.5, Number.NaN, Infinity, 2 ** 31, -(2 ** 31) - 1, {}, []],
    1: [undefined, null, true, Symbol('fd'), -0.5],
    2: [
      undefined,
      null,
      1,
      Buffer.from('root=\0quiet'),
      new Int32Array(1),
      ['quiet'],
      'root=/dev/vda1\0quiet',
      new String('quiet'),
    ],
    3: [undefined, null, -1, 0.5, 2 ** 32, '0'],
  }
  for (const [position, values] of Object.entries(wrong)) {
    for (const value of values) {
      const args = load.with(Number(position), value)
      assert.throws(() => native.kexecFileLoad(...args, cell()), TypeError)
      assert.throws(() => native.kexecFileLoadSync(...args), TypeError)
    }
  }
  for (const name of [
    'kexecFileLoad',
    'kexecFileLoadSync',
    'kexecLoad',
    'kexecLoadSync',
    'memfdCreate',
    'seekEnd',
    'getAttribute',
    'probeThread',
    'unmount',
    'remountReadOnly',
    'childResult',
    'lock',
    'listAttributes',
    'setAttribute',
    'close',
    'readClocks',
  ]) {
    assert.throws(() => native[name](), { name: 'TypeError', message: /^The argument \w+ must be / })
  }
  assert.throws(() => native.unmount('/nonexistent\0', 0), TypeError)
  assert.throws(() => native.unmount('/nonexistent', '0'), TypeError)
  // Extra arguments do no harm, and neither does another `this`.
  assert.equal(native.kexecFileLoadSync.call(null, ...load, 'more'), errno)
})

test('the counter and the clocks go on together, into an array that is large enough', {
  skip: !['x64', 'arm64'].includes(process.arch),
}, () => {
  const [first, second] = [new BigInt64Array(6), new BigInt64Array(7)]
  assert.equal(native.readClocks(first), 0)
  assert.equal(native.readClocks(second), 0)
  assert.ok(first[0] < first[4] && first[4] < second[0], 'the counter')
  for (const clock of [1, 2, 3]) assert.ok(first[clock] > 0n && first[clock] <= second[clock], `clock ${clock}`)
  assert.equal(second[6], 0n)
  for (const wrong of [new BigInt64Array(5), new BigUint64Array(6), new Float64Array(6), [], null, 6])
    assert.throws(() => native.readClocks(wrong), TypeError)
})

test('segments: the errno comes back, and a wrong one is a TypeError, never a call', async () => {
  const segment = { bytes: new Uint8Array(4), address: 0x100000, size: 4096 }
  assert.equal(native.kexecLoadSync(0x100000, [segment], 62 << 16), errno)
  assert.equal(native.kexecLoadSync(0, [], 0), errno)
  assert.equal(native.kexecLoadSync(2 ** 40, Array(16).fill({ ...segment, bytes: Buffer.alloc(1 << 20) }), 0), errno)
  const wrong = {
    0: [undefined, null, '0', 1n, 0.5, -1, 2 ** 53, Number.NaN],
    1: [
      undefined,
      segment,
      'x',
      [null],
      Array(17).fill(segment),
      new Array(1),
      [{ ...segment, bytes: new Uint16Array(2) }],
      [{ ...segment, bytes: new ArrayBuffer(2) }],
      [{ ...segment, bytes: 'x' }],
      [segment, { ...segment, address: -1 }],
      [segment, { ...segment, size: '4096' }],
    ],
    2: [undefined, -1, 2 ** 32],
  }
  for (const [position, values] of Object.entries(wrong)) {
    for (const value of values) {
      const args = [0, [segment], 0].with(Number(position), value)
      assert.throws(() => native.kexecLoad(...args, cell()), TypeError)
      assert.throws(() => native.kexecLoadSync(...args), TypeError)
    }
  }
  // The exception of a getter is passed on unchanged.
  const broken = { ...segment }
  Object.defineProperty(broken, 'address', {
    get() {
      throw new RangeError('mine')
    },
  })
  assert.throws(() => native.kexecLoadSync(0, [broken], 0), RangeError)
  assert.throws(() => native.kexecLoad(0, [broken], 0, cell()), RangeError)
})

/** node:v8 can ask for it once the flag is set. */
function collectGarbage() {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

test('segments stay where they are until their load is done', async () => {
  const loads = Array.from({ length: 50 }, () =>
    native.kexecLoad(
      0,
      Array.from({ length: 16 }, () => ({ bytes: Buffer.alloc(100_000), address: 0, size: 1 })),
      0,
      cell(),
    ),
  )
  collectGarbage()
  assert.deepEqual(await Promise.all(loads), Array(50).fill(errno))
})

test('a hundred loads at once', async () => {
  const loads = Array.from({ length: 100 }, (_, index) => native.kexecFileLoad(-1, -1, `load=${index}`, 0, cell()))
  assert.deepEqual(await Promise.all(loads), Array(100).fill(errno))
})

test('a load tells which thread makes it, and whether a thread is there', async () => {
  for (const load of [
    (thread) => native.kexecFileLoad(-1, -1, '', 0, thread),
    (thread) => native.kexecLoad(0, [], 0, thread),
  ]) {
    const thread = cell()
    assert.equal(await load(thread), errno)
    assert.ok(readdirSync('/proc/self/task').includes(`${thread[0]}`))
    assert.notEqual(thread[0], process.pid)
    assert.equal(native.probeThread(thread[0]), SUCCESS)
    for (const wrong of [undefined, 0, [0], new Int32Array(0), new Uint32Array(1), new Float64Array(1)]) {
      assert.throws(() => load(wrong), TypeError)
    }
  }
  assert.equal(native.probeThread(process.pid), SUCCESS)
  const largest = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'))
  assert.equal(native.probeThread(largest), ESRCH)
  assert.throws(() => native.probeThread('1'), TypeError)
})

test('a load does not hold up the event loop', async () => {
  const turns = []
  const load = native.kexecFileLoad(-1, -1, '', 0, cell()).then(() => turns.push('load'))
  turns.push('after the call')
  await load
  assert.deepEqual(turns, ['after the call', 'load'])
})

test('memfds hold what is written, and close on exec', () => {
  const fd = native.memfdCreate('größe', 1)
  writeSync(fd, '0123456789')
  assert.equal(native.seekEnd(fd), 0)
  assert.equal(readSync(fd, Buffer.alloc(1), 0, 1, null), 0, 'nothing behind the end')
  assert.equal(fstatSync(fd).size, 10)
  closeSync(fd)
  assert.equal(native.memfdCreate('x'.repeat(250), 1), -22)
  assert.equal(native.seekEnd(-1), 9)
})

test('attributes of an open file', () => {
  const fd = openSync('/proc/self/exe')
  // ENODATA, or EOPNOTSUPP where the file system has none.
  assert.ok([-61, -95].includes(native.getAttribute(fd, 'user.linux-kexec.none')))
  closeSync(fd)
  assert.equal(native.getAttribute(-1, 'security.ima'), -9)
  assert.throws(() => native.getAttribute(0, 'a\0b'), TypeError)
  const memory = native.memfdCreate('attributes', 1)
  assert.equal(native.listAttributes(-1), -9)
  assert.match(String(native.listAttributes(memory)), /^(?:(?:[^\0]+\0)*|-\d+)$/)
  assert.equal(native.setAttribute(-1, 'user.x', new Uint8Array(1)), 9)
  assert.throws(() => native.setAttribute(memory, 'user.x', 'text'), TypeError)
  assert.equal(native.close(memory), 0)
  assert.equal(native.close(memory), 9)
})

test('only a watchdog has a timeout to set', () => {
  const fd = native.memfdCreate('watchdog', 1)
  assert.equal(native.watchdogSetTimeout(fd, 60), -25)
  assert.equal(native.close(fd), 0)
  assert.equal(native.watchdogSetTimeout(-1, 60), -9)
  for (const seconds of [undefined, '60', 1.5, 2 ** 31]) {
    assert.throws(() => native.watchdogSetTimeout(-1, seconds), TypeError)
  }
})

test('flags of an inode are read and set, where the file system has them', () => {
  const fd = openSync(process.execPath, 'r')
  const flags = native.getInodeFlags(fd)
  assert.ok(Number.isInteger(flags) && (flags >= 0 || flags === -25 || flags === -95))
  closeSync(fd)
  assert.equal(native.getInodeFlags(-1), -9)
  assert.equal(native.setInodeFlags(-1, 0), 9)
  assert.equal(native.flushJournal(-1), 9)
  assert.throws(() => native.flushJournal('0'), TypeError)
  for (const wrong of [undefined, '0', 1.5]) assert.throws(() => native.setInodeFlags(-1, wrong), TypeError)
})

/** The result of a call that a child makes. */
async function resultOf(child) {
  assert.ok(child > 0)
  for (;;) {
    const result = native.childResult(child)
    if (result !== -11) return result
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('mounts that are not there are refused, and sync is done, each in a child', async () => {
  // ENOENT, or EPERM without the right to mount.
  assert.ok([1, 2].includes(await resultOf(native.unmount('/nonexistent/linux-kexec', 0))))
  assert.ok([1, 2].includes(await resultOf(native.remountReadOnly('/nonexistent/linux-kexec'))))
  assert.equal(await resultOf(native.sync()), 0)
  assert.equal(native.childResult(4 * 1024 * 1024), -10)
})

test('the question whether reboot is allowed, and a lock', () => {
  assert.equal(native.probeReboot(), errno)
  assert.equal(native.lock(-1, 2), 9)
})

// All threads share the process's thread pool: while it is busy, a worker thread's calls wait, and the thread ends
// first.
for (const ending of ['process.exit()', 'parentPort.postMessage(0)', 'throw new Error("gone")', '']) {
  test(`worker threads end with loads in the queue: ${ending || 'by themselves'}`, async () => {
    for (let round = 0; round < 6; round++) {
      const busy = Array.from({ length: 4 }, () => new Promise((done) => pbkdf2('', '', 100_000, 64, 'sha512', done)))
      const script = `
        const { parentPort, workerData } = require('node:worker_threads')
        const native = require(workerData)
        const segments = () => [{ bytes: new Uint8Array(5000), address: 0x100000, size: 8192 }]
        for (let load = 0; load < 50; load++) {
          native.kexecFileLoad(-1, -1, 'quiet '.repeat(100), 0, new Int32Array(1)).then(() => {})
          native.kexecLoad(0, segments(), 0, new Int32Array(1)).then(() => {})
        }
        ${ending}`
      const worker = new Worker(script, { eval: true, workerData: addon })
      worker.on('error', () => {})
      worker.on('message', () => worker.terminate())
      await new Promise((ended) => worker.on('exit', ended))
      await Promise.all(busy)
    }
    assert.equal(await native.kexecFileLoad(-1, -1, '', 0, cell()), errno)
  })
}
