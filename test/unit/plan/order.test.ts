import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../src/index.ts'
import { debian, makeMachine, newer } from './debian.ts'

/** The plan as plain data; closed again. */
async function planned(options: PlanOptions) {
  using made = await plan(options)
  return made.toJSON()
}

const begins = (remarks: readonly { text: string }[]) =>
  remarks.map(({ text }) => text.split(' ').slice(0, 4).join(' '))

test('decisions and warnings come in the order of their subjects, whatever found them', async () => {
  const { [`/usr/lib/modules/${newer}`]: _, ...without } = debian
  const root = makeMachine({
    ...without,
    '/tmp/disk': { text: 'hsqs and so on' },
    '/proc/meminfo': { text: 'MemTotal: 4000000 kB\nMemAvailable: 20000 kB\nMemFree: 2000000 kB\nSwapFree: 0 kB\n' },
    '/proc/sys/kernel/arch': { text: 'x86_64\n' },
    '/proc/cpuinfo': { text: 'processor : 0\nflags : fpu la57\n' },
    '/proc/sys/kernel/osrelease': { text: '6.12.1\n' },
    '/sys/firmware/efi/fw_platform_size': { text: '32\n' },
  })
  chmodSync(join(root, `/boot/vmlinuz-${newer}`), 0o666)
  const made = await planned({
    root,
    entry: newer,
    initrds: ['/tmp/disk'],
    overlay: ['/etc/os-release'],
    append: 'no5lvl',
    remove: 'quite',
    engine: 'file',
    fast: true,
    verifyInPurgatory: true,
  })
  expect(made.decisions.map(({ subject }) => subject)).toEqual([
    'kernel',
    'initrd',
    'overlay',
    'command line',
    'engine',
    'purgatory',
    'fast',
    'fast',
    'fast',
    'fast',
  ])
  expect(begins(made.warnings)).toEqual([
    'There is no modules',
    '/tmp/disk is a squashfs',
    '/tmp/disk is a squashfs',
    "remove: 'quite': the command",
    'the new kernel uses',
    `/boot/vmlinuz-${newer} is writable by`,
    'loading takes 65.1 MiB',
    'the firmware is 32-bit',
  ])
  expect(made.refusals).toEqual([])
})

test('refusals do, too', async () => {
  const root = makeMachine({ ...debian, '/boot/not': { text: 'nothing' }, '/boot/none': 'empty' })
  const made = await planned({
    root,
    kernel: '/boot/not',
    initrds: ['/boot/none', '/boot/absent'],
    overlay: ['/absent'],
    panic: true,
    deviceTree: '/boot/x.dtb',
  })
  expect(made.refusals.map(({ reason, path }) => `${reason} ${path}`)).toEqual([
    'not-a-kernel /boot/not',
    'not-found /boot/absent',
    'not-an-initrd /boot/none',
    'not-found /absent',
    'no-command-line /boot/not',
    'invalid-argument undefined',
  ])
  expect(begins(made.unchecked)).toEqual(['whether the memory reserved', 'whether the memory is'])
})
