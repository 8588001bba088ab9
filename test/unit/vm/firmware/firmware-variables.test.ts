import { describe, expect, test } from 'vitest'
import {
  certificateList,
  digestList,
  extendedDatabase,
  machineOwnerKeys,
  readVariables,
  secureBootOff,
  writeVariables,
} from '../../../../src/vm/firmware/firmware-variables.ts'

/** An empty flash as edk2 formats it: the header of a firmware volume (PI specification), then that of the store. */
function emptyFlash(size = 4096): Buffer {
  const flash = Buffer.alloc(size, 0xff)
  flash.fill(0, 0, 0x48)
  flash.write('_FVH', 0x28, 'latin1')
  flash.writeUInt16LE(0x48, 0x30)
  Buffer.from('782cf3aa7b949a43a1802e144ec37792', 'hex').copy(flash, 0x48)
  flash.writeUInt32LE(size - 0x48, 0x58)
  flash.writeUInt32LE(0xfe5a, 0x5c)
  flash.writeUInt32LE(0, 0x60)
  return flash
}

describe('variables in the flash of UEFI firmware', () => {
  test('one that is written is there, the flash that was given is as it was', () => {
    const flash = emptyFlash()
    const written = writeVariables(flash, [secureBootOff])
    expect(readVariables(written)).toMatchObject([secureBootOff])
    expect(readVariables(flash)).toEqual([])
  })

  test('one that is written again takes the place of the first', () => {
    const own = machineOwnerKeys([certificateList(Buffer.from('first'))])
    const other = machineOwnerKeys([certificateList(Buffer.from('the second one'))])
    const written = writeVariables(emptyFlash(), [own, secureBootOff, other])
    expect(readVariables(written).map(({ name, value }) => [name, value.length])).toEqual([
      ['SecureBootEnable', 1],
      ['MokList', 28 + 16 + 14],
    ])
  })

  test('a list of keys gets longer at its end', () => {
    const digest = Buffer.alloc(32, 7)
    const flash = writeVariables(emptyFlash(), [])
    const first = writeVariables(flash, [extendedDatabase(flash, 'dbx', [digestList(digest)])])
    const second = writeVariables(first, [extendedDatabase(first, 'dbx', [certificateList(Buffer.from('cert'))])])
    const [dbx] = readVariables(second)
    expect(dbx?.value.subarray(0, 76)).toEqual(digestList(digest))
    expect(dbx?.value.subarray(76)).toEqual(certificateList(Buffer.from('cert')))
    expect(dbx?.attributes).toBe(0x27)
  })

  test('a full store and a file that is none are told', () => {
    const large = machineOwnerKeys([certificateList(Buffer.alloc(5000))])
    expect(() => writeVariables(emptyFlash(), [large])).toThrow('no room for MokList')
    expect(() => readVariables(Buffer.alloc(64))).toThrow('no flash')
    expect(() => readVariables(Buffer.alloc(4096))).toThrow('no flash')
    expect(() => readVariables(emptyFlash().fill(0, 0x48, 0x58))).toThrow('no store')
  })

  test('a length that leads out of the store is told', () => {
    const written = writeVariables(emptyFlash(), [secureBootOff])
    written.writeUInt32LE(0xffffffff, 0x48 + 28 + 40)
    expect(() => readVariables(written)).toThrow('beyond its store')
  })
})
