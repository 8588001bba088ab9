import { expect, test } from 'vitest'
import { memoryBytes } from '../../../../src/bytes/bytes.ts'
import { compatibleByHardware, hardwareId } from '../../../../src/plan/unified/hardware-ids.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree } from '../../entries/tree.ts'

const machine = {
  sys_vendor: 'ACME',
  product_family: 'Laptops',
  product_name: 'Laptop 5',
  product_sku: '5-A',
  board_vendor: 'Boards Ltd.',
  board_name: 'B5',
}
/** A .hwids section with one device for each of these ids, named by its number. */
function sectionOf(ids: readonly string[]): Buffer {
  const end = (ids.length + 1) * 28
  const devices = ids.map((id, index) => {
    const device = Buffer.alloc(28)
    device.writeUInt32LE(0x1000001c, 0)
    device.write(id, 4, 'hex')
    device.writeUInt32LE(end + index * 4, 24)
    return device
  })
  const names = ids.map((_, index) => Buffer.from(`d${String(index).padStart(2, '0')}\0`))
  return Buffer.concat([...devices, Buffer.alloc(28), ...names])
}

/** HardwareID-3 to -14 without a BIOS or a panel, of Microsoft's specification, the most specific first. */
const { sys_vendor: vendor, product_family: family, product_name: name, product_sku: sku } = machine
const board = [machine.board_vendor, machine.board_name]
const specified = [
  [vendor, family, name, sku, ...board],
  [vendor, sku, ...board],
  [vendor, name, ...board],
  [vendor, family, ...board],
  [vendor, family, name, sku],
  [vendor, family, name],
  [vendor, sku],
  [vendor, name],
  [vendor, family],
].map((texts) => hardwareId(texts) as string)

test('each kind of id finds its device, and a more specific one counts first', () => {
  const files = Object.entries(machine).map(([file, text]) => [`/sys/class/dmi/id/${file}`, { text: `${text}\n` }])
  const system = new System(makeTree(Object.fromEntries(files)))
  const chosen = (ids: readonly string[]) => compatibleByHardware(system, memoryBytes(sectionOf(ids)))
  for (const id of specified) expect(chosen([hardwareId(['other']) as string, id])).toBe('d01')
  for (let from = 0; from + 1 < specified.length; from++) {
    const leastFirst = specified.slice(from).reverse()
    expect(chosen(leastFirst)).toBe(`d${String(leastFirst.length - 1).padStart(2, '0')}`)
  }
  expect(chosen([hardwareId([vendor]) as string])).toBeNull()
})
