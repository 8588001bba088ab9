import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { blackBoxModules } from '../../../../src/trial/guards/black-box-modules.ts'
import type { Tree } from '../../entries/tree.ts'
import { machine, newer } from '../machine.ts'

const directory = `/usr/lib/modules/${newer}`
const installed: Tree = {
  [`${directory}/modules.dep`]: {
    text: `kernel/lib/a.ko:
kernel/fs/pstore/ramoops.ko.gz: kernel/lib/reed_solomon/reed_solomon.ko kernel/fs/pstore/pstore.ko.gz
`,
  },
  [`${directory}/kernel/fs/pstore/ramoops.ko.gz`]: { file: gzipSync('ramoops') },
  [`${directory}/kernel/fs/pstore/pstore.ko.gz`]: { file: gzipSync('pstore') },
  [`${directory}/kernel/lib/reed_solomon/reed_solomon.ko`]: { text: 'reed_solomon' },
}
const filesOf = async (tree: Tree, parameters = ['mem_address=0x1', 'ecc=1']) =>
  (await blackBoxModules(machine(tree), newer, parameters))?.map(({ source, destination, mode }) => [
    destination,
    (source as Buffer).toString(),
    mode,
  ])

test('the modules are unpacked, numbered as they are loaded, ramoops last, and not for others to read', async () => {
  expect(await filesOf(installed)).toEqual([
    ['/linux-kexec-module-parameters', 'mem_address=0x1 ecc=1', 0o600],
    ['/linux-kexec-module-7', 'pstore', 0o600],
    ['/linux-kexec-module-8', 'reed_solomon', 0o600],
    ['/linux-kexec-module-9', 'ramoops', 0o600],
  ])
})

test('without all of them there is nothing to load', async () => {
  expect(await filesOf({})).toBeUndefined()
  const { [`${directory}/kernel/fs/pstore/pstore.ko.gz`]: _, ...missing } = installed
  expect(await filesOf(missing)).toBeUndefined()
  const damaged = { [`${directory}/kernel/fs/pstore/pstore.ko.gz`]: { file: gzipSync('pstore').subarray(0, 15) } }
  expect(await filesOf({ ...installed, ...damaged })).toBeUndefined()
  expect(await filesOf(installed, ['x'.repeat(512)])).toBeUndefined()
})
