import { expect, test } from 'vitest'
import { explainNotReserved } from '../../../src/crash-kernel/not-reserved.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree } from '../entries/tree.ts'

function cause(parameters: string, mebibytes: number, release = '6.12.1-amd64'): string | null | undefined {
  const system = new System(
    makeTree({
      '/proc/cmdline': { text: `ro ${parameters}\n` },
      '/proc/meminfo': { text: `MemTotal:  ${mebibytes * 1024} kB\n` },
      '/proc/sys/kernel/osrelease': { text: `${release}\n` },
    }),
  )
  return explainNotReserved(system)?.cause
}

test('ranges that do not include this memory', () => {
  const usual = 'crashkernel=2G-4G:320M,4G-32G:512M,32G-:1G'
  expect(cause(usual, 964)).toBe("None of its ranges includes this machine's memory, 964.0 MiB.")
  expect(cause(usual, 3000)).toBeNull()
  expect(cause('crashkernel=512M-1G:64M@16M', 4000)).toContain('None of its ranges')
  // Of 2 GiB the kernel counts less as MemTotal, and asks for all of it.
  expect(cause(usual, 1960)).toBeNull()
  expect(cause('crashkernel=4G-2G:64M', 3000)).toContain('does not understand')
  expect(cause('crashkernel=1G-:64M,x', 3000)).toContain('does not understand')
})

test('auto, where the kernel knows it, and where it does not', () => {
  expect(cause('crashkernel=auto', 8000)).toContain('does not know crashkernel=auto')
  expect(cause('crashkernel=auto', 8000, '5.14.0-427.el9.x86_64')).toContain('does not know')
  expect(cause('crashkernel=auto', 900, '4.18.0-553.el8_10.x86_64')).toContain('little memory')
})

test('too much, nothing, no number; the last one counts, and one with ,high not before a plain one', () => {
  expect(cause('crashkernel=8G', 4000)).toContain("more than this machine's memory")
  expect(cause('crashkernel=0', 4000)).toContain('requests no memory')
  expect(cause('crashkernel=lots', 4000)).toContain('does not understand')
  expect(cause('crashkernel=64M crashkernel=auto', 4000)).toContain('auto')
  expect(cause('crashkernel=auto crashkernel=64M,high', 4000)).toContain('auto')
  expect(cause('crashkernel=256M@16M', 4000)).toBeNull()
  expect(cause('quiet', 4000)).toBeUndefined()
})
