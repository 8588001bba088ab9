import { describe, expect, test } from 'vitest'
import { parseCommandLine, printCommandLine } from '../../../src/cmdline/parse.ts'
import { type CrashKernel, crashCommandLine } from '../../../src/crash-kernel/parameters.ts'

const debian: CrashKernel = { architecture: 'x86_64', version: '6.1.0-50-amd64', append: [], bootApic: 0 }

function made(text: string, kernel: Partial<CrashKernel> = {}) {
  const { line, removed, added } = crashCommandLine(parseCommandLine(text), { ...debian, ...kernel })
  return { text: printCommandLine(line), removed, added: added.map(({ raw }) => raw).join(' ') }
}

const usual = 'nr_cpus=1 irqpoll reset_devices cgroup_disable=memory udev.children-max=2 noresume panic=10'

test("Debian's own line: all of it stays, and what a crash kernel needs comes behind it", () => {
  expect(made('root=/dev/vda1 ro quiet')).toEqual({
    text: `root=/dev/vda1 ro quiet ${usual}`,
    removed: [],
    added: usual,
  })
})

test('what takes memory at boot, or describes the memory and the CPUs of the kernel that crashed, goes', () => {
  const stale =
    'crashkernel=512M,high crashkernel=256M,low hugepagesz=1G hugepages=4 log_buf_len=16M slub_debug=FZP memmap=64M$1G nr-cpus=8 swiotlb=65536'
  const { text, removed } = made(`root=/dev/sda1 ${stale} swiotlb=force mem=8G`)
  expect(text).toBe(`root=/dev/sda1 swiotlb=force mem=8G ${usual}`)
  expect(removed).toEqual(stale.split(' '))
})

test('what is there already, or is appended, is not added again', () => {
  expect(made('ro panic=30 irqpoll').text).toBe(
    'ro panic=30 irqpoll nr_cpus=1 reset_devices cgroup_disable=memory udev.children-max=2 noresume',
  )
  expect(made('ro', { append: ['panic=0 cgroup-disable=memory'] }).added).toBe(
    'nr_cpus=1 irqpoll reset_devices udev.children-max=2 noresume',
  )
})

test("words of init's stay behind", () => {
  expect(made('ro crashkernel=1G -- single').text).toBe(`ro ${usual} -- single`)
})

describe('other machines', () => {
  test('POWER takes maxcpus=1, and interrupts on one CPU', () => {
    expect(made('ro', { architecture: 'ppc64le', bootApic: null }).added).toMatch(/^maxcpus=1 irqpoll.* noirqdistrib /)
  })

  test('a mainframe has neither interrupts to poll nor devices to reset', () => {
    expect(made('ro', { architecture: 's390x' }).added).not.toMatch(/irqpoll|reset_devices/)
  })
})

describe('several CPUs', () => {
  const several = (kernel: Partial<CrashKernel>) => made('ro', { append: ['nr_cpus=4'], ...kernel }).added
  test('the one that booted the machine is left alone, where the kernel does not know it by itself', () => {
    expect(several({ bootApic: 6 })).toContain('disable_cpu_apicid=6')
    expect(several({ version: '6.9.0' })).not.toContain('disable_cpu_apicid')
    expect(several({ bootApic: null })).not.toContain('disable_cpu_apicid')
    expect(several({ version: null })).toContain('disable_cpu_apicid=0')
    expect(made('ro', { append: ['nr_cpus=1'] }).added).not.toContain('disable_cpu_apicid')
  })
})
