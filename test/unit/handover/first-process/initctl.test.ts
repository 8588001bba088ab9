import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { endianness, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runlevelRequest, write } from '../../../../src/handover/first-process/initctl.ts'
import { readInittab, rebootEntries } from '../../../../src/handover/first-process/inittab.ts'
import { machine } from '../machine.ts'

const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-initctl-'))
afterAll(() => rmSync(directory, { recursive: true }))

test('a request for runlevel 6 is struct init_request of initreq.h', () => {
  const request = runlevelRequest('6')
  const word = (index: number) =>
    endianness() === 'LE' ? request.readInt32LE(4 * index) : request.readInt32BE(4 * index)
  expect([0, 1, 2, 3].map(word)).toEqual([0x03091969, 1, 0x36, 5])
  expect(request).toHaveLength(384)
})

test('a FIFO takes the request when someone listens; a FIFO without a reader is an error, and never waited for', () => {
  const fifo = join(directory, 'initctl')
  execFileSync('mkfifo', [fifo])
  expect(write(fifo, runlevelRequest('6'))).toBe(`nobody listens on ${fifo}`)
  const listener = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  expect(write(fifo, runlevelRequest('6'))).toBeUndefined()
  const received = Buffer.alloc(1000)
  expect(received.subarray(0, readSync(listener, received))).toEqual(runlevelRequest('6'))
  closeSync(listener)

  const file = join(directory, 'file')
  writeFileSync(file, 'as it was')
  expect(write(file, Buffer.from('x'))).toBe(`${file} is not a FIFO`)
  expect(write(join(directory, 'absent'), Buffer.from('x'))).toBe(`${join(directory, 'absent')}: ENOENT`)
})

test('inittab: comments, accounting marks, odd lines, and the parts of sysvinit 3', () => {
  const system = machine({
    '/etc/inittab':
      '# l6:6:wait:/no\nsi::sysinit:/etc/init.d/rcS\n l6:06:wait:+/sbin/openrc reboot\nodd\n:6:wait:\nz6:6:respawn:/sbin/sulogin\n',
    '/etc/inittab.d/reboot.tab': 'r6:6:once:/sbin/reboot -dkn\n',
    '/etc/inittab.d/README': 'no:6:wait:/no\n',
  })
  expect(rebootEntries(readInittab(system) ?? []).map(({ id, process }) => [id, process])).toEqual([
    ['l6', '/sbin/openrc reboot'],
    ['r6', '/sbin/reboot -dkn'],
  ])
  expect(readInittab(machine({ '/etc': null }))).toBeUndefined()
})
