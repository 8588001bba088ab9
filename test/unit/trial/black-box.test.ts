import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../../src/cmdline/parse.ts'
import { findBlackBox, isOnLine } from '../../../src/trial/black-box.ts'
import type { Tree } from '../entries/tree.ts'
import { machine } from './machine.ts'

const text = (path: string, content: string): Tree => ({ [path]: { text: content } })
const line = (words: string) => text('/proc/cmdline', `root=/dev/vda1 ${words}\n`)
const ramoops = (values: Readonly<Record<string, string>>): Tree =>
  Object.assign(
    {},
    ...Object.entries(values).map(([name, value]) => text(`/sys/module/ramoops/parameters/${name}`, `${value}\n`)),
  )
const find = (...trees: readonly Tree[]) => findBlackBox(machine(text('/proc/sys/kernel/arch', 'x86_64\n'), ...trees))
const parametersOf = (...trees: readonly Tree[]) => {
  const box = find(...trees)
  return box.isKept ? box.parameters : box.reason
}

describe('the memory of ramoops', () => {
  const asked = 'memmap=2M$0x7fe00000 ramoops.mem_address=0x7fe00000 ramoops.mem_size=0x200000 ramoops.ecc=1'

  test('is that of the running command line, in its words', () => {
    expect(find(line(asked))).toEqual({
      isKept: true,
      parameters: [...asked.split(' '), 'ramoops.max_reason=3'],
      moduleParameters: ['mem_address=0x7fe00000', 'mem_size=0x200000', 'ecc=1', 'max_reason=3'],
      place: '2048 KiB at 0x7fe00000 (ramoops)',
    })
    const decimal = 'memmap=1G$0x40000000 ramoops.mem-address=2145386496 ramoops.mem_size=2097152'
    expect(parametersOf(line(decimal))).toEqual([...decimal.split(' '), 'ramoops.max_reason=3'])
  })

  test('is that of the module, whatever gave it its parameters; with the layout where it is not the usual one', () => {
    const loaded = ramoops({
      ...{ mem_address: '2145386496', mem_size: '2097152', mem_type: '0', record_size: '65536', console_size: '4096' },
      ...{ ftrace_size: '4096', pmsg_size: '0', ecc: '0', max_reason: '-1' },
    })
    expect(parametersOf(line('quiet'), loaded)).toEqual([
      'ramoops.mem_address=0x7fe00000',
      'ramoops.mem_size=0x200000',
      'ramoops.record_size=65536',
      'ramoops.pmsg_size=0',
      'ramoops.max_reason=3',
    ])
    // Only a range that covers all of it keeps the new kernel from it.
    expect(parametersOf(line('memmap=1M$0x7fe00000 memmap=64K@0,4M$0x7fd00000'), loaded)?.[0]).toBe(
      'memmap=64K@0,4M$0x7fd00000',
    )
    expect(parametersOf(line('memmap=1M$0x7fe00000'), loaded)).not.toContain('memmap=1M$0x7fe00000')
  })

  test('that reserve_mem= has found is named by its address, where memmap= can', () => {
    const named = line('reserve_mem=2M:4096:oops ramoops.mem_name=oops')
    const loaded = ramoops({ mem_address: '2145386496', mem_size: '2097152' })
    expect(parametersOf(named, loaded)?.slice(0, 2)).toEqual([
      'memmap=0x200000$0x7fe00000',
      'ramoops.mem_address=0x7fe00000',
    ])
    expect(parametersOf(named, loaded, text('/proc/sys/kernel/arch', 'aarch64\n'))).toMatch(/^reserve_mem= may give/)
    // By /etc/modprobe.d; without one the kernel shows '(null)'.
    const byModule = (name: string) => parametersOf(line('quiet'), loaded, ramoops({ mem_name: name }))?.[0]
    expect(byModule('oops')).toBe('memmap=0x200000$0x7fe00000')
    expect(byModule('(null)')).toBe('ramoops.mem_address=0x7fe00000')
  })

  test('that the firmware gives to the kernel is reserved, whatever kept the running kernel from it', () => {
    const lowered = line('mem=2046M ramoops.mem_address=0x7fe00000 ramoops.mem_size=0x200000')
    const firmware = (type: string) =>
      Object.entries({ start: '0x100000', end: '0x7fffffff', type }).map(([name, value]) =>
        text(`/sys/firmware/memmap/0/${name}`, `${value}\n`),
      )
    expect(parametersOf(lowered, ...firmware('System RAM'))?.[0]).toBe('memmap=0x200000$0x7fe00000')
    expect(parametersOf(lowered, ...firmware('Reserved'))?.[0]).toBe('ramoops.mem_address=0x7fe00000')
  })

  test('in the device tree goes to the new kernel by itself', () => {
    const node = '/sys/firmware/devicetree/base/reserved-memory/oops@7fe00000/compatible'
    expect(find(text(node, 'ramoops\0'))).toMatchObject({ isKept: true, parameters: [] })
    expect(find(text(node, 'shared-dma-pool\0'))).toMatchObject({ isKept: false })
  })

  test('is not there, or not whole', () => {
    for (const words of ['quiet', 'ramoops.mem_address=0x7fe00000', 'ramoops.mem_address=x ramoops.mem_size=1M'])
      expect(find(line(words))).toEqual({ isKept: false, reason: 'the running kernel has no memory for ramoops' })
    expect(find(line('quiet'), ramoops({ mem_address: '0', mem_size: '0' })).isKept).toBe(false)
  })
})

test('a command line without it, or with another one, does not have it', () => {
  const box = find(line('memmap=1M$0x10000000 ramoops.mem_address=0x10000000 ramoops.mem_size=0x100000'))
  if (!box.isKept) throw new Error(box.reason)
  const has = (words: string) => isOnLine(box, parseCommandLine(words))
  expect(has(box.parameters.join(' '))).toBe(true)
  expect(has(`${box.parameters.slice(0, 3).join(' ')} ramoops.max_reason=1`)).toBe(true)
  expect(has(box.parameters.slice(1).join(' '))).toBe(false)
})
