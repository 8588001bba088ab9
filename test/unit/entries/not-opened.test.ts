import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { inspect } from '../../../src/image/inspect/inspection.ts'
import { System } from '../../../src/system/system.ts'
import { readSentences } from './sentences.ts'
import { files, identify, makeTree, type Tree } from './tree.ts'

/** Every place that a text is read from when all of them are there. */
const configurations = [
  '/boot/grub/grub.cfg',
  '/boot/grub/grubenv',
  '/boot/grub2/grub.cfg',
  '/boot/efi/EFI/debian/grub.cfg',
  '/boot/loader/loader.conf',
  '/boot/loader/entries/a.conf',
  '/boot/extlinux/extlinux.conf',
  '/boot/grub/menu.lst',
  '/etc/zipl.conf',
  '/boot/firmware/config.txt',
  '/boot/EFI/refind/refind.conf',
  '/boot/refind_linux.conf',
  '/boot/limine.conf',
  '/etc/conf.d/kexec',
  '/etc/default/kexec',
  '/etc/os-release',
  '/etc/fstab',
  '/proc/self/mountinfo',
  '/proc/cmdline',
  '/proc/sys/kernel/osrelease',
]
const images = ['/boot/EFI/Linux/a.efi', '/boot/vmlinuz-6.1.0', '/boot/initrd.img-6.1.0']

/** Waits, as a writer of a FIFO does, until anyone opens it for reading: then it ends, and says so. */
async function watched(path: string): Promise<() => boolean> {
  const writer = spawn('sh', ['-c', 'echo waiting; : > "$0"', path], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void writer.kill('SIGKILL'))
  await once(writer.stdout, 'data')
  return () => writer.exitCode !== null || writer.signalCode !== null
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 100))

test('the watch of these tests sees a FIFO that is opened', async () => {
  const root = makeTree({ '/fifo': 'fifo' })
  const wasOpened = await watched(join(root, 'fifo'))
  const reader = spawn('cat', [join(root, 'fifo')])
  await once(reader, 'exit')
  await settled()
  expect(wasOpened()).toBe(true)
})

test('a FIFO in place of a configuration or an image is not opened', async () => {
  const paths = [...configurations, ...images]
  const tree: Tree = { '/grub/grub.cfg': { link: '../boot/grub/grub.cfg' }, ...files('fifo', ...paths) }
  const root = makeTree(tree)
  const watches = await Promise.all(paths.map(async (path) => [path, await watched(join(root, path))] as const))
  const { problems } = await readSentences({ system: new System(root), identify })
  await inspect(join(root, images[1] as string))
  await settled()
  expect(watches.filter(([, wasOpened]) => wasOpened()).map(([path]) => path)).toEqual([])
  for (const path of configurations.filter((path) => path !== '/boot/refind_linux.conf'))
    expect(problems.join('\n')).toContain(`${path} is a FIFO, not a file: it was not opened.`)
})

test('a device is not opened either, and a masked file is an empty one', async () => {
  const system = new System()
  expect(system.readText('/dev/zero')).toBeUndefined()
  expect(system.unopened.get('/dev/zero')).toBe('character device')
  expect(() => system.open('/dev/zero')).toThrow('is a character device, not a file')
  expect(system.readText('/dev/null')).toBe('')
  expect(system.unopened.has('/dev/null')).toBe(false)
})
