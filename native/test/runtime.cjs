// deny-kexec ERRNO -- RUNTIME runtime.cjs ADDON ERRNO
// Whether the addon works in this JavaScript runtime, whichever it is. Prints the runtime's version.
const assert = require('node:assert/strict')
const { readFileSync, writeFileSync } = require('node:fs')

const [addon, errno] = [process.argv[2], Number(process.argv[3])]
assert.match(readFileSync('/proc/self/status', 'utf8'), /^Seccomp:\t2$/m, 'run me under deny-kexec')
const native = require(addon)

async function check() {
  const fd = native.memfdCreate('kernel', 1)
  // By path: Deno's node:fs takes no descriptor that it has not opened itself.
  writeFileSync(`/proc/self/fd/${fd}`, 'HdrS')
  assert.equal(readFileSync(`/proc/self/fd/${fd}`, 'utf8'), 'HdrS')
  assert.equal(native.seekEnd(fd), 0)
  assert.throws(() => native.memfdCreate(1, 1), TypeError)
  assert.equal(native.kexecFileLoadSync(-1, -1, 'root=/dev/vda1 „ü“', 0), errno)
  const loads = Array.from({ length: 20 }, () => native.kexecFileLoad(-1, -1, 'quiet', 0, new Int32Array(1)))
  assert.deepEqual(await Promise.all(loads), Array(20).fill(errno))
  console.log(globalThis.Bun?.version ?? globalThis.Deno?.version.deno ?? process.versions.node)
}
check()
