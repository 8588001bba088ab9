import { expect, test } from 'vitest'
import { makeTree } from '../entries/tree.ts'
import { debian, makeMachine, newer, older } from '../plan/debian.ts'
import { cli, json } from './cli.ts'

test('a table within 80 columns, with the running and the newest kernel marked', async () => {
  const root = makeMachine({ ...debian, '/boot/vmlinuz-5.10.0-33-amd64': 'empty' })
  const { status, stdout, stderr } = await cli(['list', '--root', root])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const lines = stdout.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^# +VERSION/)
  expect(lines.find((line) => line.startsWith('#1'))).toMatch(/6\.12\.107\+deb12-cloud-amd64 +newest/)
  expect(lines.find((line) => line.startsWith('#2'))).toMatch(/6\.1\.0-50-cloud-amd64 +running/)
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80)
  for (const path of [newer, older].map((release) => `/boot/vmlinuz-${release}`)) expect(stdout).toContain(path)
})

test("usual Debian names fit on one line each, and an entry's problems are below it", async () => {
  const root = makeMachine({
    '/boot/vmlinuz-6.12.107+deb12-amd64': { kernel: '6.12.107+deb12-amd64' },
    '/boot/initrd.img-6.12.107+deb12-amd64': 'initrd',
    '/boot/vmlinuz-6.1.0-56-amd64': { kernel: '6.1.0-56-amd64' },
    '/proc/sys/kernel/osrelease': { text: '6.1.0-56-amd64\n' },
  })
  const { stdout } = await cli(['list', '--root', root])
  expect(stdout).toBe(`#   VERSION                        ENTRY
#1  6.12.107+deb12-amd64  newest   /boot/vmlinuz-6.12.107+deb12-amd64
#2  6.1.0-56-amd64        running  /boot/vmlinuz-6.1.0-56-amd64
    problem: No initrd was found for /boot/vmlinuz-6.1.0-56-amd64; looked for
      initrd.img-6.1.0-56-amd64, initramfs-6.1.0-56-amd64.img,
      initrd-6.1.0-56-amd64 and the like in /boot.
`)
})

test('--json: the fields that scripts rely on, paths as seen inside the root', async () => {
  const root = makeMachine()
  const { status, stderr, document } = await json(['list', '--root', root])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(document).toEqual({
    schemaVersion: 1,
    entries: [
      {
        id: `vmlinuz-${newer}`,
        title: `Debian GNU/Linux 12 (bookworm), Linux ${newer}`,
        submenus: [],
        version: newer,
        source: 'boot-dir',
        sources: ['boot-dir'],
        config: '/boot',
        kernel: `/boot/vmlinuz-${newer}`,
        initrds: [`/boot/initrd.img-${newer}`],
        cmdline: null,
        devicetree: null,
        architecture: 'x86_64',
        isDefault: false,
        isRunning: false,
        isNewest: true,
        problems: [],
      },
      expect.objectContaining({ id: `vmlinuz-${older}`, isRunning: true, isNewest: false }),
    ],
    loaders: [{ source: 'boot-dir', config: '/boot', inCharge: false, default: null, reason: null, problems: [] }],
    problems: [],
  })
})

test('nothing found is no failure', async () => {
  const root = makeTree({ '/boot': 'folder' })
  expect(await cli(['list', '--root', root])).toEqual({
    status: 0,
    stdout: `No kernel was found in ${root}.\n`,
    stderr: '',
  })
  expect((await json(['list', '--root', root])).document.entries).toEqual([])
})

test('a root that is no folder is refused: an empty list would mislead', async () => {
  const { status, document } = await json(['list', '--root', '/nowhere/at/all'])
  expect(status).toBe(3)
  expect(document.error).toMatchObject({ reason: 'not-found', path: '/nowhere/at/all', refused: true })
})

test('a relative root', async () => {
  const root = makeMachine()
  const { document } = await json(['list', '--root', '.'], { cwd: root })
  expect(document.entries).toHaveLength(2)
})
