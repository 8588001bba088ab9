import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What the process takes with V8's garbage of many inputs, bytes; beyond it is looked closer. */
const USUAL = 512 * 1024 ** 2

/** More than this no input may take, bytes: the largest unpack to 16 MiB, and a hostile boot partition may take 700 MB in all. */
const MOST = 256 * 1024 ** 2

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

/** Tells which input takes much memory: the kernel keeps the highest amount that the process ever had. */
export class MemoryWatch {
  /** Whether the process took more than is usual since it was last explained. */
  isHigh() {
    return process.resourceUsage().maxRSS * 1024 > USUAL && highest() > USUAL
  }

  /**
   * Runs an input again from a clean start.
   * @returns what is wrong, one sentence each
   */
  async explain(run) {
    await collect()
    const before = process.memoryUsage.rss()
    if (before > USUAL) return [`${megabytes(before)} MB stay taken after it`]
    restart()
    await run()
    const taken = highest() - before
    await collect()
    restart()
    return taken > MOST ? [`it takes ${megabytes(taken)} MB`] : []
  }
}

/** Buffers are given back by another thread, a little later. */
async function collect() {
  gc()
  await setTimeout(50)
  gc()
}

/** VmHWM of proc_pid_status(5), bytes. */
function highest() {
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
}

/** Sets the highest amount to that of now (proc_pid_clear_refs(5)). */
function restart() {
  writeFileSync('/proc/self/clear_refs', '5')
}

function megabytes(bytes) {
  return Math.round(bytes / 1024 ** 2)
}
