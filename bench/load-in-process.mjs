// Runs in the guest: load() and loadSync() in this process and a bare C program in turn, with the same files.
// node load-in-process.mjs ROUNDS KERNEL INITRD COMMAND-LINE  →  [{ load, loadSync, bare }], milliseconds
import { execFileSync } from 'node:child_process'
import { plan, unload } from '/usr/lib/node_modules/linux-kexec/dist/index.js'

const [rounds, kernel, initrd, commandLine] = process.argv.slice(2)

const samples = []
// The first round fills the page cache and compiles the code; it does not count.
for (let round = 0; round <= Number(rounds); round++) {
  const sample = {
    load: await timed(async (p) => p.load()),
    bare: Number(execFileSync('/bench/bare-load', [kernel, initrd, commandLine])) / 1e6,
    loadSync: await timed((p) => p.loadSync()),
  }
  if (round > 0) samples.push(sample)
}
console.log(JSON.stringify(samples))

async function timed(load) {
  const p = await plan({ kernel, initrds: [initrd], commandLine })
  const start = performance.now()
  await load(p)
  const milliseconds = performance.now() - start
  unload()
  return milliseconds
}
