import { writeFileSync } from 'node:fs'
import type { Vm } from '../../../src/vm/index.ts'

/** What decides which init system runs and what it would do: as it is on the machine. Directories are taken with what is in them. */
const paths = [
  '/proc/1/comm',
  '/proc/1/exe',
  '/proc/self/mountinfo',
  '/etc/inittab',
  '/etc/finit.conf',
  '/etc/rc6.d',
  '/etc/runit/3',
  '/etc/s6-linux-init/current/scripts/rc.shutdown.final',
  '/run/finit/socket',
  '/run/runit.reboot',
  '/run/runit.stopit',
  '/run/service/s6-linux-init-shutdownd/fifo',
  '/run/service/s6-linux-init-shutdownd/run',
]

/**
 * Runs in the guest. A link is written as '->' and where it leads, a FIFO or socket as an empty file. Of PID 1's program only
 * the strings are kept that are paths of its own, or that tell what it knows.
 */
const collect = `
const fs = require('node:fs')
const tree = {}
const take = (path) => {
  const stats = fs.lstatSync(path, { throwIfNoEntry: false })
  if (!stats) return
  if (stats.isSymbolicLink()) tree[path] = '->' + fs.readlinkSync(path)
  else if (stats.isDirectory()) for (const name of fs.readdirSync(path)) take(path + '/' + name)
  else tree[path] = stats.isFile() ? fs.readFileSync(path, 'utf8') : ''
}
for (const path of ${JSON.stringify(paths)}) take(path)
const program = fs.readlinkSync('/proc/1/exe')
const strings = fs.readFileSync(program, 'latin1').split('\\0')
const telling = strings.filter((text) => /^[ -~]{4,200}$/.test(text) && /inittab|hook|stopit|runit.reboot|FINIT/.test(text))
tree[program] = telling.map((text) => text + '\\0').join('')
console.log(JSON.stringify(tree, null, 2))
`

/** Records a machine as a file that test/unit/handover reads. */
export async function captureInit(vm: Vm, name: string): Promise<void> {
  const { status, stdout, stderr } = await vm.run(
    `cat >/run/collect.cjs <<'END'\n${collect}\nEND\nnode /run/collect.cjs`,
  )
  if (status !== 0) throw new Error(stderr)
  writeFileSync(`test/fixtures/init-systems/${name}.json`, stdout)
}
